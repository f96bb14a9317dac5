/* SPDX-License-Identifier: MIT */
/*
 * imap/sieve.h - scripts in IMAP sessions: at events (mail_plugins =
 * imap_sieve; RFC 6785), and by FILTER (imap_filter_sieve; imap/filter.c).
 *
 * A session has neither, and session->sieve is NULL, unless mail_plugins names
 * them. Events run after the command's own change is done, and can't fail it.
 */
#ifndef IMAP_SIEVE_H
#define IMAP_SIEVE_H
#include <stdbool.h>

struct cmd;
struct filter;
struct imap_sieve;
struct range_set;
struct service_env;
struct session;
struct store_result;

/* For init(): scripts send mails to submission_host, or run programs; with the
 * latter there is no sandbox. */
void imap_sieve_sandbox(struct service_env *env);
/* At the begin of a session; NULL if its user has no such plugin. */
struct imap_sieve *imap_sieve_new(struct session *session);
/* " FILTER=SIEVE" and the like, or "". */
const char *imap_sieve_capability(const struct imap_sieve *sieve);
/* For FILTER; NULL if there is no such command in this session. */
struct filter *imap_sieve_filter(const struct imap_sieve *sieve);

/* Mails were added to `mailbox` by APPEND. */
void imap_sieve_appended(struct cmd *cmd, const char *mailbox,
			 const struct range_set *uids);
/* By COPY or MOVE from the selected mailbox. */
void imap_sieve_copied(struct cmd *cmd, const char *mailbox, bool move,
		       const struct range_set *from_uids,
		       const struct range_set *to_uids);
/* By STORE, or by FETCH, with list_changes. */
void imap_sieve_stored(struct cmd *cmd, const struct store_result *result);

#endif
