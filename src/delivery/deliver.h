/* SPDX-License-Identifier: MIT */
/*
 * delivery/deliver.h - one message for one user, for lmtp and dovetail-lda
 * alike.
 *
 * deliver() returns 0 only when the mail is durable in storage, and the caller
 * may then say 250. It runs with the user's rights, which are the caller's to
 * take.
 */
#ifndef DELIVERY_DELIVER_H
#define DELIVERY_DELIVER_H
#include <stdint.h>
#include <sys/types.h>

#include "base/ip.h"
#include "base/log.h"
#include "base/str.h"

struct account;
struct address;
struct buf;
struct err;
struct lda_settings;
struct lda_sieve;
struct sender;
struct spool;
struct user;

enum { DELIVERY_POOL = 32 * 1024 }; /* octets of memory, at first */

struct delivery {
	struct user *user;
	const char *service; /* "lmtp", "lda": for the log */
	pid_t pid;           /* the same; 0: this process */
	const char *session_id;
	const char *from;        /* envelope sender; "" for <> */
	const char *to;          /* envelope recipient */
	const char *original_to; /* before the MTA's aliases; NULL: the same */
	bool no_envelope;        /* it never had one: `from` may be nobody's */
	/* Where to; INBOX is taken if it cannot be opened. */
	const char *mailbox;
	struct spool *spool; /* ended */
	uint64_t session_started_ms, started_ms;
	const char *log_prefix; /* the caller's, set again afterwards; NULL: the
				   delivery's stays */
	struct lda_sieve *sieve; /* the user's scripts; NULL: they are off */
	struct sender *sender;   /* for what they send */
	/* Where a script's reason to refuse the mail goes, as a child of
	 * refusal_ctx; NULL: the protocol can't refuse it any more. */
	const char **refusal;
	const void *refusal_ctx;
};

/* A name for a session in logs and Received fields, in Dovecot's form. Child
 * of ctx. */
char *delivery_id(const void *ctx);
int deliver(const struct delivery *delivery, const struct lda_settings *set,
	    struct err *err);
/* `status` in the form of deliver_log_format. Child of ctx. */
char *delivery_text(const void *ctx, const struct delivery *delivery,
		    const struct lda_settings *set, const char *status);
/* A line of that form, with `prefix` in front. */
void delivery_log(const struct delivery *delivery,
		  const struct lda_settings *set, enum log_level level,
		  const char *prefix, const char *status);
/* For mailbox_open(). */
unsigned delivery_open_flags(const struct lda_settings *set);

/* addresses */

/* "user+detail@domain" to "user@domain" and "detail" (NULL if there is none;
 * `delimiters` empty: never). Children of ctx. */
void address_split(const void *ctx, const char *address, const char *delimiters,
		   char **user_out, char **detail_out);

/* One that was read from a field, as SMTP has it, in quotes if need be; NULL if
 * it has not both parts. Child of ctx. */
char *address_written(const void *ctx, const struct address *address);

/* the fields on top */

struct trace {
	const char *from;
	const char *to;           /* NULL: several recipients, name none */
	const char *delivered_to; /* NULL: no Delivered-To */
	/* Received; NULL hostname: none. */
	const char *hostname, *helo, *session_id, *with, *tls;
	struct ip remote;
	int64_t time;
};
/* Returns the octets of what only the final server writes (Return-Path,
 * Delivered-To). */
size_t trace_write(const struct trace *trace, struct buf *out);
/* hostname, or the system's name if the setting is empty. */
const char *lda_hostname(const void *ctx, const struct lda_settings *set);
/* postmaster_address, for a mail to `to`; and what stands in front of it in a
 * field. */
const char *lda_postmaster(const void *ctx, const struct lda_settings *set,
			   const char *to, const char **name_out);

#endif
