/* SPDX-License-Identifier: MIT */
/*
 * storage/quota.h, part of storage/storage.h - how much a user may keep
 * (mail_plugins = quota): roots with limits, as Dovecot's quota plugin has
 * them, and usage as its backend `count`.
 *
 * What is used is what the index counts of each mailbox, added up. Sums are
 * kept and follow the transactions of this process; another one's cost a walk
 * of the mailboxes' rows, never of mails. Saving and copying ask by themselves,
 * before a mail is on disk and again in the transaction that adds it: however
 * many deliver at once, limits hold.
 */
#ifndef STORAGE_QUOTA_H
#define STORAGE_QUOTA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct user;

/* A root; a limit of 0 is none. */
struct quota_state {
	const char *name;
	bool hidden; /* from lists of roots */
	uint64_t bytes, bytes_limit;
	uint64_t messages, messages_limit;
};

/* In kilobytes, as IMAP and doveadm tell it. */
static inline uint64_t quota_kilo(uint64_t octets)
{
	return octets / 1024 + (octets % 1024 != 0);
}

/* Whether mail_plugins names it. */
bool quota_wanted(const struct user *user);
/* All roots or, with `mailbox`, those that it counts for; the mailbox need not
 * be there. Looks at the disk for what other programs did. *out is an array,
 * child of ctx. */
int quota_states(const void *ctx, struct user *user, const char *mailbox,
		 struct quota_state **out, size_t *count_out, struct err *err);
/* Count all mailboxes anew. */
int quota_recalc(struct user *user, struct err *err);
/* Whether a mail of so many octets, or with 0 any at all, would be taken by
 * that mailbox: ERR_QUOTA, ERR_LIMIT (quota_max_mail_size). */
int quota_test(struct user *user, const char *mailbox, uint64_t octets,
	       struct err *err);
/* Run quota_over_script if quota_over_flag is not what it should be; problems
 * are logged. Opening a user does it. */
void quota_check_flag(struct user *user);
/* What clients are told of ERR_QUOTA: quota_exceeded_message, unless it was the
 * system's quota. */
const char *quota_told(const struct err *err);

#endif
