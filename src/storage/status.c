/* SPDX-License-Identifier: MIT */
/*
 * storage/status.c - counts of a mailbox, open or not.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/mailbox.h"

static void from_row(const struct index_box *row, struct mailbox_status *out)
{
	*out = (struct mailbox_status){
		.messages = row->counts.messages,
		.recent = row->counts.recent,
		.unseen = row->counts.unseen,
		.deleted = row->counts.deleted,
		.uid_validity = row->uid_validity,
		.uid_next = row->uid_next,
		.highest_modseq = row->highest_modseq,
		.size = row->counts.size,
	};
	memcpy(out->guid, row->guid, sizeof(out->guid));
}

static uint32_t find_unseen(struct mailbox *box, struct index_txn *txn,
			    const struct index_box *row)
{
	struct index_record record;
	uint32_t uid = 0, seq;

	if (row->counts.unseen == 0)
		return 0;
	while (index_record_next(txn, row->id, uid, &record)) {
		if ((record.flags & MAIL_SEEN) == 0) {
			seq = view_seq(&box->view, record.uid);
			if (seq != 0)
				return seq;
		}
		if (record.uid == UINT32_MAX)
			break;
		uid = record.uid + 1;
	}
	return 0;
}

int mailbox_get_status(struct mailbox *box, struct mailbox_status *out,
		       struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct index_box row;

	if (mailbox_may(box, RIGHT_READ, err) < 0 ||
	    mailbox_begin(box, INDEX_READ, &txn, &row, err) < 0)
		return -1;
	from_row(&row, out);
	out->messages = box->view.messages;
	out->recent = view_recent(&box->view);
	out->uid_next = box->view.uid_next;
	out->highest_modseq = box->view.modseq;
	out->first_unseen = find_unseen(box, txn, &row);
	return 0;
}

int mailbox_status(struct user *user, const char *name,
		   struct mailbox_status *out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "status");
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	CLEANUP(box_free) struct driver_box *box = NULL;
	struct index_box row;
	char *storage;
	struct ns *ns;

	if (name_resolve(ctx, user, name, &ns, &storage, err) < 0 ||
	    box_new(ctx, ns->store, storage, &box, err) < 0)
		return -1;
	if (box_sync(box, ns, ns->store, false, err) < 0) {
		if (err->code == ERR_NOT_FOUND)
			return err_set(err, ERR_NOT_FOUND,
				       "Mailbox doesn't exist: %s", name);
		return -1;
	}
	if (store_begin(ns->store, INDEX_READ, &txn, err) < 0 ||
	    box_get(box, txn, &row, err) < 0)
		return store_failed(ns->store, err);
	from_row(&row, out);
	return 0;
}
