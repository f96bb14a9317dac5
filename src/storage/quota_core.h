/* SPDX-License-Identifier: MIT */
/*
 * storage/quota_core.h - what quota.c (limits), quota_settings.c and
 * quota_usage.c share, and what saving and expunging tell them.
 */
#ifndef STORAGE_QUOTA_CORE_H
#define STORAGE_QUOTA_CORE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/quota_rule.h"

struct err;
struct index_counts;
struct index_txn;
struct mailbox;
struct ns;
struct storage;
struct user;

struct quota_usage {
	int64_t bytes, messages;
};

/* What the mailboxes of one store hold that count for a root. */
struct quota_part {
	struct storage *store;
	const struct ns *ns; /* the first that has it */
	bool known;          /* as of: */
	unsigned epoch;
	uint64_t generation;
	bool exact; /* so before the transaction that is under way */
	struct quota_usage used;
};

struct quota_root {
	struct quota_backend backend;
	const struct ns *ns;            /* of backend.ns */
	int64_t bytes, messages, grace; /* 0: none */
	struct quota_rule *rules;       /* of mailboxes */
	size_t rule_count;
	bool ignores; /* one of them does */
	struct quota_warning *warnings;
	size_t warning_count;
	const char *over_flag, *over_value, *over_script;
	bool over_lazy, flag_due; /* it was not looked at yet */
	struct quota_part *parts;
	size_t part_count;
};

struct quota_settings {
	const char *quota_exceeded_message;
	uint64_t quota_max_mail_size;
	unsigned quota_mailbox_count, quota_mailbox_message_count;
};

struct quota {
	struct quota_settings set;
	bool grace; /* it is for deliveries */
	struct quota_root *roots;
	size_t count;
};

/* quota_settings.c: user->quota, NULL if there is none. Behind
 * namespaces_open(). */
int quota_setup(struct user *user, struct err *err);

/* quota_usage.c */

/* Whether mailboxes of that namespace count for a root; and one of them, which
 * may be ignored. */
bool quota_covers(const struct quota_root *root, const struct ns *ns);
bool quota_counts(const struct quota_root *root, const struct ns *ns,
		  const char *mailbox);
/* The first rule for that mailbox; NULL if there is none. */
const struct quota_rule *quota_rule_of(const struct quota_root *root,
				       const char *mailbox);
/* The sum of all parts. `txn` (may be NULL) is a transaction of `store`, which
 * is to be used for its part. */
int quota_used(struct quota_root *root, const struct storage *store,
	       struct index_txn *txn, struct quota_usage *out, struct err *err);
/* See what other programs did to the mailboxes that count for any root. */
int quota_look(struct user *user, struct err *err);

/* quota.c */

struct quota_demand {
	struct mailbox *box;        /* that would get them; NULL: any */
	const struct mailbox *from; /* they leave this one; NULL */
	uint64_t largest;           /* octets of the largest of all */
	/* More than what is pending in transactions of this user: a delivery
	 * may have several, which stand or fall together. */
	uint64_t bytes;
	uint32_t messages;
};

/* Whether it may; ERR_QUOTA, ERR_LIMIT. Before anything is on disk `txn` is
 * NULL; then it is the write transaction, that has not written yet. */
int quota_check(const struct quota_demand *demand, struct index_txn *txn,
		struct err *err);
/* Whether one mailbox more may be made. */
int quota_check_create(struct user *user, struct err *err);

/* Counts that a transaction changes; either mailbox may be NULL. */
struct quota_change {
	struct mailbox *to, *from;
	struct quota_usage added, removed;
	bool unknown; /* sizes of mails that others put there */
};

/* Before the mailbox is locked for an expunge: sums are up to date. Saving has
 * called quota_check(). */
void quota_ready(const struct mailbox *box);
/* quota_usage.c, too: in a write transaction, before anything is written. */
void quota_hold(const struct mailbox *box);
/* quota.c */
struct quota_usage quota_difference(const struct index_counts *from,
				    const struct index_counts *to);
/* It was committed: sums follow, warnings are sent. */
void quota_changed(const struct quota_change *change);

#endif
