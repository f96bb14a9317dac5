/* SPDX-License-Identifier: MIT */
#include "login/protocol.h"

int main(int argc, char **argv)
{
	return login_main(&login_submission, "submission-login", argc, argv);
}
