/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/apply.c - bring what was seen on disk into the index: what
 * the uidlist says, and what became of the mails that the index has. adopt.c
 * does the new ones.
 */
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/maildir/sync.h"

enum { MISSING_MAX = 1000 };

/* the uidlist */

static void take_line(struct sync *sync, struct scan_entry *file,
		      const struct uidlist_entry *entry)
{
	file->uid = entry->uid;
	if (entry->ext.len > 0 && entry->ext.len <= SYNC_EXT_MAX)
		file->ext = str_n(scan_keep(sync->scan, entry->ext),
				  entry->ext.len);
}

/* The last ones: what comes in just now is at the end. */
static void note_missing(struct sync *sync, const struct uidlist_entry *entry)
{
	struct uidlist_entry *at;
	char *ext, *base;

	if (sync->missing == NULL)
		sync->missing =
			mem_array(sync->ctx, struct uidlist_entry, MISSING_MAX);
	at = &sync->missing[sync->missing_count++ % MISSING_MAX];
	if (sync->missing_count > MISSING_MAX) {
		mem_free((char *)at->ext.data);
		mem_free((char *)at->base.data);
	}
	ext = str_dup(sync->missing, entry->ext);
	base = str_dup(sync->missing, entry->base);
	*at = (struct uidlist_entry){
		.uid = entry->uid,
		.ext = str_of(ext),
		.base = str_of(base),
	};
}

static void match_line(void *ctx, const struct uidlist_entry *entry)
{
	struct sync *sync = ctx;
	struct scan_entry *file = scan_find(sync->scan, entry->base);

	if (file != NULL)
		take_line(sync, file, entry);
	else if (entry->uid >= sync->row->uid_next)
		note_missing(sync, entry);
}

/* Read the uidlist if it changed. A lost or senseless one is made anew from
 * the index. 0: it is that of another mailbox life, with other UIDs. */
static int read_uidlist(struct sync *sync, struct err *err)
{
	struct uidlist_mark *read = &sync->state.uidlist;
	struct uidlist_header header = {.uid_next = 0};
	struct file_mark mark;
	bool tail;

	if (file_mark_get(sync->uidlist, &mark, err) < 0)
		return -1;
	sync->rewrite |= mark.ino == 0;
	if (mark.ino == 0 || file_mark_same(&mark, &read->file))
		return 1;
	tail = sync->state.valid && !sync->created && read->file.ino != 0 &&
	       mark.size > read->file.size;
	if (uidlist_read(sync->uidlist, tail, read, &header, match_line, sync,
			 err) < 0) {
		if (err->code != ERR_NOT_FOUND && err->code != ERR_CORRUPT)
			return -1;
		if (err->code == ERR_CORRUPT && !sync->rewrite)
			log_warning("%s; it is made anew", err->text);
		sync->rewrite = true;
		return 1;
	}
	if (sync->uid_next < header.uid_next)
		sync->uid_next = header.uid_next;
	if (header.has_guid)
		memcpy(sync->row->guid, header.guid, sizeof(header.guid));
	sync->listed = header.whole;
	sync->reborn = header.uid_validity != sync->row->uid_validity;
	return sync->reborn ? 0 : 1;
}

static int lock_uidlist(struct sync *sync, struct err *err)
{
	if (sync->locked)
		return 1;
	if (maildir_lock(sync->box, sync->uidlist, err) < 0)
		return -1;
	sync->locked = true;
	return read_uidlist(sync, err);
}

int sync_create_row(struct sync *sync, struct err *err)
{
	struct index_box *row = sync->row;
	struct uidlist_header header = {.uid_next = 0};

	sync->created = true;
	memset(row, 0, sizeof(*row));
	memset(&sync->state, 0, sizeof(sync->state));
	sync->state.first_new_uid = 1;
	if (uidlist_read(sync->uidlist, false, &sync->state.uidlist, &header,
			 match_line, sync, err) < 0) {
		if (err->code != ERR_NOT_FOUND && err->code != ERR_CORRUPT)
			return -1;
		memset(&header, 0, sizeof(header));
		if (uid_validity_next(sync->box->location, &header.uid_validity,
				      err) < 0)
			return -1;
	}
	if (!header.has_guid) {
		guid128_new(header.guid);
		sync->rewrite = true;
	}
	row->uid_validity = header.uid_validity;
	memcpy(row->guid, header.guid, sizeof(row->guid));
	row->uid_next = 1;
	row->first_recent_uid = 1;
	sync->uid_next = header.uid_next;
	if (index_box_create(sync->txn, sync->box->name, row, err) < 0)
		return -1;
	sync->box->id = row->id;
	return 0;
}

/* mails that the index has */

void sync_seen_in(struct sync *sync, char dir, uint32_t uid)
{
	if (dir == 'n' && sync->state.first_new_uid > uid)
		sync->state.first_new_uid = uid;
	if (dir == 'c' && sync->last_cur_uid < uid)
		sync->last_cur_uid = uid;
}

/* Take over name, and flags and keywords that are in it. */
static int update_record(struct sync *sync, struct index_record *record,
			 const struct scan_entry *file, struct str ext,
			 struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "update");
	const uint64_t letters = (1U << MAILDIR_KEYWORDS) - 1;
	struct file_name name;

	file_name_parse(file->name, &name);
	sync->letters |= name.keywords;
	record->flags = name.flags;
	record->keywords.bits[0] =
		(record->keywords.bits[0] & ~letters) | name.keywords;
	record->driver = record_name_make(ctx, file->dir, file->name, ext);
	return index_record_put(sync->txn, sync->row, record, err);
}

static int expunge(struct sync *sync, uint32_t uid, struct err *err)
{
	return index_record_expunge(sync->txn, sync->row, uid, err);
}

/* 0 if cur/ must be read to know more. */
static int check_record(struct sync *sync, struct index_record *record,
			struct err *err)
{
	struct record_name name;
	struct file_name parsed;
	struct scan_entry *file;
	struct str ext;

	if (!record_name_get(record->driver, &name))
		return expunge(sync, record->uid, err) < 0 ? -1 : 1;
	if (!sync->full && name.dir == 'c')
		return 1;
	file_name_parse(name.name, &parsed);
	file = scan_find(sync->scan, parsed.base);
	if (file == NULL && !sync->full)
		return 0;
	if (file == NULL) {
		sync_seen_in(sync, name.dir, record->uid);
		/* It may have been renamed while we read. */
		if (!sync->stable)
			return 1;
		return expunge(sync, record->uid, err) < 0 ? -1 : 1;
	}
	/* The uidlist was made anew by somebody who gave it a new UID. */
	if (file->uid > record->uid && file->uid >= sync->row->uid_next)
		return expunge(sync, record->uid, err) < 0 ? -1 : 1;
	file->known = true;
	sync->unlisted |= sync->listed && file->uid == 0;
	sync_seen_in(sync, file->dir, record->uid);
	ext = file->ext.len > 0 ? file->ext : name.ext;
	if (file->dir == name.dir && str_equal(file->name, name.name) &&
	    str_equal(ext, name.ext))
		return 1;
	return update_record(sync, record, file, ext, err) < 0 ? -1 : 1;
}

static int check_records(struct sync *sync, struct err *err)
{
	struct index_record record;
	uint32_t uid = sync->full ? 1 : sync->state.first_new_uid;

	sync->state.first_new_uid = UINT32_MAX;
	while (index_record_next(sync->txn, sync->row->id, uid, &record)) {
		int ret = check_record(sync, &record, err);

		if (ret <= 0)
			return ret;
		uid = record.uid + 1;
	}
	return index_check(sync->txn, err) < 0 ? -1 : 1;
}

/* Lines were read after the files: a mail that came in between has a line, but
 * no file yet for us. */
static void settle_stable(struct sync *sync)
{
	struct dir_times now;
	struct err err;

	sync->stable = sync->stable &&
		       dir_times_get(sync->box, &now, &err) == 0 &&
		       file_time_same(now.new_time, sync->times.new_time) &&
		       file_time_same(now.cur_time, sync->times.cur_time);
}

/* What is there by now of them. */
static void take_missing(struct sync *sync, struct scan *scan)
{
	size_t count = sync->missing_count < MISSING_MAX ? sync->missing_count
							 : MISSING_MAX;

	for (size_t i = 0; i < count; i++) {
		const struct uidlist_entry *entry = &sync->missing[i];
		const struct scan_entry *file = scan_find(scan, entry->base);

		if (file != NULL && scan_find(sync->scan, entry->base) == NULL)
			take_line(sync,
				  scan_add(sync->scan, file->dir, file->name),
				  entry);
	}
}

/* A mail that has a UID but was not seen is gone; or it came, or somebody
 * renamed its file, while we read the directory. Then it must be found now:
 * UIDs only grow here, and it could not get its own any more later. 0: cur/
 * must be read. */
static int find_missing(struct sync *sync, struct err *err)
{
	struct dir_times before, after;

	if (sync->missing_count == 0)
		return 1;
	settle_stable(sync);
	if (sync->full && sync->stable)
		return 1;
	if (!sync->full)
		return 0;
	for (int i = 0; i < SYNC_FIND_TRIES; i++) {
		struct scan *scan;

		if (dir_times_get(sync->box, &before, err) < 0 ||
		    scan_read(sync->ctx, sync->box, true, &scan, err) < 0)
			return -1;
		take_missing(sync, scan);
		mem_free(scan);
		if (dir_times_get(sync->box, &after, err) < 0)
			return -1;
		if (file_time_same(before.new_time, after.new_time) &&
		    file_time_same(before.cur_time, after.cur_time))
			break;
	}
	return 1;
}

int sync_lock(struct sync *sync, struct err *err)
{
	int ret = lock_uidlist(sync, err);

	return ret <= 0 ? ret : find_missing(sync, err);
}

static void remember(struct sync *sync)
{
	struct maildir_state *state = &sync->state;

	state->valid = true;
	state->pending = 0;
	if (state->first_new_uid > sync->row->uid_next)
		state->first_new_uid = sync->row->uid_next;
	if (!sync->stable) {
		/* Zero is no directory's time: look again next time. */
		memset(&state->new_time, 0, sizeof(state->new_time));
		memset(&state->cur_time, 0, sizeof(state->cur_time));
		memset(&state->uidlist, 0, sizeof(state->uidlist));
		return;
	}
	state->new_time = sync->times.new_time;
	if (!sync->full)
		return;
	state->cur_time = sync->times.cur_time;
	state->own_changes = 0;
	state->cur_read = time(NULL);
}

/* It was lost, or is from a backup. If somebody else changes it just now, he
 * knows better. */
static int mend_keywords(struct sync *sync, struct err *err)
{
	if (maildir_readonly(sync->box) ||
	    keywords_write(sync->box, sync->txn, &sync->state, sync->locked,
			   err) == 0 ||
	    err->code == ERR_CHANGED)
		return 0;
	return -1;
}

static int apply_all(struct sync *sync, struct err *err)
{
	struct keywords_news news;
	int ret;

	if (keywords_read(sync->box, sync->txn, &sync->state, &news, err) < 0)
		return -1;
	/* It was read just now, to make the row. */
	ret = sync->created ? 1 : read_uidlist(sync, err);
	if (ret > 0)
		ret = check_records(sync, err);
	if (ret > 0)
		ret = find_missing(sync, err);
	/* It is from a backup, or damaged: the index must not be the only one
	 * that knows a UID. */
	if (ret > 0 && sync->unlisted && !maildir_readonly(sync->box))
		sync->rewrite = true;
	if (ret > 0)
		ret = sync_adopt(sync, err);
	if (ret > 0 && news.renamed && !sync->full)
		sync->stable = false;
	if (ret > 0 && (sync->letters & ~sync->state.letters) != 0 &&
	    keywords_name(sync->box, sync->txn, sync->letters, err) < 0)
		return -1;
	if (ret > 0 && news.lacking && mend_keywords(sync, err) < 0)
		return -1;
	return ret;
}

int sync_apply(struct sync *sync, struct err *err)
{
	int ret = apply_all(sync, err);

	if (ret == 0 && sync->reborn) {
		sync->box->id = 0;
		return index_box_delete(sync->txn, sync->row->id, err);
	}
	if (ret <= 0)
		return ret;
	remember(sync);
	if (sync->created)
		sync->row->first_recent_uid = sync->last_cur_uid + 1;
	state_put(sync->row, &sync->state);
	return index_box_put(sync->txn, sync->row, err) < 0 ? -1 : 1;
}
