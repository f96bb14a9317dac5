/* SPDX-License-Identifier: MIT */
/*
 * storage/resync.c - what only administrators ask of a mailbox: to be mended,
 * to forget its cache, and where it lies.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/cache_policy.h"
#include "storage/core.h"
#include "storage/mailbox.h"

int mailbox_resync(struct mailbox *box, bool *mended_out, struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct index_box row;
	bool mended;

	if (mailbox_may(box, RIGHT_READ, err) < 0 ||
	    box_sync(box->disk, box->ns, box->store, true, err) < 0 ||
	    mailbox_begin(box, INDEX_WRITE, &txn, &row, err) < 0)
		return -1;
	if (index_box_recount(txn, row.id, &mended, err) < 0)
		return store_failed(box->store, err);
	if (mended && index_commit(&txn, err) < 0)
		return store_failed(box->store, err);
	if (mended_out != NULL)
		*mended_out = mended;
	return 0;
}

static int remove_each(struct index_txn *txn, uint32_t box,
		       const struct range_set *uids, struct err *err)
{
	uint64_t at = 0;
	uint32_t uid;

	while (range_set_next(uids, &at, &uid)) {
		if (index_cache_remove(txn, box, uid, err) < 0)
			return -1;
	}
	return 0;
}

int mailbox_cache_remove(struct mailbox *box, const struct range_set *uids,
			 struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct index_box row;

	if (mailbox_may(box, RIGHT_READ, err) < 0 ||
	    mailbox_begin(box, INDEX_WRITE, &txn, &row, err) < 0)
		return -1;
	if (remove_each(txn, row.id, uids, err) < 0 ||
	    index_commit(&txn, err) < 0)
		return store_failed(box->store, err);
	return 0;
}

int mailbox_cache_purge(struct mailbox *box, struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct index_box row;
	unsigned purged;

	if (mailbox_may(box, RIGHT_READ, err) < 0 ||
	    mailbox_begin(box, INDEX_WRITE, &txn, &row, err) < 0)
		return -1;
	index_reserve(box->store->index, index_size(box->store->index));
	if (index_cache_purge(txn, row.id, &purged, err) < 0 ||
	    cache_policy_purge(box, txn, row.id, err) < 0 ||
	    index_commit(&txn, err) < 0)
		return store_failed(box->store, err);
	return 0;
}

int mailbox_path(const void *ctx, struct user *user, const char *name,
		 enum mailbox_place place, char **out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *work = mem_ctx(NULL, "path");
	CLEANUP(box_free) struct driver_box *box = NULL;
	const struct location *location;
	char *storage;
	struct ns *ns;

	if (name_resolve(work, user, name, &ns, &storage, err) < 0 ||
	    box_new(work, ns->store, storage, &box, err) < 0)
		return -1;
	location = &ns->store->location;
	switch (place) {
	case PLACE_MAILBOX:
		*out = mem_strdup(ctx, box->path);
		break;
	case PLACE_CONTROL:
		*out = mem_strdup(ctx, box->control);
		break;
	case PLACE_INDEX:
		*out = location->index_memory
			       ? NULL
			       : mem_strdup(ctx, location->environment);
		break;
	}
	return 0;
}
