/* SPDX-License-Identifier: MIT */
/*
 * service/auth_master_line.h - lines of auth's master protocol from the side
 * that asks, for the two forms of service/auth_master.h: the one in an event
 * loop and the one that waits.
 */
#ifndef SERVICE_AUTH_MASTER_LINE_H
#define SERVICE_AUTH_MASTER_LINE_H
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct account;
struct auth_request_info;
struct buf;
struct err;

struct master_reply {
	struct str command; /* USER, NOTFOUND, FAIL, PASS, LIST, DONE, OK */
	uint32_t id;
	struct str rest; /* behind the number, still escaped */
};

/* False for lines that answer nothing (SPID). */
bool master_reply_parse(struct str line, struct master_reply *out);
/* Whether the server's first line is a VERSION that we speak. */
bool master_greeting_ok(struct str line);
/* What USER, PASS, NOTFOUND or FAIL says. */
int master_reply_account(const void *ctx, const struct master_reply *reply,
			 struct account **out, struct err *err);
/* The err of a NOTFOUND or FAIL; returns -1. */
int master_reply_error(const struct master_reply *reply, struct err *err);
/* "user\tservice=imap\tsession=...", what stands behind the number. */
void master_write_user(struct buf *out, const char *user,
		       const struct auth_request_info *info);

#endif
