/* SPDX-License-Identifier: MIT */
/*
 * proto/auth.h - the lines of Dovecot's authentication protocol ("Design/
 * AuthProtocol" in its documentation): words divided by tabs, as both sides
 * of it need them. No I/O.
 */
#ifndef PROTO_AUTH_H
#define PROTO_AUTH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf;

enum {
	AUTH_PROTOCOL_MAJOR = 1,
	AUTH_PROTOCOL_MINOR = 2,
	AUTH_LINE_MAX = 8192, /* AUTH_REQUEST_MAX_SIZE of the protocol */
	/* What auth takes of a client in one line, LF included, and of octets
	 * in one response before its base64. */
	AUTH_CLIENT_LINE_MAX = 16 * 1024,
	AUTH_RESPONSE_MAX = 8192,
	AUTH_ARGS_MAX = 64,
};

struct auth_line {
	struct str command; /* "AUTH", "OK", "USER" */
	uint32_t id;        /* the first argument where it is a number, else 0 */
	struct str args[AUTH_ARGS_MAX]; /* the others, still tab-escaped */
	size_t count;
};

/* One line without its LF. False when it is malformed or has too many
 * arguments. */
bool auth_line_parse(struct str line, struct auth_line *out);
/* The next line of `in`: *used_out includes the LF. False: not whole yet; more
 * than AUTH_LINE_MAX without LF is the caller's to refuse. */
bool auth_line_next(struct str in, struct str *line_out, size_t *used_out);
/* The value of "key=value" among the arguments; {NULL, 0} if not there; "" for
 * a bare "key". */
struct str auth_line_value(const struct auth_line *line, const char *key);
/* Append "\tkey", or "\tkey=value", both escaped: keys are clients', too. */
void auth_write_key(struct buf *out, const char *key);
void auth_write_value(struct buf *out, const char *key, const char *value);

#endif
