/* SPDX-License-Identifier: MIT */
#include "sievetools/test.h"

int main(int argc, char **argv)
{
	return sieve_test(argc, argv, NULL, NULL);
}
