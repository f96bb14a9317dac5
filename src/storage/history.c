/* SPDX-License-Identifier: MIT */
/*
 * storage/history.c - what a client missed that was not connected (RFC 7162).
 *
 * The view is the answer's present: what others did since it was taken comes
 * with the next mailbox_sync().
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/mailbox.h"

uint64_t mailbox_modseq(const struct mailbox *box)
{
	const struct view *view = &box->view;

	return view->gone.count > 0 ? view->gone_modseq : view->modseq;
}

bool mailbox_keeps_modseqs(const struct mailbox *box)
{
	return !box->store->in_memory;
}

/* A client whose modseq is of the future has it from an index that was lost
 * while the clock was wrong: as good as forgotten. */
static bool remembered(struct mailbox *box, struct index_txn *txn, uint32_t id,
		       uint64_t modseq, struct range_set *changed,
		       struct range_set *expunged)
{
	return modseq <= box->view.modseq &&
	       index_changes_since(txn, id, modseq, changed, expunged);
}

static void fill(const struct mailbox *box, const struct range_set *changed,
		 const struct range_set *expunged, struct mailbox_history *out)
{
	const struct view *view = &box->view;

	if (out->forgotten) {
		if (view->messages > 0)
			range_set_add(&out->seqs, 1, view->messages);
		if (view->uid_next > 1)
			range_set_add(&out->vanished, 1, view->uid_next - 1);
	} else {
		view_seqs(view, changed, &out->seqs);
		range_set_merge(&out->vanished, expunged);
		range_set_remove(&out->vanished, view->uid_next, UINT32_MAX);
	}
	range_set_subtract(&out->vanished, &view->uids);
}

int mailbox_history(const void *ctx, struct mailbox *box, uint64_t modseq,
		    struct mailbox_history *out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *work = mem_ctx(NULL, "history");
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct range_set changed = range_set_init(work);
	struct range_set expunged = range_set_init(work);
	struct mailbox_history history = {
		.seqs = range_set_init(ctx),
		.vanished = range_set_init(ctx),
	};
	struct index_box row;

	if (mailbox_may(box, RIGHT_READ, err) < 0 ||
	    mailbox_begin(box, INDEX_READ, &txn, &row, err) < 0)
		return -1;
	history.forgotten =
		!remembered(box, txn, row.id, modseq, &changed, &expunged);
	if (index_check(txn, err) < 0)
		return store_failed(box->store, err);
	fill(box, &changed, &expunged, &history);
	*out = history;
	return 0;
}
