/* SPDX-License-Identifier: MIT */
/*
 * delivery/send.h - mails that a delivery sends: by submission_host if that is
 * set, else by the program of sendmail_path. Both wait for the outcome.
 */
#ifndef DELIVERY_SEND_H
#define DELIVERY_SEND_H
#include "service/smtp_client.h"

struct buf;
struct config;
struct config_filter;
struct err;
struct lda_settings;
struct sender;

/* `set` must outlive it. Child of ctx. */
int sender_new(const void *ctx, const struct config *config,
	       const struct config_filter *filter,
	       const struct lda_settings *set, struct sender **out,
	       struct err *err);
/* One that gives mails to `fn`, without what DSNs are wanted. Child of ctx. */
struct sender *
sender_new_with(const void *ctx,
		int (*fn)(void *fn_ctx, const char *from, const char *to,
			  const struct smtp_source *source, struct err *err),
		void *fn_ctx);
/* Send a mail from `from` ("" for <>) to `to`, both without <>. Which DSNs are
 * wanted (RFC 3461; both may be NULL), a submission_host is told that knows
 * DSN. Returns 0 when it was taken; ERR_DENIED: it never will be. With the
 * rights of the effective user. */
int sender_send(struct sender *sender, const char *from, const char *to,
		const char *ret, const char *notify,
		const struct smtp_source *source, struct err *err);
/* The same for a text in memory. */
int sender_send_text(struct sender *sender, const char *from, const char *to,
		     const struct buf *text, struct err *err);
/* Nothing that ends a field or is an option; not <>. Blanks in quotes only. */
bool sender_address_ok(const char *address);

#endif
