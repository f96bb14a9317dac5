/* SPDX-License-Identifier: MIT */
#include "sievetools/sievec.h"

int main(int argc, char **argv)
{
	return sievec(argc, argv, NULL);
}
