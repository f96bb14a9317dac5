/* SPDX-License-Identifier: MIT */
/*
 * doveadm/client.h - one of the server's line protocols, asked and waited for.
 */
#ifndef DOVEADM_CLIENT_H
#define DOVEADM_CLIENT_H
#include "base/str.h"

struct client;
struct err;

/* Connect to a unix socket; the error reads as Dovecot's. Child of ctx, whose
 * end closes it. */
int client_open(const void *ctx, const char *path, struct client **out,
		struct err *err);
int client_send(struct client *client, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The next line without its LF, valid up to the next call. ERR_CLOSED at the
 * end, ERR_TIMEOUT after a minute, ERR_LIMIT when it is too long. */
int client_line(struct client *client, struct str *line_out, struct err *err);
/* Ask anvil, and call `fn` for each line of its answer; not 0 ends that. */
int client_ask_anvil(struct client *client, const char *command,
		     int (*fn)(void *ctx, struct str line, struct err *err),
		     void *ctx, struct err *err);
/* The n-th of the words between tabs, unescaped; "" if there are fewer. Child
 * of ctx. */
char *line_word(const void *ctx, struct str line, unsigned n);

#endif
