/* SPDX-License-Identifier: MIT */
/*
 * sieve/mail_out.h - what the mails that actions send have in common. For
 * outgoing.c and the files it calls; fields for delivery/reject.c, too.
 */
#ifndef SIEVE_MAIL_OUT_H
#define SIEVE_MAIL_OUT_H

#include "base/str.h"

struct buf;
struct err;
struct sieve_action;
struct sieve_engine;
struct sieve_envelope;
struct sieve_host;
struct sieve_mail;
struct sieve_message;

/* An action at work. */
struct sieve_out {
	const void *ctx; /* of the mails */
	struct sieve_engine *engine;
	struct sieve_message *message;
	const struct sieve_envelope *envelope;
	const struct sieve_host *host;
	const struct sieve_action *action;
	struct sieve_mail *mails;
	unsigned count;
};

/* "X-Sieve:", "Message-ID:", "Date:". Line ends are "\n" while a mail is
 * written. */
void sieve_out_begin(struct sieve_out *out, struct buf *text);
/* A field whose value may have any UTF-8: encoded words (RFC 2047) if it is not
 * ASCII; line ends become blanks, and long lines are folded. */
void sieve_out_field(struct buf *text, const char *name, struct str value);
/* A value that has no line ends, as such a field has it, in front of whose
 * blanks lines longer than 78 are folded; its first line starts at `column`. */
void sieve_out_folded(struct buf *text, struct str value, size_t column);
/* "MIME-Version:", the type and encoding of a plain text, the empty line, and
 * it. */
void sieve_out_text(struct buf *text, struct str body);
/* The value of the message's field as it is written, on one line; data NULL if
 * there is none. */
struct str sieve_out_original(struct sieve_out *out, const char *name);
/* Whether the message says that a program has sent it (RFC 3834 section 5). */
bool sieve_out_is_automatic(struct sieve_out *out);
/* A field with one address; a name that is not ASCII becomes encoded words. */
void sieve_out_mailbox(struct buf *text, const char *field,
		       const char *mailbox);
/* "Postmaster <...>" */
void sieve_out_postmaster(struct sieve_out *out, struct buf *text);
/* The mail is whole: `from` and `to` are copied. */
void sieve_out_add(struct sieve_out *out, const char *from, struct str to,
		   const struct buf *text);

/* answer.c: a vacation response, if there is to be one. */
int sieve_out_vacation(struct sieve_out *out, struct err *err);
/* notification.c */
int sieve_out_notify(struct sieve_out *out, struct err *err);
int sieve_out_report(struct sieve_out *out, struct err *err);
int sieve_out_reject(struct sieve_out *out, struct err *err);

#endif
