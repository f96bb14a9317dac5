/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/update.c - UIDVALIDITY and next UID set by hand: X-IMAPbase says
 * both.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/mbox/mbox.h"

static int write_base(struct mbox_sync *sync, const struct index_box *wanted,
		      struct err *err)
{
	struct index_box *row = sync->row;

	/* A look at all, if one is due, must not meet what is to come. */
	if (sync->state.tail_only && mbox_apply(sync, true, err) < 0)
		return -1;
	memcpy(row->guid, wanted->guid, sizeof(row->guid));
	row->uid_validity = wanted->uid_validity;
	if (row->uid_next < wanted->uid_next)
		row->uid_next = wanted->uid_next;
	row->first_recent_uid = wanted->first_recent_uid;
	sync->state.base_names = UINT32_MAX;
	sync->urgent = true;
	return mbox_write(sync, err);
}

int mbox_update(struct index_txn *txn, struct driver_box *box,
		struct index_box *index_box, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "update");
	CLEANUP(mbox_unlock) struct mbox_lock lock = {.fd = -1};
	struct mbox_sync sync;
	struct index_box row;

	if (driver_row(box, txn, &row, err) < 0 ||
	    mbox_update_begin(ctx, box, txn, &row, NULL, &sync, &lock, err) <
		    0 ||
	    write_base(&sync, index_box, err) < 0)
		return -1;
	mbox_state_put(&row, &sync.state);
	*index_box = row;
	return 0;
}
