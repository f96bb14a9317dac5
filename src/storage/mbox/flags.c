/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/flags.c - flags and expunges: noted in the index first, written
 * to the file at once or when the mailbox is closed (mbox_lazy_writes).
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/mbox/mbox.h"
#include "storage/user.h"

int mbox_write_flags(const void *ctx, struct index_txn *txn,
		     struct driver_box *box, struct index_box *index_box,
		     struct index_record *record, struct err *err)
{
	struct mbox_record data;

	(void)txn;
	if (!mbox_record_get(record, &data))
		return driver_bad_record(box, record->uid, err);
	if (!data.dirty) {
		data.dirty = true;
		mbox_record_put(ctx, &data, record);
	}
	mbox_note_flags(box, index_box, record->uid);
	return 0;
}

void mbox_note_flags(struct driver_box *box, struct index_box *index_box,
		     uint32_t uid)
{
	mbox_state_put_dirty(index_box, uid);
	mbox_box_get(box)->changed = true;
}

/* The record goes; flush() takes the mail out of the file. */
int mbox_remove_mail(struct index_txn *txn, struct driver_box *box,
		     struct index_box *index_box,
		     const struct index_record *record, struct err *err)
{
	struct mbox_box *own = mbox_box_get(box);
	struct mbox_record data;

	(void)txn;
	(void)index_box;
	if (!mbox_record_get(record, &data))
		return driver_bad_record(box, record->uid, err);
	if (own->expunging.count == 0)
		own->gap_len = 0;
	if (own->expunging.count == 0 || data.offset < own->gap_at)
		own->gap_at = data.offset;
	own->gap_len += mbox_record_end(&data) - data.offset;
	range_set_add(&own->expunging, record->uid, record->uid);
	return 0;
}

static int write_now(struct index_txn *txn, struct driver_box *box,
		     struct index_box *index_box, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "flush");
	CLEANUP(mbox_unlock) struct mbox_lock lock = {.fd = -1};
	struct mbox_box *own = mbox_box_get(box);
	uint32_t id = index_box->id;
	struct mbox_sync sync;

	if (mbox_update_begin(ctx, box, txn, index_box, &own->expunging, &sync,
			      &lock, err) < 0)
		return -1;
	/* Another UIDVALIDITY: these UIDs are those of other mails. */
	if (index_box->id != id) {
		box->id = 0;
		return err_set(err, ERR_NOT_FOUND,
			       "Mailbox was deleted under us: %s", box->name);
	}
	if (own->expunging.count > 0) {
		sync.gap_at = own->gap_at;
		sync.gap_len = own->gap_len;
	}
	if (mbox_write(&sync, err) < 0)
		return -1;
	mbox_state_put(index_box, &sync.state);
	return 0;
}

int mbox_flush(struct index_txn *txn, struct driver_box *box,
	       struct index_box *index_box, bool keywords_changed,
	       struct err *err)
{
	struct mbox_box *own = mbox_box_get(box);
	struct mbox_state state;
	bool must;
	int ret = 0;

	(void)keywords_changed;
	mbox_state_get(index_box, &state);
	must = own->names_due || own->expunging.count > 0 ||
	       mbox_writes_now(box->location);
	/* A mail that was saved with a keyword needs its name in the file. */
	if ((mbox_writes_now(box->location) &&
	     state.dirty_first <= state.dirty_last) ||
	    own->names_due || state.gaps ||
	    state.messages != index_box->counts.messages)
		ret = write_now(txn, box, index_box, err);
	/* What others expunged can stay for now. */
	if (ret < 0 && !must && err->code == ERR_IN_USE)
		ret = 0;
	own->names_due = false;
	range_set_clear(&own->expunging);
	return ret < 0 ? -1 : index_box_put(txn, index_box, err);
}
