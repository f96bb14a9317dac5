/* SPDX-License-Identifier: MIT */
/*
 * delivery/filter.h - scripts on mails that are stored already: at IMAP events
 * (RFC 6785), by FILTER (draft-bosch-imap-filter-sieve), by sieve-filter.
 *
 * What scripts store is durable when filter_mail() returns; what becomes of the
 * mail itself, filter_settle() or the caller does after that, so that no mail
 * is lost between the two. Answers to the sender (reject, vacation) are not
 * sent.
 */
#ifndef DELIVERY_FILTER_H
#define DELIVERY_FILTER_H
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "scripts/scripts.h"

struct config;
struct config_filter;
struct err;
struct keywords;
struct lda_script;
struct lda_settings;
struct mailbox;
struct sender;
struct sieve_host;
struct sieve_log;
struct sieve_result;
struct user;

struct filter;

/* Who sent a mail, for its envelope. */
enum filter_sender {
	FILTER_SENDER_NONE,     /* the user himself, by sieve_user_email */
	FILTER_SENDER_ENVELOPE, /* Return-Path; <> without one */
	FILTER_SENDER_HEADER,   /* that, Sender or From */
};

struct filter_options {
	const struct config *config;
	const struct config_filter *filter;
	const char *service, *session_id; /* "imap" */
	enum filter_sender sender_of;
	struct scripts_options scripts;
	/* redirect, notify and report send mails: by `sender`, or as deliveries
	 * do if it is NULL. */
	bool send;
	struct sender *sender;
	bool log_uids; /* see struct carry_stored */
	/* See struct sieve_host. */
	int (*environment)(void *ctx, const void *mem, const char *name,
			   struct str *value_out, struct err *err);
	void *ctx;
};

/* Of one user, with his settings. Texts of the options are copied. Child of
 * ctx. */
int filter_new(const void *ctx, struct user *user,
	       const struct filter_options *options, struct filter **out,
	       struct err *err);
struct lda_sieve *filter_sieve(struct filter *filter);
/* The user's address: sieve_user_email, or his name, with the hostname if it
 * has no domain. */
const char *filter_owner(const void *ctx, const struct filter *filter);
/* Names of flags and keywords in such a mailbox, up to NULL. Child of ctx. */
const char *const *filter_flag_names(const void *ctx, struct mailbox *box,
				     uint8_t flags,
				     const struct keywords *keywords);
/* Where errors of scripts go in place of the user's log; NULL: there. */
void filter_listen(struct filter *filter, const struct sieve_log *log);

struct filter_outcome {
	bool kept;     /* it stays as it is */
	bool replaced; /* a changed one was stored in its place */
	bool taken;    /* stored somewhere else, or sent on, maybe as a copy */
	bool failed;   /* a script or an action of it: the mail is kept */
	/* New flags and keywords, up to NULL; NULL if they stay. */
	const char *const *flags;
};

/* Run `scripts` (see delivery/sieve.h) one after the other on mail `uid` of
 * `box` and do what they decide. keep means the mailbox `keep`, which is
 * `box`'s for NULL. `simulate` (may be NULL) is called in place of doing. *out
 * is a child of ctx. ERR_EXPUNGED: it is gone. ERR_TEMPORARY: nothing was done.
 */
int filter_mail(const void *ctx, struct filter *filter, struct mailbox *box,
		uint32_t uid, struct lda_script *scripts, const char *keep,
		void (*simulate)(void *ctx, const struct sieve_result *result),
		struct filter_outcome *out, struct err *err);
/* Do with the mail itself what came out: new flags; \Deleted if it is not kept,
 * or `expunge`. One that was replaced is expunged. *changed_out (may be NULL)
 * tells whether anything was done. */
int filter_settle(const void *ctx, struct mailbox *box, uint32_t uid,
		  const struct filter_outcome *outcome, bool expunge,
		  bool *changed_out, struct err *err);

#endif
