/* SPDX-License-Identifier: MIT */
/*
 * storage/autoexpunge.c - mails that their mailbox keeps for some time only
 * (mailbox { autoexpunge, autoexpunge_max_mails }).
 *
 * Mails are in the order in which they were saved, so that the first one tells
 * whether there is anything to do: that costs no more in a larger mailbox, and
 * nothing is opened for it.
 */
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/list_core.h"
#include "storage/mailbox.h"

enum { BATCH = 1000 };

/* The time a mail counts from; 0 if that can't be told. */
static int64_t saved_at(struct driver_box *box, struct index_record *record)
{
	struct err err;

	if (record->saved == INDEX_TIME_UNKNOWN &&
	    box->location->driver->look(box, record, &err) < 0)
		return 0;
	return record->saved;
}

/* The first mails, up to one that stays. */
static void pick(struct driver_box *box, struct index_txn *txn,
		 const struct special *special, const struct index_box *row,
		 struct range_set *out)
{
	int64_t until =
		(int64_t)time(NULL) - (int64_t)(special->autoexpunge.ms / 1000);
	int64_t renamed = box_renamed_at(txn, row->id);
	uint32_t uid = 0, taken = 0, too_many = 0;
	struct index_record record;

	if (special->max_mails != 0 &&
	    row->counts.messages > special->max_mails)
		too_many = row->counts.messages - special->max_mails;
	while (taken < BATCH && index_record_next(txn, row->id, uid, &record)) {
		int64_t saved = 0;

		if (taken >= too_many) {
			if (special->autoexpunge.ms == 0 || renamed > until)
				break;
			saved = saved_at(box, &record);
			if (saved == 0 || saved > until)
				break;
		}
		range_set_add(out, record.uid, record.uid);
		taken++;
		if (record.uid == UINT32_MAX)
			break;
		uid = record.uid + 1;
	}
}

/* Up to BATCH that are due. */
static int find_due(struct ns *ns, const char *storage,
		    const struct special *special, struct range_set *out,
		    struct err *err)
{
	CLEANUP(box_free) struct driver_box *box = NULL;
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct index_box row;

	if (box_new(NULL, ns->store, storage, &box, err) < 0 ||
	    box_sync(box, ns, ns->store, false, err) < 0)
		return -1;
	if (store_begin(ns->store, INDEX_READ, &txn, err) < 0 ||
	    box_get(box, txn, &row, err) < 0)
		return store_failed(ns->store, err);
	pick(box, txn, special, &row, out);
	return index_check(txn, err);
}

static int expunge_due(struct ns *ns, const char *storage,
		       const struct range_set *due, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "autoexpunge");
	CLEANUP(mailbox_close) struct mailbox *box = NULL;

	if (mailbox_open(ns->store->user, name_public(ctx, ns, storage),
			 MAILBOX_KEEP_RECENT, &box, err) < 0)
		return -1;
	return expunge_chosen(box, due, err);
}

static int expunge_box(struct ns *ns, const char *storage,
		       const struct special *special, uint64_t *count,
		       struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "autoexpunge");
	const struct location *location = &ns->store->location;
	struct range_set due = range_set_init(ctx);

	if (location->driver->exists(location, storage, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	for (;;) {
		range_set_clear(&due);
		if (find_due(ns, storage, special, &due, err) < 0)
			return -1;
		if (due.count == 0)
			return 0;
		if (expunge_due(ns, storage, &due, err) < 0)
			return -1;
		*count += range_set_size(&due);
		if (range_set_size(&due) < BATCH)
			return 0;
	}
}

static void expunge_or_log(struct ns *ns, const char *storage,
			   const struct special *special, uint64_t *count)
{
	struct err err;

	if (expunge_box(ns, storage, special, count, &err) < 0)
		log_error("Failed to autoexpunge mailbox '%s': %s", storage,
			  err.text);
}

/* A block whose name has wildcards is for all mailboxes that match. */
static void expunge_matching(struct ns *ns, const struct special *special,
			     uint64_t *count)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "autoexpunge");
	const struct location *location = &ns->store->location;
	struct driver_entry *entries;
	size_t entry_count;
	struct err err;

	if (location->driver->list(ctx, location, &entries, &entry_count,
				   &err) < 0) {
		log_error("Failed to autoexpunge mailboxes '%s': %s",
			  special->name, err.text);
		return;
	}
	for (size_t i = 0; i < entry_count; i++) {
		if (entries[i].selectable &&
		    wildcard_match(special->name, entries[i].name))
			expunge_or_log(ns, entries[i].name, special, count);
	}
}

static bool has_limit(const struct special *special)
{
	return special->autoexpunge.ms != 0 || special->max_mails != 0;
}

bool user_has_autoexpunge(const struct user *user)
{
	for (const struct ns *ns = user->namespaces; ns != NULL;
	     ns = ns->next) {
		for (size_t i = 0; i < ns->special_count; i++) {
			if (has_limit(&ns->specials[i]))
				return true;
		}
	}
	return false;
}

uint64_t user_autoexpunge(struct user *user)
{
	uint64_t count = 0;

	for (struct ns *ns = user->namespaces; ns != NULL; ns = ns->next) {
		/* The mailboxes of an alias are another's. */
		if (ns->pub.kind != NAMESPACE_PRIVATE || ns->alias_for != NULL)
			continue;
		for (size_t i = 0; i < ns->special_count; i++) {
			const struct special *special = &ns->specials[i];

			if (!has_limit(special))
				continue;
			if (strpbrk(special->name, "*?") != NULL)
				expunge_matching(ns, special, &count);
			else
				expunge_or_log(ns, special->name, special,
					       &count);
		}
	}
	return count;
}
