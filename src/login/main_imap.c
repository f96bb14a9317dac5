/* SPDX-License-Identifier: MIT */
#include "login/client.h"

int main(int argc, char **argv)
{
	return login_main(&imap_protocol, "imap-login", argc, argv);
}
