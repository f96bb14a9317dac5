/* SPDX-License-Identifier: MIT */
/*
 * proto/imap_id.h - ID (RFC 2971), before login and after it.
 */
#ifndef PROTO_IMAP_ID_H
#define PROTO_IMAP_ID_H

struct buf;
struct imap_arg;

/* The untagged answer with CRLF. `send` is imap_id_send: pairs of a name and a
 * value, where * is what we know ourselves. */
void imap_id_reply(const char *send, struct buf *out);
/* "name=mutt, version=2": those of the client's fields that imap_id_log
 * wants (* is all). `list` is the argument's array. */
void imap_id_log_text(const struct imap_arg *list, const char *wanted,
		      struct buf *out);

#endif
