/* SPDX-License-Identifier: MIT */
/*
 * sieve/outgoing.h - the mails that actions send: redirect, reject, vacation...
 *
 * They are only written here; whoever carries out the actions sends them.
 */
#ifndef SIEVE_OUTGOING_H
#define SIEVE_OUTGOING_H
#include "base/str.h"

struct buf;
struct err;
struct sieve_action;
struct sieve_engine;
struct sieve_envelope;
struct sieve_host;
struct sieve_message;

struct sieve_mail {
	const char *from; /* envelope sender; "" is the null sender */
	const char *to;
	struct str text; /* CRLF line ends if the message has them */
};

/* What an action sends, up to *count_out mails; none for an action that sends
 * nothing, or nothing to this sender (RFC 3834). All of it is a child of
 * ctx. */
int sieve_outgoing(const void *ctx, struct sieve_engine *engine,
		   struct sieve_message *message,
		   const struct sieve_envelope *envelope,
		   const struct sieve_host *host,
		   const struct sieve_action *action,
		   struct sieve_mail **mails_out, unsigned *count_out,
		   struct err *err);

/* Whom a setting means: sender, recipient, orig_recipient, user_email,
 * postmaster or <address>. Child of ctx. */
const char *sieve_out_source(const void *ctx, const struct sieve_engine *engine,
			     const struct sieve_envelope *envelope,
			     const struct sieve_host *host,
			     const char *setting);
/* Redirects, for who sends them on his own: the envelope sender
 * (sieve_redirect_envelope_from), a child of ctx; whose redirect it is, in the
 * field by which a loop is known; the header with that field, and without what
 * the last delivery put on top. */
const char *sieve_redirect_sender(const void *ctx,
				  const struct sieve_engine *engine,
				  const struct sieve_envelope *envelope,
				  const struct sieve_host *host);
struct str sieve_redirect_owner(const struct sieve_engine *engine,
				const struct sieve_envelope *envelope);
void sieve_redirect_header(const struct sieve_engine *engine,
			   const struct sieve_envelope *envelope,
			   struct str header, struct buf *out);

/* Whether a value of Auto-Submitted says that a program has sent the message
 * (RFC 3834 section 5); not if there is none (data is NULL). */
bool sieve_auto_submitted(struct str value);

/* A mail that tells of a rejection (RFC 8098): all from MIME-Version on, behind
 * the fields From, To, Subject and the like. */
struct sieve_mdn {
	const char *boundary, *hostname;
	struct str words, recipient;
	struct str id;     /* Message-ID of the mail; "" if it has none */
	/* "5.2.2": it could not be delivered (RFC 3464); NULL: the recipient
	 * does not want it (RFC 8098). */
	const char *status;
	struct str header; /* of the mail */
};
void sieve_mdn_write(const struct sieve_mdn *mdn, struct buf *out);

/* What a vacation is remembered by (RFC 5230 section 4.2): an answer to this
 * sender with the same handle, or the same words, is not sent again while
 * action->vacation.seconds have not passed. Child of ctx. */
struct str sieve_vacation_id(const void *ctx, const struct sieve_action *action,
			     const struct sieve_envelope *envelope);

#endif
