/* SPDX-License-Identifier: MIT */
/*
 * storage/sync.c - bring a view up to date and tell what changed.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/mailbox.h"

/* UIDs with news since the view was taken; `expunged` only those it has. */
static void collect(struct mailbox *box, struct index_txn *txn,
		    const struct index_box *row, struct range_set *changed,
		    struct range_set *expunged)
{
	if (!index_changes_since(txn, row->id, box->view.modseq, changed,
				 expunged)) {
		range_set_clear(changed);
		range_set_clear(expunged);
		if (row->counts.messages > 0)
			index_record_uids(txn, row->id, changed);
		range_set_merge(expunged, &box->view.uids);
		range_set_subtract(expunged, changed);
	}
	range_set_intersect(expunged, &box->view.uids);
	range_set_subtract(changed, expunged);
}

static bool is_own(const struct mailbox *box, uint32_t uid, uint64_t modseq)
{
	for (unsigned i = 0; i < box->own_count; i++) {
		if (box->own[i].modseq == modseq &&
		    range_set_has(&box->own[i].uids, uid))
			return true;
	}
	return false;
}

/* What this session did itself, it answered already. */
static void drop_own(struct mailbox *box, struct index_txn *txn, uint32_t id,
		     struct range_set *changed)
{
	struct range_set own = range_set_init(box);
	struct index_record record;
	struct err err;
	uint64_t at = 0;
	uint32_t uid;

	if (box->own_count == 0)
		return;
	while (range_set_next(changed, &at, &uid)) {
		if (index_record_get(txn, id, uid, &record, &err) == 0 &&
		    is_own(box, uid, record.modseq))
			range_set_add(&own, uid, uid);
	}
	range_set_subtract(changed, &own);
	mem_free(own.ranges);
	for (unsigned i = 0; i < box->own_count; i++)
		mem_free(box->own[i].uids.ranges);
	box->own_count = 0;
}

static void remove_expunged(struct mailbox *box,
			    const struct range_set *expunged,
			    struct mailbox_changes *out)
{
	struct view *view = &box->view;

	range_set_merge(&out->expunged_uids, &view->gone);
	range_set_merge(&out->expunged_uids, expunged);
	range_set_clear(&view->gone);
	if (out->expunged_uids.count == 0)
		return;
	view_seqs(view, &out->expunged_uids, &out->expunged);
	range_set_subtract(&view->uids, &out->expunged_uids);
	range_set_subtract(&view->recent, &out->expunged_uids);
	range_set_subtract(&box->deleted, &out->expunged_uids);
	view_renumber(view, 0);
}

static void add_new(struct view *view, const struct range_set *changed,
		    struct mailbox_changes *out)
{
	size_t from = view->uids.count == 0 ? 0 : view->uids.count - 1;

	for (size_t i = 0; i < changed->count; i++) {
		uint32_t first = changed->ranges[i].first;

		if (changed->ranges[i].last < view->uid_next)
			continue;
		if (first < view->uid_next)
			first = view->uid_next;
		range_set_add(&view->uids, first, changed->ranges[i].last);
		out->new_mails = true;
	}
	if (out->new_mails)
		view_renumber(view, from);
}

static void apply(struct mailbox *box, const struct index_box *row,
		  unsigned flags, struct range_set *changed,
		  const struct range_set *expunged, struct mailbox_changes *out)
{
	struct view *view = &box->view;

	if ((flags & SYNC_KEEP_EXPUNGED) == 0) {
		remove_expunged(box, expunged, out);
	} else if (expunged->count > 0) {
		if (view->gone.count == 0)
			view->gone_modseq = view->modseq;
		range_set_merge(&view->gone, expunged);
	}
	add_new(view, changed, out);
	if (view->uid_next > 0)
		range_set_remove(changed, view->uid_next, UINT32_MAX);
	view_seqs(view, changed, &out->changed);
	view->uid_next = row->uid_next;
	view->modseq = row->highest_modseq;
}

static int take_changes(struct mailbox *box, unsigned flags,
			struct index_box *row_out, struct mailbox_changes *out,
			struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "sync");
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct range_set changed = range_set_init(ctx);
	struct range_set expunged = range_set_init(ctx);
	uint64_t generation = index_generation(box->store->index);

	if (mailbox_begin(box, INDEX_READ, &txn, row_out, err) < 0)
		return -1;
	if (row_out->highest_modseq != box->view.modseq) {
		collect(box, txn, row_out, &changed, &expunged);
		drop_own(box, txn, row_out->id, &changed);
		if (index_check(txn, err) < 0)
			return store_failed(box->store, err);
		if (mailbox_read_keywords(box, txn, &out->new_keywords, err) <
		    0)
			return -1;
	}
	apply(box, row_out, flags, &changed, &expunged, out);
	box->generation = generation;
	box->epoch = box->store->epoch;
	return 0;
}

int box_write_late(struct mailbox *box, struct err *err)
{
	const struct driver *driver = box->disk->location->driver;

	return driver->write_late == NULL ? 0
					  : driver->write_late(box->disk, err);
}

int mailbox_sync(const void *ctx, struct mailbox *box, unsigned flags,
		 struct mailbox_changes *out, struct err *err)
{
	struct mailbox_changes changes = {
		.expunged = range_set_init(ctx),
		.expunged_uids = range_set_init(ctx),
		.changed = range_set_init(ctx),
	};
	bool waiting =
		box->view.gone.count > 0 && (flags & SYNC_KEEP_EXPUNGED) == 0;
	struct index_box row;

	if (mailbox_may(box, RIGHT_READ, err) < 0 ||
	    box_sync(box->disk, box->ns, box->store, (flags & SYNC_FULL) != 0,
		     err) < 0 ||
	    ((flags & SYNC_WRITE) != 0 && box_write_late(box, err) < 0))
		return -1;
	if (waiting || box->epoch != box->store->epoch ||
	    box->generation != index_generation(box->store->index)) {
		int ret = take_changes(box, flags, &row, &changes, err);

		/* After damage once more: the index is made anew then. */
		if (ret < 0 && err->code == ERR_CORRUPT)
			ret = take_changes(box, flags, &row, &changes, err);
		if (ret < 0 || (changes.new_mails &&
				mailbox_claim_recent(box, &row, err) < 0))
			return -1;
	}
	changes.messages = box->view.messages;
	changes.recent = view_recent(&box->view);
	changes.highest_modseq = mailbox_modseq(box);
	*out = changes;
	return 0;
}
