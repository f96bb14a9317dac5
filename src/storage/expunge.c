/* SPDX-License-Identifier: MIT */
/*
 * storage/expunge.c - remove mails, from the disk and from the index.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/mailbox.h"
#include "storage/quota_core.h"

static bool is_deleted(struct index_txn *txn, uint32_t box, uint32_t uid,
		       struct index_record *out)
{
	struct err err;

	return index_record_get(txn, box, uid, out, &err) == 0 &&
	       (out->flags & MAIL_DELETED) != 0;
}

/* Those of `from` that have \Deleted. */
static void pick(struct mailbox *box, struct index_txn *txn, uint32_t id,
		 const struct range_set *from, struct range_set *out)
{
	struct index_record record;
	uint64_t at = 0;
	uint32_t uid;

	while (range_set_next(from, &at, &uid)) {
		if (view_seq(&box->view, uid) != 0 &&
		    is_deleted(txn, id, uid, &record))
			range_set_add(out, uid, uid);
	}
}

/* All that have it; the walk ends when as many were met as there are. */
static void pick_all(struct mailbox *box, struct index_txn *txn,
		     const struct index_box *row, struct range_set *out)
{
	struct index_record record;
	uint32_t uid = 0, left = row->counts.deleted;

	/* Most often this session set the flags itself. */
	pick(box, txn, row->id, &box->deleted, out);
	if (range_set_size(out) >= left)
		return;
	range_set_clear(out);
	while (left > 0 && index_record_next(txn, row->id, uid, &record)) {
		if ((record.flags & MAIL_DELETED) != 0) {
			left--;
			if (view_seq(&box->view, record.uid) != 0)
				range_set_add(out, record.uid, record.uid);
		}
		if (record.uid == UINT32_MAX)
			break;
		uid = record.uid + 1;
	}
}

/* 1 if it stays because the disk does not let it go; err says why. */
static int remove_one(struct mailbox *box, struct index_txn *txn,
		      struct index_box *row, uint32_t uid,
		      struct range_set *gone, struct err *err)
{
	const struct driver *driver = box->disk->location->driver;
	struct index_record record;

	if (index_record_get(txn, row->id, uid, &record, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	if (driver->remove_mail(txn, box->disk, row, &record, err) < 0 &&
	    err->code != ERR_EXPUNGED && err->code != ERR_NOT_FOUND)
		return err->system && gone == NULL ? 1 : -1;
	if (gone != NULL)
		range_set_add(gone, uid, uid);
	return index_record_expunge(txn, row, uid, err);
}

static int remove_all(struct mailbox *box, struct index_txn *txn,
		      struct index_box *row, const struct range_set *uids,
		      struct range_set *gone, struct err *err)
{
	struct err first;
	uint64_t at = 0;
	uint32_t uid;
	int stays = 0;

	while (range_set_next(uids, &at, &uid)) {
		int ret = remove_one(box, txn, row, uid, gone, err);

		if (ret < 0)
			return -1;
		if (ret > 0 && stays == 0)
			first = *err;
		stays |= ret;
	}
	if (gone != NULL)
		range_set_merge(gone, uids);
	if (box->disk->location->driver->flush(txn, box->disk, row, false,
					       err) < 0)
		return -1;
	if (stays > 0)
		*err = first;
	return stays;
}

/* Out of disk and index; what is gone already is fine. */
int expunge_uids(struct mailbox *box, struct index_txn *txn,
		 struct index_box *row, const struct range_set *uids,
		 struct range_set *gone, struct err *err)
{
	int ret;

	box->disk->coming = (unsigned)range_set_size(uids);
	ret = remove_all(box, txn, row, uids, gone, err);
	box->disk->coming = 0;
	return ret;
}

int expunge_and_commit(struct mailbox *box, struct index_txn **txn,
		       struct index_box *row, const struct range_set *uids,
		       struct range_set *gone, struct err *err)
{
	const struct index_counts before = row->counts;
	struct quota_change change = {.from = box};
	struct err stays;
	int ret;

	quota_hold(box);
	ret = expunge_uids(box, *txn, row, uids, gone, &stays);
	if (ret < 0)
		*err = stays;
	if (ret < 0 || index_commit(txn, err) < 0)
		return store_failed(box->store, err);
	change.removed = quota_difference(&before, &row->counts);
	quota_changed(&change);
	if (ret > 0)
		*err = stays;
	return ret > 0 ? -1 : 0;
}

int expunge_now(struct mailbox *box, const struct range_set *uids,
		struct range_set *gone, struct err *err)
{
	CLEANUP(box_unlock) struct driver_box *locked = NULL;
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct index_box row;

	if (uids->count == 0)
		return 0;
	quota_ready(box);
	if (box_lock(box->disk, false, &locked, err) < 0 ||
	    mailbox_begin(box, INDEX_WRITE, &txn, &row, err) < 0)
		return -1;
	return expunge_and_commit(box, &txn, &row, uids, gone, err);
}

int expunge_chosen(struct mailbox *box, const struct range_set *uids,
		   struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "expunge");
	const char *target = lazy_target(ctx, box);
	struct range_set last = range_set_init(ctx);
	struct range_set copies = range_set_init(ctx);

	if (target == NULL)
		return expunge_now(box, uids, NULL, err);
	range_set_merge(&last, uids);
	if (lazy_split(box, &last, &copies, err) < 0)
		return -1;
	if (last.count > 0 && move_uids(box, &last, target, err) < 0)
		return -1;
	return expunge_now(box, &copies, NULL, err);
}

static int choose(struct mailbox *box, struct index_txn *txn,
		  const struct index_box *row, const struct range_set *uids,
		  struct range_set *out, struct err *err)
{
	if (row->counts.deleted == 0)
		return 0;
	if (uids != NULL)
		pick(box, txn, row->id, uids, out);
	else
		pick_all(box, txn, row, out);
	return index_check(txn, err);
}

/* Chosen and removed under one lock. */
static int expunge_directly(struct mailbox *box, const struct range_set *uids,
			    struct err *err)
{
	CLEANUP(box_unlock) struct driver_box *locked = NULL;
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "expunge");
	struct range_set found = range_set_init(ctx);
	struct index_box row;

	quota_ready(box);
	if (box_lock(box->disk, false, &locked, err) < 0 ||
	    mailbox_begin(box, INDEX_WRITE, &txn, &row, err) < 0)
		return -1;
	if (choose(box, txn, &row, uids, &found, err) < 0)
		return store_failed(box->store, err);
	if (found.count == 0)
		return 0;
	return expunge_and_commit(box, &txn, &row, &found, NULL, err);
}

static int expunge_lazily(struct mailbox *box, const struct range_set *uids,
			  struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "expunge");
	struct range_set found = range_set_init(ctx);
	struct index_box row;

	if (mailbox_begin(box, INDEX_READ, &txn, &row, err) < 0)
		return -1;
	if (choose(box, txn, &row, uids, &found, err) < 0)
		return store_failed(box->store, err);
	index_rollback(&txn);
	return found.count == 0 ? 0 : expunge_chosen(box, &found, err);
}

int mailbox_expunge(struct mailbox *box, const struct range_set *uids,
		    struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "expunge");
	struct range_set wanted = range_set_init(ctx);

	if (mailbox_may(box, RIGHT_EXPUNGE, err) < 0)
		return -1;
	if (uids != NULL) {
		/* "1:*" is no reason to count to four thousand million. */
		range_set_merge(&wanted, uids);
		range_set_intersect(&wanted, &box->view.uids);
		uids = &wanted;
	}
	if (lazy_target(ctx, box) != NULL)
		return expunge_lazily(box, uids, err);
	return expunge_directly(box, uids, err);
}

int mailbox_remove(struct mailbox *box, const struct range_set *uids,
		   struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "remove");
	struct range_set wanted = range_set_init(ctx);

	if (mailbox_may(box, RIGHT_EXPUNGE, err) < 0)
		return -1;
	range_set_merge(&wanted, uids);
	range_set_intersect(&wanted, &box->view.uids);
	return expunge_chosen(box, &wanted, err);
}
