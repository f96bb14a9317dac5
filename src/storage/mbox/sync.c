/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/sync.c - whether there is anything to see, and looking.
 *
 * One stat() tells that nothing changed. A file that grew is read from its old
 * end on (mbox_dirty_syncs), one that changed otherwise as a whole; so is one
 * that grew when a session opens it, unless mbox_very_dirty_syncs.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/mbox/mbox.h"
#include "storage/user.h"

static int look(struct driver_box *box, struct mbox_box *own, struct err *err)
{
	struct index_box row;
	int ret = driver_look(box, &own->known, &row, err);

	if (ret <= 0 || !own->known.cached)
		return ret < 0 ? -1 : 0;
	mbox_state_get(&row, &own->state);
	own->first_recent_uid = row.first_recent_uid;
	return 0;
}

/* A full look is due when a session opens the mailbox. */
static bool wants_full(const struct driver_box *box, const struct mbox_box *own)
{
	const struct mail_settings *settings = box->location->settings;

	return own->state.tail_only && box->session && !own->selected &&
	       !settings->mbox_very_dirty_syncs;
}

/* under the lock */

/* Where no lock for writing is to be had, mails can be read all the same. */
static int lock_file(struct driver_box *box, struct mbox_box *own,
		     struct mbox_sync *sync, struct mbox_lock *lock,
		     struct err *err)
{
	if (own->writable) {
		if (mbox_lock(box, own->fd, MBOX_WRITE, lock, err) == 0) {
			sync->writable = true;
			return 0;
		}
		if (err->code != ERR_DENIED)
			return -1;
	}
	sync->writable = false;
	return mbox_lock(box, own->fd, MBOX_READ, lock, err);
}

static int look_at_file(struct mbox_sync *sync, struct mbox_box *own,
			struct stat *st, struct err *err)
{
	sync->fd = own->fd;
	if (sync->writable && mbox_journal_exists(sync->box)) {
		if (mbox_journal_recover(sync->box, sync->fd, err) < 0)
			return -1;
		sync->recovered = true;
	}
	if (fstat(sync->fd, st) < 0)
		return err_sys(err, "fstat(%s)", sync->box->path);
	/* It was replaced while we waited for the lock. */
	if (st->st_nlink == 0)
		return err_set(err, ERR_IN_USE, "%s was replaced",
			       sync->box->path);
	sync->size = (uint64_t)st->st_size;
	return 0;
}

static int read_names(struct mbox_sync *sync, struct err *err)
{
	return index_keywords_get(sync->txn, sync->ctx, sync->row->id,
				  &sync->names, &sync->name_count, err);
}

static bool only_grew(const struct mbox_sync *sync, const struct stat *st)
{
	const struct mail_settings *settings = sync->box->location->settings;
	const struct mbox_box *own = mbox_box_get(sync->box);

	if (sync->box->session && !own->selected &&
	    !settings->mbox_very_dirty_syncs)
		return false;
	return sync->state.valid && sync->state.ino == st->st_ino &&
	       sync->size > sync->state.size && sync->state.size > 0 &&
	       (settings->mbox_dirty_syncs || settings->mbox_very_dirty_syncs);
}

static int bring_in(struct mbox_sync *sync, const struct stat *st, bool full,
		    struct err *err)
{
	if (sync->row->id != 0) {
		mbox_state_get(sync->row, &sync->state);
		if (read_names(sync, err) < 0)
			return -1;
	}
	full = full || sync->recovered;
	if (!full && mbox_state_same_file(&sync->state, st))
		return 0;
	if (mbox_apply(sync, full || !only_grew(sync, st), err) < 0)
		return -1;
	sync->state.valid = true;
	return mbox_state_take_file(&sync->state, sync->fd, false, err);
}

static int update_within(struct mbox_sync *sync, struct mbox_box *own,
			 bool full, struct err *err)
{
	struct stat st;

	memset(sync->row, 0, sizeof(*sync->row));
	if (driver_row(sync->box, sync->txn, sync->row, err) < 0) {
		if (err->code != ERR_NOT_FOUND)
			return -1;
		memset(sync->row, 0, sizeof(*sync->row));
		full = true;
	}
	if (look_at_file(sync, own, &st, err) < 0 ||
	    bring_in(sync, &st, full, err) < 0)
		return -1;
	if (sync->writable && sync->urgent && mbox_write(sync, err) < 0)
		return -1;
	mbox_state_put(sync->row, &sync->state);
	return index_box_put(sync->txn, sync->row, err);
}

/* A record, its place in the tables, for mails of a few hundred octets. */
enum { INDEX_SHARE = 4 };

static int update(struct driver_box *box, struct mbox_box *own, bool full,
		  const struct stat *st, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "sync");
	CLEANUP(mbox_unlock) struct mbox_lock lock = {.fd = -1};
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct mbox_sync sync = {.ctx = ctx, .box = box};
	struct index_box row;

	if (!own->state.valid || !own->known.cached)
		index_reserve(box->index, (uint64_t)st->st_size / INDEX_SHARE);
	if (lock_file(box, own, &sync, &lock, err) < 0 ||
	    index_begin(box->index, INDEX_WRITE, &txn, err) < 0)
		return -1;
	sync.txn = txn;
	sync.row = &row;
	if (update_within(&sync, own, full, err) < 0 ||
	    index_commit(&txn, err) < 0) {
		if (sync.created)
			box->id = 0;
		return -1;
	}
	mbox_places_forget(own);
	return 0;
}

enum { TRIES = 4 };

int mbox_sync_box(struct driver_box *box, bool full, struct err *err)
{
	struct mbox_box *own = mbox_box_get(box);
	struct stat st;

	for (int i = 0; i < TRIES; i++) {
		if (mbox_file(box, &own, &st, err) < 0 ||
		    look(box, own, err) < 0)
			return -1;
		/* What a journal tells of would come between, when a mail is
		 * read. */
		full = full || wants_full(box, own) ||
		       (!own->looked && mbox_journal_exists(box));
		if (!full && own->known.cached &&
		    mbox_state_same_file(&own->state, &st))
			break;
		if (update(box, own, full, &st, err) == 0)
			break;
		/* Another file has its name now; a lock that was not to be had
		 * was waited for long enough. */
		if (err->code != ERR_IN_USE || i + 1 == TRIES ||
		    (stat(box->path, &st) == 0 && st.st_ino == own->ino))
			return -1;
	}
	own->looked = true;
	own->selected |= box->session;
	return 0;
}

int mbox_update_begin(const void *ctx, struct driver_box *box,
		      struct index_txn *txn, struct index_box *row,
		      const struct range_set *expunging,
		      struct mbox_sync *sync_out, struct mbox_lock *lock_out,
		      struct err *err)
{
	struct mbox_box *own;
	struct stat st;

	*sync_out = (struct mbox_sync){
		.ctx = mem_ctx(ctx, "update"),
		.box = box,
		.txn = txn,
		.row = row,
		.writable = true,
		.expunging = expunging,
		.gap_at = UINT64_MAX,
	};
	if (mbox_file(box, &own, &st, err) < 0 ||
	    mbox_lock_now(box, own->fd, MBOX_WRITE, lock_out, err) < 0)
		return -1;
	if (look_at_file(sync_out, own, &st, err) == 0 &&
	    bring_in(sync_out, &st, false, err) == 0)
		return 0;
	mbox_unlock(lock_out);
	return -1;
}

/* what was put off */

/* A delivery, or STATUS, leaves it to the sessions. */
static bool wants_write(const struct driver_box *box,
			const struct mbox_box *own)
{
	const struct mbox_state *state = &own->state;

	if (!own->known.cached || !own->writable || !state->valid ||
	    (!box->session && !own->changed))
		return false;
	return state->dirty_first <= state->dirty_last || state->gaps ||
	       (box->take_recent && state->old_below < own->first_recent_uid);
}

static int write_locked(struct driver_box *box, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "close");
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	CLEANUP(mbox_unlock) struct mbox_lock lock = {.fd = -1};
	struct mbox_sync sync;
	struct index_box row;

	if (index_begin(box->index, INDEX_WRITE, &txn, err) < 0)
		return -1;
	/* By its name: the id may be that of an index that is gone. */
	box->id = 0;
	if (driver_row(box, txn, &row, err) < 0 ||
	    mbox_update_begin(ctx, box, txn, &row, NULL, &sync, &lock, err) <
		    0 ||
	    mbox_write(&sync, err) < 0)
		return -1;
	mbox_state_put(&row, &sync.state);
	if (index_box_put(txn, &row, err) < 0)
		return -1;
	return index_commit(&txn, err);
}

static int write_back(struct driver_box *box, struct err *err)
{
	int ret;

	if (mbox_hold(box, false, err) < 0)
		return -1;
	ret = write_locked(box, err);
	mbox_unhold(box);
	return ret;
}

int mbox_write_late(struct driver_box *box, struct err *err)
{
	struct mbox_box *own = mbox_box_get(box);

	if (look(box, own, err) < 0)
		return -1;
	return wants_write(box, own) ? write_back(box, err) : 0;
}

void mbox_close(struct driver_box *box)
{
	struct mbox_box *own = box->driver;
	struct err err;

	mbox_unhold(box);
	if (own != NULL && own->fd >= 0 && box->index != NULL && box->id != 0 &&
	    look(box, own, &err) == 0 && wants_write(box, own) &&
	    write_back(box, &err) < 0 && err.code != ERR_NOT_FOUND)
		log_error("Mailbox %s: can't write flags: %s", box->name,
			  err.text);
	mem_free(own);
	box->driver = NULL;
}
