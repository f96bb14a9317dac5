/* SPDX-License-Identifier: MIT */
/*
 * storage/quota_usage.c - what is used: the counts of the index, added up.
 *
 * Mailboxes that the index has not met yet would count for nothing. So all are
 * looked at once in the life of an index, which then says so; and whenever
 * somebody asks for the sum itself.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/list_core.h"
#include "storage/mailbox.h"
#include "storage/quota_core.h"

enum { NAMES_POOL = 64 * 1024 };

bool quota_covers(const struct quota_root *root, const struct ns *ns)
{
	if (root->backend.ns == NULL)
		return ns->pub.kind == NAMESPACE_PRIVATE;
	return ns == root->ns ||
	       (root->ns != NULL && ns->alias_for != NULL &&
		strcmp(ns->alias_for, root->ns->pub.prefix) == 0);
}

const struct quota_rule *quota_rule_of(const struct quota_root *root,
				       const char *mailbox)
{
	for (size_t i = 0; i < root->rule_count; i++) {
		if (wildcard_match(root->rules[i].mailbox, mailbox))
			return &root->rules[i];
	}
	return NULL;
}

bool quota_counts(const struct quota_root *root, const struct ns *ns,
		  const char *mailbox)
{
	const struct quota_rule *rule;

	if (!quota_covers(root, ns))
		return false;
	rule = quota_rule_of(root, mailbox);
	return rule == NULL || !rule->ignore;
}

/* bringing the index up to date */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct driver_entry *)a)->name,
		      ((const struct driver_entry *)b)->name);
}

/* A mailbox that went away without us. */
static int forget(struct storage *store, const char *storage, struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	const struct location *location = &store->location;
	uint32_t id;

	/* Nobody makes it meanwhile. */
	if (store_begin(store, INDEX_WRITE, &txn, err) < 0)
		return -1;
	if (location->driver->exists(location, storage, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND)
		return -1;
	if (index_box_find(txn, storage, &id, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	if (index_box_delete(txn, id, err) < 0 || index_commit(&txn, err) < 0)
		return store_failed(store, err);
	return 0;
}

/* Rows that are of no mailbox on disk; `entries` is sorted. */
static int forget_missing(const void *ctx, struct storage *store,
			  const struct driver_entry *entries, size_t count,
			  struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	const char **missing = NULL;
	size_t missing_count = 0;
	struct index_box row;
	char *at = mem_strdup(ctx, "");

	if (store_begin(store, INDEX_READ, &txn, err) < 0)
		return -1;
	while (index_box_next(txn, ctx, &at, &row)) {
		const struct driver_entry key = {.name = at};

		if (bsearch(&key, entries, count, sizeof(key), by_name) != NULL)
			continue;
		missing = mem_resize(ctx, missing, const char *,
				     missing_count + 1);
		missing[missing_count++] = at;
	}
	index_rollback(&txn);
	for (size_t i = 0; i < missing_count; i++) {
		if (forget(store, missing[i], err) < 0)
			return -1;
	}
	return 0;
}

static int look_at_each(const void *ctx, struct user *user, const struct ns *ns,
			const struct driver_entry *entries, size_t count,
			struct err *err)
{
	CLEANUP(mailbox_statuses_end)
	struct mailbox_statuses *statuses = mailbox_statuses_begin(ctx, user);
	struct mailbox_status status;

	for (size_t i = 0; i < count; i++) {
		if (entries[i].selectable &&
		    mailbox_statuses_get(statuses,
					 name_public(ctx, ns, entries[i].name),
					 &status, err) < 0 &&
		    err->code != ERR_NOT_FOUND)
			return -1;
	}
	return 0;
}

/* All mailboxes of a store; with `rows` also those that the index only has. */
static int look_at_all(struct user *user, const struct ns *ns, bool rows,
		       struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_pool(NULL, NAMES_POOL);
	const struct location *location = &ns->store->location;
	struct driver_entry *entries;
	size_t count;

	if (location->driver->list(ctx, location, &entries, &count, err) < 0 ||
	    look_at_each(ctx, user, ns, entries, count, err) < 0)
		return err_wrap(err, "quota");
	if (!rows)
		return 0;
	if (count > 0)
		qsort(entries, count, sizeof(*entries), by_name);
	return forget_missing(ctx, ns->store, entries, count, err);
}

int quota_look(struct user *user, struct err *err)
{
	const struct quota *quota = user->quota;

	for (const struct ns *ns = user->namespaces; ns != NULL;
	     ns = ns->next) {
		bool counts = false;

		for (size_t i = 0; i < quota->count && !counts; i++)
			counts = quota_covers(&quota->roots[i], ns);
		if (counts && ns->alias_for == NULL &&
		    look_at_all(user, ns, true, err) < 0)
			return -1;
	}
	return 0;
}

/* the sums */

/* Whether all mailboxes are in the index. */
static bool is_complete(struct index_txn *txn)
{
	struct str mark;

	return index_cache_get(txn, 0, 0, INDEX_COMPLETE, &mark);
}

static int complete(struct user *user, struct quota_part *part, struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;

	if (look_at_all(user, part->ns, false, err) < 0 ||
	    store_begin(part->store, INDEX_WRITE, &txn, err) < 0)
		return -1;
	if (index_cache_put(txn, 0, 0, INDEX_COMPLETE, STR("1"), err) < 0 ||
	    index_commit(&txn, err) < 0)
		return store_failed(part->store, err);
	return 0;
}

/* Add up; and which mailboxes have sizes to be learnt. */
struct walk {
	TALLOC_CTX *ctx;
	struct quota_root *root;
	struct quota_part *part;
	const char **unknown;
	size_t unknown_count;
};

static int walk_rows(struct walk *walk, struct index_txn *txn, struct err *err)
{
	struct quota_part *part = walk->part;
	char *at = mem_strdup(walk->ctx, "");
	struct index_box row;

	part->used = (struct quota_usage){0, 0};
	walk->unknown_count = 0;
	while (index_box_next(txn, walk->ctx, &at, &row)) {
		if (walk->root->ignores &&
		    !quota_counts(walk->root, part->ns,
				  name_public(walk->ctx, part->ns, at)))
			continue;
		part->used.bytes += (int64_t)row.counts.size;
		part->used.messages += row.counts.messages;
		if (row.counts.size_unknown == 0)
			continue;
		walk->unknown =
			mem_resize(walk->ctx, walk->unknown, const char *,
				   walk->unknown_count + 1);
		walk->unknown[walk->unknown_count++] =
			name_public(walk->ctx, part->ns, at);
	}
	if (index_check(txn, err) < 0)
		return store_failed(part->store, err);
	part->known = true;
	return 0;
}

static bool is_current(const struct quota_part *part)
{
	return part->known && part->epoch == part->store->epoch &&
	       part->store->index != NULL &&
	       part->generation == index_generation(part->store->index);
}

/* What a walk that begins now will see at least. */
static void stamp(struct quota_part *part)
{
	part->known = false;
	part->epoch = part->store->epoch;
	part->generation = index_generation(part->store->index);
}

void quota_hold(const struct mailbox *box)
{
	struct quota *quota = box->user->quota;

	for (size_t i = 0; quota != NULL && i < quota->count; i++) {
		struct quota_root *root = &quota->roots[i];

		for (size_t n = 0; n < root->part_count; n++) {
			if (root->parts[n].store == box->store)
				root->parts[n].exact =
					is_current(&root->parts[n]);
		}
	}
}

/* In the write transaction, before it has written anything. */
static int refresh_in(struct walk *walk, struct index_txn *txn, struct err *err)
{
	stamp(walk->part);
	if (walk_rows(walk, txn, err) < 0)
		return -1;
	walk->part->exact = true;
	return 0;
}

static int walk_once(struct walk *walk, bool *complete_out, struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct quota_part *part = walk->part;

	if (store_open_index(part->store, err) < 0)
		return -1;
	stamp(part);
	if (store_begin(part->store, INDEX_READ, &txn, err) < 0)
		return -1;
	*complete_out = is_complete(txn);
	return *complete_out ? walk_rows(walk, txn, err) : 0;
}

static int refresh(struct walk *walk, struct err *err)
{
	struct user *user = walk->part->store->user;
	bool is_whole;

	if (walk_once(walk, &is_whole, err) < 0)
		return -1;
	if (!is_whole && (complete(user, walk->part, err) < 0 ||
			  walk_once(walk, &is_whole, err) < 0))
		return -1;
	if (walk->unknown_count == 0)
		return 0;
	for (size_t i = 0; i < walk->unknown_count; i++) {
		if (mailbox_learn_sizes(user, walk->unknown[i], err) < 0)
			return -1;
	}
	return walk_once(walk, &is_whole, err);
}

static int part_used(struct quota_root *root, struct quota_part *part,
		     struct index_txn *txn, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;
	struct walk walk = {.root = root, .part = part};

	if (is_current(part))
		return 0;
	walk.ctx = ctx = mem_pool(NULL, NAMES_POOL);
	return txn != NULL ? refresh_in(&walk, txn, err) : refresh(&walk, err);
}

int quota_used(struct quota_root *root, const struct storage *store,
	       struct index_txn *txn, struct quota_usage *out, struct err *err)
{
	struct quota_usage sum = {0, 0};

	for (size_t i = 0; i < root->part_count; i++) {
		struct quota_part *part = &root->parts[i];

		/* In a transaction the other stores' are as just before. */
		if ((txn == NULL || part->store == store) &&
		    part_used(root, part, txn, err) < 0)
			return -1;
		sum.bytes += part->used.bytes;
		sum.messages += part->used.messages;
	}
	*out = sum;
	return 0;
}
