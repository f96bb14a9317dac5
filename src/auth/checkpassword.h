/* SPDX-License-Identifier: MIT */
/*
 * auth/checkpassword.h - programs that check passwords for other programs, by
 * D. J. Bernstein's interface: they read "user NUL password NUL 0 NUL" on
 * descriptor 3 and, if it is right, run checkpassword-reply, which says on
 * descriptor 4 who and where the user is. With Dovecot's extensions: exit
 * status 3 is an unknown user; AUTHORIZED=1 in the environment asks for the
 * user without a password, to be confirmed with AUTHORIZED=2.
 */
#ifndef AUTH_CHECKPASSWORD_H
#define AUTH_CHECKPASSWORD_H
#include "auth/request.h"

enum { CHECKPASSWORD_SECONDS = 30, CHECKPASSWORD_REPLY_MAX = 32 * 1024 };

/* Run `args` (a program and its arguments) for the request's user; with
 * lookup_only for no password. *fields get the reply: those of a passdb. Logs
 * why it fails. Waits. */
enum pass_result checkpassword_run(const char *args, struct request *request,
				   struct fields *fields);

#endif
