/* SPDX-License-Identifier: MIT */
/*
 * lda/lmtp_proxy.h - recipients that another server delivers to, by fields of
 * the passdb (lmtp_proxy): proxy, host, hostip, port, destuser, protocol, ssl,
 * starttls, proxy_timeout, source_ip, proxy_maybe, forward_*.
 *
 * Each server of a transaction has one connection, over which all its
 * recipients and the mail go.
 */
#ifndef LDA_LMTP_PROXY_H
#define LDA_LMTP_PROXY_H
#include <stdbool.h>

struct account;
struct config;
struct config_filter;
struct err;
struct lmtp_process;
struct lmtp_rcpt;
struct lmtp_session;

struct lmtp_proxy; /* what a process needs for it */

int lmtp_proxy_new(struct lmtp_process *process, const struct config *config,
		   const struct config_filter *filter, struct lmtp_proxy **out,
		   struct err *err);
/* Pass a recipient on if `pass`, what the passdb says of it, wants that: true
 * then, and it is answered now or later. */
bool lmtp_proxy_rcpt(struct lmtp_session *session, struct lmtp_rcpt *rcpt,
		     const struct account *pass);
/* Send the mail to all servers; rcpt->reply of their recipients is set as they
 * answer. Returns for how many `done` will be called. */
unsigned lmtp_proxy_data(struct lmtp_session *session,
			 void (*done)(struct lmtp_session *session));
/* Say good-bye to all servers of the transaction. */
void lmtp_proxy_end(struct lmtp_session *session);

#endif
