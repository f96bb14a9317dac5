/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/rewrite.c - flags, UIDs and keywords into the file, expunged
 * mails out of it.
 *
 * A header that keeps its length is changed in place, by the octets that
 * differ: at once if a disk writes them as a whole, by a list of patches
 * otherwise. From the first header that does not, or from the first gap, the
 * rest of the file is written anew, through the journal. Where there is no room
 * for that, mails are expunged all the same, and headers wait.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/mbox/mbox.h"
#include "storage/user.h"

enum { BLOCK_MAX = 1 << 30, IN_PLACE_MAX = 65536 };

struct moved {
	uint32_t uid;
	struct mbox_record record;
};

struct rewrite {
	struct mbox_sync *sync;
	struct mbox_journal *journal; /* NULL: in place so far */
	struct mbox_journal *patches; /* in front of that; or NULL */
	bool tight;                   /* the disk is full */
	bool armed;                   /* there is no way back */
	bool base;                    /* X-IMAPbase must be written anew */
	bool at_gap;                  /* the walk begins where one may be */
	bool lacking;                 /* records of mails that are there */
	uint32_t last_uid;
	uint64_t end; /* of the mails so far, in the old file */
	uint64_t dropped; /* of it, between them */
	uint32_t visited;
	uint64_t base_at;
	uint64_t pseudo_len; /* of a new pseudo mail */
	struct moved *moved;
	size_t count, cap;
};

unsigned mbox_named(const struct mbox_sync *sync)
{
	unsigned count = 0;

	for (unsigned i = 0; i < sync->name_count; i++)
		count += sync->names[i] != NULL && sync->names[i][0] != '\0';
	return count;
}

static void note(struct rewrite *rewrite, uint32_t uid,
		 const struct mbox_record *record)
{
	if (rewrite->count == rewrite->cap) {
		rewrite->cap = rewrite->cap == 0 ? 16 : rewrite->cap * 2;
		rewrite->moved = mem_resize(rewrite->sync->ctx, rewrite->moved,
					    struct moved, rewrite->cap);
	}
	rewrite->moved[rewrite->count++] = (struct moved){uid, *record};
}

static int put_moved(struct rewrite *rewrite, struct err *err)
{
	struct mbox_sync *sync = rewrite->sync;

	for (size_t i = 0; i < rewrite->count; i++) {
		CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "moved");
		struct index_record record;

		if (index_record_get(sync->txn, sync->row->id,
				     rewrite->moved[i].uid, &record, err) < 0)
			return -1;
		mbox_record_put(ctx, &rewrite->moved[i].record, &record);
		if (index_record_put(sync->txn, sync->row, &record, err) < 0)
			return -1;
	}
	return 0;
}

/* headers */

static struct mbox_fields fields_of(const struct rewrite *rewrite,
				    const struct index_record *record)
{
	const struct mbox_sync *sync = rewrite->sync;

	return (struct mbox_fields){
		.uid_validity = sync->row->uid_validity,
		.last_uid = rewrite->last_uid,
		.names = sync->names,
		.name_count = sync->name_count,
		.uid = record == NULL ? 0 : record->uid,
		.flags = record == NULL ? 0 : record->flags,
		.old = record != NULL &&
		       record->uid < sync->row->first_recent_uid,
		.keywords = record == NULL ? NULL : &record->keywords,
		.content_length = UINT64_MAX,
	};
}

static int read_block(struct rewrite *rewrite, const struct mbox_record *record,
		      struct buf *out, struct err *err)
{
	struct mbox_sync *sync = rewrite->sync;
	char *space = buf_space(out, record->header_len + 1);

	if (space == NULL)
		return err_set(err, ERR_LIMIT, "header is too long");
	if (mbox_read_at(sync->box, sync->fd, space, record->header_len,
			 record->offset + record->from_len, err) < 0)
		return -1;
	buf_grew(out, record->header_len);
	return 0;
}

/* in place */

static int commit_patches(struct rewrite *rewrite, struct err *err)
{
	int ret = 0;

	if (rewrite->patches != NULL)
		ret = mbox_journal_commit(rewrite->patches, err);
	mem_free(rewrite->patches);
	rewrite->patches = NULL;
	return ret;
}

static int patch(struct rewrite *rewrite, struct str old, struct str new,
		 uint64_t at, struct err *err)
{
	struct mbox_sync *sync = rewrite->sync;

	if (rewrite->patches == NULL &&
	    mbox_journal_begin(sync->ctx, sync->box, MBOX_JOURNAL_PATCH,
			       sync->fd, 0, 0, &rewrite->patches, err) < 0)
		return -1;
	if (mbox_journal_patch(rewrite->patches, at, old, new, err) < 0)
		return -1;
	return mbox_journal_is_full(rewrite->patches)
		       ? commit_patches(rewrite, err)
		       : 0;
}

static int write_difference(struct rewrite *rewrite, struct str old,
			    struct str new, uint64_t at, struct err *err)
{
	struct mbox_sync *sync = rewrite->sync;
	size_t from = 0, to = old.len;

	while (from < to && old.data[from] == new.data[from])
		from++;
	while (to > from && old.data[to - 1] == new.data[to - 1])
		to--;
	if (from == to)
		return 0;
	if ((at + from) / MBOX_SECTOR != (at + to - 1) / MBOX_SECTOR)
		return patch(rewrite, str_n(old.data + from, to - from),
			     str_n(new.data + from, to - from), at + from, err);
	return mbox_write_at(sync->box, sync->fd, new.data + from, to - from,
			     at + from, err);
}

/* anew */

/* All from `start` on, where mails are kept from `from` on. */
static int begin_anew(struct rewrite *rewrite, uint64_t start, uint64_t from,
		      struct err *err)
{
	struct mbox_sync *sync = rewrite->sync;

	if (commit_patches(rewrite, err) < 0)
		return -1;
	return mbox_journal_begin(
		sync->ctx, sync->box,
		rewrite->tight ? MBOX_JOURNAL_SHIFT : MBOX_JOURNAL_TEXT,
		sync->fd, start, from, &rewrite->journal, err);
}

static int add_mail(struct rewrite *rewrite, uint32_t uid,
		    struct mbox_record *record, const struct buf *block,
		    struct err *err)
{
	struct mbox_journal *journal = rewrite->journal;
	uint64_t end = mbox_record_end(record);
	uint64_t body = record->offset + record->from_len + record->header_len;
	struct mbox_record now = *record;

	now.offset = mbox_journal_at(journal);
	if (mbox_journal_copy(journal, record->offset, record->from_len, err) <
	    0)
		return -1;
	if (block != NULL) {
		now.header_len = (uint32_t)block->len;
		now.dirty = false;
		if (mbox_journal_add(journal, block->data, block->len, err) < 0)
			return -1;
		mbox_journal_skip(journal, body);
	} else {
		body -= record->header_len;
	}
	if (mbox_journal_copy(journal, body, end - body, err) < 0)
		return -1;
	/* Else the next "From " would not begin a line. */
	if (record->end_len == 0 && mbox_journal_fits(journal, end, 1)) {
		now.end_len = 1;
		if (mbox_journal_add(journal, "\n", 1, err) < 0)
			return -1;
	}
	note(rewrite, uid, &now);
	return 0;
}

static int write_mail(struct rewrite *rewrite,
		      const struct index_record *record,
		      struct mbox_record *data, bool first, struct err *err)
{
	CLEANUP(buf_free) struct buf old = buf_init(BLOCK_MAX);
	CLEANUP(buf_free) struct buf new = buf_init(BLOCK_MAX);
	struct mbox_fields fields = fields_of(rewrite, record);
	uint64_t at = data->offset + data->from_len;
	bool wanted;

	fields.base = first && rewrite->sync->state.first == 0;
	if (read_block(rewrite, data, &old, err) < 0)
		return -1;
	mbox_header_compose(str_n(old.data, old.len), &fields, &new);
	if (new.overflow)
		return err_set(err, ERR_LIMIT, "header is too long");
	/* Only what carries the UIDs of the mailbox must be written. */
	wanted = !rewrite->tight || (fields.base && rewrite->journal != NULL);
	if (wanted && rewrite->journal != NULL &&
	    !mbox_journal_fits(rewrite->journal, at, new.len))
		return err_set(err, ERR_NO_SPACE, "%s: no room for a header",
			       rewrite->sync->box->path);
	if (!wanted)
		return rewrite->journal == NULL ? 0
						: add_mail(rewrite, record->uid,
							   data, NULL, err);
	if (rewrite->journal == NULL &&
	    (new.len != old.len || new.len > IN_PLACE_MAX) &&
	    begin_anew(rewrite, data->offset, data->offset, err) < 0)
		return -1;
	if (fields.base)
		rewrite->base_at =
			mbox_base_digits(str_n(new.data, new.len)) +
			(rewrite->journal == NULL
				 ? at
				 : mbox_journal_at(rewrite->journal) +
					   data->from_len);
	if (rewrite->journal != NULL)
		return add_mail(rewrite, record->uid, data, &new, err);
	if (data->dirty) {
		data->dirty = false;
		note(rewrite, record->uid, data);
	}
	return write_difference(rewrite, str_n(old.data, old.len),
				str_n(new.data, new.len), at, err);
}

/* the walk */

static bool wants_change(const struct rewrite *rewrite,
			 const struct index_record *record,
			 const struct mbox_record *data, bool first)
{
	const struct mbox_sync *sync = rewrite->sync;

	if (data->dirty || (record->uid >= sync->state.old_below &&
			    record->uid < sync->row->first_recent_uid))
		return true;
	/* The first one has X-IMAPbase, and so has one that becomes it. */
	return first && sync->state.first == 0 &&
	       (rewrite->base || data->offset != 0);
}

static int visit(struct rewrite *rewrite, const struct index_record *record,
		 bool first, struct err *err)
{
	struct mbox_sync *sync = rewrite->sync;
	struct mbox_record data;

	if (!mbox_record_get(record, &data) ||
	    data.offset < rewrite->end || mbox_record_end(&data) > sync->size)
		return driver_bad_record(sync->box, record->uid, err);
	if (data.offset != rewrite->end && rewrite->journal == NULL &&
	    begin_anew(rewrite, rewrite->end, data.offset, err) < 0)
		return -1;
	rewrite->dropped += data.offset - rewrite->end;
	rewrite->visited++;
	rewrite->end = mbox_record_end(&data);
	if (wants_change(rewrite, record, &data, first))
		return write_mail(rewrite, record, &data, first, err);
	if (rewrite->journal == NULL)
		return 0;
	return add_mail(rewrite, record->uid, &data, NULL, err);
}

/* Whether mails are to be marked as old. */
static bool marks_old(const struct mbox_sync *sync)
{
	return sync->state.old_below < sync->row->first_recent_uid;
}

/* Where to begin: all before is as it should be. Of gaps only those are known
 * that were made just now. */
static uint32_t first_change(struct rewrite *rewrite)
{
	const struct mbox_sync *sync = rewrite->sync;
	const struct mbox_state *state = &sync->state;
	uint32_t from = state->dirty_first;

	if (rewrite->journal != NULL || state->gaps ||
	    (rewrite->base && state->first == 0))
		return 1;
	if (marks_old(sync) && state->old_below < from)
		from = state->old_below;
	if (state->messages == sync->row->counts.messages)
		return from;
	/* A damaged row may count other mails than there are. */
	if (sync->gap_at == UINT64_MAX || sync->gap_at < state->first ||
	    sync->expunging == NULL || sync->expunging->count == 0)
		return 1;
	rewrite->at_gap = true;
	rewrite->end = sync->gap_at;
	return sync->expunging->ranges[0].first < from
		       ? sync->expunging->ranges[0].first
		       : from;
}

static bool nothing_more(const struct rewrite *rewrite, uint32_t uid)
{
	const struct mbox_sync *sync = rewrite->sync;
	const struct mbox_state *state = &sync->state;

	return rewrite->journal == NULL && !state->gaps &&
	       state->messages == sync->row->counts.messages &&
	       (!marks_old(sync) || uid >= sync->row->first_recent_uid) &&
	       (state->dirty_first > state->dirty_last ||
		uid > state->dirty_last);
}

/* What has no record leaves the file: that must be what was expunged just now
 * (others may have done so before), or what the last look at the whole file
 * found between the mails. Else the index has lost some. */
static int check_dropped(struct rewrite *rewrite, uint32_t from,
			 struct err *err)
{
	const struct mbox_sync *sync = rewrite->sync;
	uint64_t tail = sync->size - rewrite->end;

	/* Nothing was to be changed. */
	if (from > 1 && rewrite->visited == 0 && !rewrite->at_gap)
		return 0;
	/* What is no mail at the end of the file matters to nobody. */
	if (sync->gap_len == 0 && tail > 0) {
		int starts = mbox_mail_starts(sync->box, sync->fd, rewrite->end,
					      sync->size, err);

		if (starts < 0)
			return -1;
		if (starts == 0)
			tail = 0;
	}
	rewrite->dropped += tail;
	if ((from > 1 || rewrite->visited == sync->row->counts.messages) &&
	    (sync->state.gaps || rewrite->dropped <= sync->gap_len))
		return 0;
	rewrite->lacking = true;
	return err_set(err, ERR_CORRUPT, "%s: the index lacks some of its mails",
		       sync->box->path);
}

static int walk(struct rewrite *rewrite, struct err *err)
{
	struct mbox_sync *sync = rewrite->sync;
	uint32_t from = first_change(rewrite), uid = from;
	struct index_record record;
	struct mbox_record data;
	bool first = from <= 1;

	while (index_record_next(sync->txn, sync->row->id, uid, &record)) {
		if (uid == from && (from > 1 || rewrite->at_gap) &&
		    mbox_record_get(&record, &data) &&
		    (!rewrite->at_gap || data.offset < rewrite->end))
			rewrite->end = data.offset;
		/* It may be the first one all the same. */
		if (rewrite->end == 0)
			first = true;
		if (visit(rewrite, &record, first, err) < 0)
			return -1;
		first = false;
		if (record.uid == UINT32_MAX)
			break;
		uid = record.uid + 1;
		if (nothing_more(rewrite, uid))
			return index_check(sync->txn, err);
	}
	if (index_check(sync->txn, err) < 0)
		return -1;
	return check_dropped(rewrite, from, err);
}

/* ends */

static int cut_rest(struct rewrite *rewrite, struct err *err)
{
	struct mbox_sync *sync = rewrite->sync;

	/* Only when all were visited is it known that nothing follows. */
	if ((!sync->state.gaps &&
	     sync->state.messages == sync->row->counts.messages) ||
	    rewrite->end >= sync->size)
		return 0;
	if (ftruncate(sync->fd, (off_t)rewrite->end) < 0)
		return err_sys(err, "ftruncate(%s)", sync->box->path);
	return mbox_fsync(sync->box, sync->fd, err);
}

/* X-IMAPbase when only the last UID in it changed. */
static int patch_last_uid(struct rewrite *rewrite, struct err *err)
{
	struct mbox_sync *sync = rewrite->sync;

	if (rewrite->base_at != 0 || sync->state.base_at == 0 ||
	    sync->state.base_uid == rewrite->last_uid)
		return 0;
	return mbox_put_last_uid(sync, sync->state.base_at,
				 sync->state.base_uid, rewrite->last_uid, err);
}

/* The mail that keeps UIDs when there is none, and keywords from now on. */
static int write_pseudo(struct rewrite *rewrite, uint64_t from, struct err *err)
{
	struct mbox_sync *sync = rewrite->sync;
	CLEANUP(buf_free) struct buf text = buf_init(BLOCK_MAX);
	struct mbox_fields fields = fields_of(rewrite, NULL);

	mbox_pseudo_write(&fields, time(NULL), &text);
	if (begin_anew(rewrite, 0, from, err) < 0)
		return -1;
	if (!mbox_journal_fits(rewrite->journal, from, text.len))
		return err_set(err, ERR_NO_SPACE, "%s: no room for UIDs",
			       sync->box->path);
	if (mbox_journal_add(rewrite->journal, text.data, text.len, err) < 0)
		return -1;
	rewrite->base_at = mbox_base_digits(str_n(text.data, text.len));
	rewrite->pseudo_len = text.len;
	return 0;
}

/* A pseudo mail whose names are too few is made anew, the mails go on behind
 * it. */
static int renew_pseudo(struct rewrite *rewrite, struct err *err)
{
	rewrite->end = rewrite->sync->state.first;
	return write_pseudo(rewrite, rewrite->end, err);
}

static int write_all(struct rewrite *rewrite, struct err *err)
{
	struct mbox_sync *sync = rewrite->sync;
	const struct mbox_state *state = &sync->state;
	bool empty = sync->row->counts.messages == 0;

	rewrite->end = state->first;
	if (state->first > 0 && rewrite->base && !rewrite->tight) {
		if (renew_pseudo(rewrite, err) < 0)
			return -1;
	} else if (empty && state->first == 0 &&
		   (sync->size > 0 || sync->urgent)) {
		return check_dropped(rewrite, 1, err) < 0
			       ? -1
			       : write_pseudo(rewrite, sync->size, err);
	}
	return walk(rewrite, err);
}

/* New UIDs are told to clients, and with mail_fsync = always all is. */
static int sync_changes(struct rewrite *rewrite, struct err *err)
{
	struct mbox_sync *sync = rewrite->sync;

	if (!sync->urgent && !mbox_all_synced(sync->box->location))
		return 0;
	return mbox_fsync(sync->box, sync->fd, err);
}

static int finish(struct rewrite *rewrite, struct err *err)
{
	struct mbox_sync *sync = rewrite->sync;
	struct mbox_state *state = &sync->state;

	/* UIDs are taken before any mail has them. */
	if (patch_last_uid(rewrite, err) < 0 ||
	    commit_patches(rewrite, err) < 0 ||
	    (rewrite->journal != NULL
		     ? mbox_journal_commit(rewrite->journal, err)
		     : cut_rest(rewrite, err)) < 0 ||
	    sync_changes(rewrite, err) < 0 || put_moved(rewrite, err) < 0)
		return -1;
	if (rewrite->pseudo_len != 0)
		state->first = rewrite->pseudo_len;
	if (rewrite->base_at != 0) {
		state->base_at = rewrite->base_at;
		state->base_names = mbox_named(sync);
	}
	if (state->base_at != 0)
		state->base_uid = rewrite->last_uid;
	state->messages = sync->row->counts.messages;
	state->gaps = false;
	if (!rewrite->tight) {
		state->dirty_first = UINT32_MAX;
		state->dirty_last = 0;
		if (state->old_below < sync->row->first_recent_uid)
			state->old_below = sync->row->first_recent_uid;
	}
	return mbox_state_take_file(state, sync->fd, true, err);
}

/* Others may have moved mails that were not looked at since, within a file that
 * only seems to have grown. */
static bool needs_full(const struct mbox_sync *sync)
{
	const struct mbox_state *state = &sync->state;

	return state->tail_only &&
	       (state->gaps || state->base_at == 0 ||
		state->messages != sync->row->counts.messages ||
		state->base_names != mbox_named(sync) ||
		state->dirty_first < state->tail_uid ||
		state->old_below < state->tail_uid);
}

static bool has_gaps(const struct mbox_sync *sync)
{
	return sync->state.gaps ||
	       sync->state.messages != sync->row->counts.messages;
}

static int try_write(struct rewrite *rewrite, struct err *err)
{
	int ret;

	rewrite->count = rewrite->visited = 0;
	rewrite->dropped = 0;
	rewrite->base_at = rewrite->pseudo_len = 0;
	ret = write_all(rewrite, err);
	if (ret == 0)
		ret = finish(rewrite, err);
	rewrite->armed = rewrite->journal != NULL && rewrite->journal->armed;
	mem_free(rewrite->journal);
	mem_free(rewrite->patches);
	rewrite->journal = rewrite->patches = NULL;
	return ret;
}

static int prepare(struct rewrite *rewrite, bool full, struct err *err)
{
	struct mbox_sync *sync = rewrite->sync;

	mem_free(sync->names);
	if (index_keywords_get(sync->txn, sync->ctx, sync->row->id,
			       &sync->names, &sync->name_count, err) < 0 ||
	    ((full || needs_full(sync)) && mbox_apply(sync, true, err) < 0))
		return -1;
	rewrite->last_uid = sync->row->uid_next - 1;
	rewrite->base = sync->state.base_at == 0 ||
			sync->state.base_names != mbox_named(sync);
	return 0;
}

int mbox_write(struct mbox_sync *sync, struct err *err)
{
	struct rewrite rewrite = {.sync = sync};
	int ret;

	if (prepare(&rewrite, false, err) < 0)
		return -1;
	ret = try_write(&rewrite, err);
	if (ret < 0 && rewrite.lacking) {
		rewrite.lacking = false;
		if (prepare(&rewrite, true, err) < 0)
			return -1;
		ret = try_write(&rewrite, err);
		if (rewrite.lacking)
			index_distrust(sync->box->index);
	}
	if (ret < 0 && !rewrite.armed && has_gaps(sync) &&
	    (err->code == ERR_NO_SPACE || err->code == ERR_QUOTA)) {
		log_warning("%s: expunging in place: %s", sync->box->path,
			    err->text);
		/* There is no way back: the index must know all mails. */
		rewrite.tight = true;
		if (prepare(&rewrite, true, err) < 0)
			return -1;
		ret = try_write(&rewrite, err);
	}
	return ret;
}

/* Changed digits in two sectors: the higher ones first, so that what is on the
 * disk in between is more than it was. */
int mbox_put_last_uid(const struct mbox_sync *sync, uint64_t at, uint32_t old,
		      uint32_t uid, struct err *err)
{
	size_t front = MBOX_SECTOR - at % MBOX_SECTOR;
	char digits[16], before[16];

	snprintf(digits, sizeof(digits), "%010u", uid);
	snprintf(before, sizeof(before), "%010u", old);
	if (front >= 10 || memcmp(digits, before, front) == 0)
		front = 0;
	if (front > 0 &&
	    (mbox_write_at(sync->box, sync->fd, digits, front, at, err) < 0 ||
	     mbox_fsync(sync->box, sync->fd, err) < 0))
		return -1;
	return mbox_write_at(sync->box, sync->fd, digits + front, 10 - front,
			     at + front, err);
}
