/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/adopt.c - mails that are new to the index.
 *
 * Order on disk before the index: lines for new UIDs are in the uidlist before
 * the transaction commits. If it does not, the next sync finds them there, and
 * no UID is given out twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/maildir/sync.h"
#include "storage/user.h"

enum {
	UIDLIST_SPARE = 1000,
	LINES_MAX = 1 << 30,
	DRIVER_MAX = SYNC_EXT_MAX + 1024,
	CHUNK = 5000, /* mails that one transaction adds */
	LINES_AT_ONCE = 1 << 20,
};

/* The time in front of a base name; files without one come first. */
static uint64_t time_of(const struct scan_entry *file)
{
	uint64_t time = 0;

	for (size_t i = 0; i < file->base_len; i++) {
		char c = file->name.data[i];

		if (c < '0' || c > '9' || time > UINT64_MAX / 100)
			break;
		time = time * 10 + (uint64_t)(c - '0');
	}
	return time;
}

/* Sorted by what stands here, for to look at the entries themselves costs a
 * cache miss each. */
struct place {
	uint64_t key; /* UID, or time */
	struct scan_entry *file;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return str_compare(x->file->name, y->file->name);
}

/* Those with a UID in its order, then the others by time and name. */
static void sort_new(struct scan_entry **list, size_t count)
{
	struct place *places = mem_array(NULL, struct place, count + 1);
	size_t listed = 0, others = count;

	for (size_t i = 0; i < count; i++) {
		struct scan_entry *file = list[i];

		if (file->uid != 0)
			places[listed++] = (struct place){file->uid, file};
		else
			places[--others] = (struct place){time_of(file), file};
	}
	qsort(places, listed, sizeof(*places), compare_places);
	qsort(places + listed, count - listed, sizeof(*places), compare_places);
	for (size_t i = 0; i < count; i++)
		list[i] = places[i].file;
	mem_free(places);
}

static struct scan_entry **collect_new(struct sync *sync, size_t *count_out)
{
	size_t count, found = 0;
	struct scan_entry *entries = scan_entries(sync->scan, &count);
	struct scan_entry **list =
		mem_array(sync->ctx, struct scan_entry *, count + 1);

	for (size_t i = 0; i < count; i++) {
		if (!entries[i].known)
			list[found++] = &entries[i];
		/* A UID that was expunged here, and is back: a new one. */
		if (entries[i].uid >= sync->row->uid_next)
			continue;
		sync->back |= entries[i].uid != 0 && !entries[i].known;
		entries[i].uid = 0;
	}
	*count_out = found;
	return list;
}

/* 0 if it is gone, or no file. One that was renamed since is looked for: see
 * find_missing(). */
static int stat_file(struct sync *sync, struct scan_entry *file,
		     struct stat *st, struct err *err)
{
	struct str base = str_n(file->name.data, file->base_len);

	for (int tries = 0; tries <= SYNC_FIND_TRIES; tries++) {
		int dir = maildir_dir_fd(sync->box, file->dir, err), ret;
		char *name;

		if (dir < 0)
			return -1;
		if (fstatat(dir, file->name.data, st, AT_SYMLINK_NOFOLLOW) == 0)
			return S_ISREG(st->st_mode);
		if (errno != ENOENT)
			return err_sys(err, "stat(%s)", file->name.data);
		sync->stable = false;
		ret = maildir_find(sync->ctx, sync->box, base, &file->dir,
				   &name, err);
		if (ret < 0)
			return -1;
		if (ret > 0)
			file->name = str_of(name);
	}
	return 0;
}

/* A name with both sizes spares a look at the file for now: it is what costs
 * most in a directory of many. */
static int fill_times(struct sync *sync, struct scan_entry *file,
		      const struct file_name *name, struct index_record *record,
		      struct err *err)
{
	struct stat st;
	int ret;

	record->size_physical = name->size;
	record->size_virtual = name->vsize;
	record->received = record->saved = INDEX_TIME_UNKNOWN;
	if (name->size != UINT64_MAX && name->vsize != UINT64_MAX &&
	    name->vsize >= name->size &&
	    !sync->box->location->settings->maildir_broken_filename_sizes)
		return 1;
	ret = stat_file(sync, file, &st, err);
	if (ret > 0)
		maildir_looked(sync->box, &st, record);
	return ret;
}

static int fill_record(struct sync *sync, struct scan_entry *file,
		       struct index_record *record, struct err *err)
{
	const struct str seen = file->name;
	struct file_name name;
	struct str psize = ext_field(file->ext, 'S');
	struct str vsize = ext_field(file->ext, 'W');
	int ret;

	file_name_parse(file->name, &name);
	if (psize.data != NULL && name.size == UINT64_MAX)
		str_to_u64(psize, &name.size);
	if (vsize.data != NULL && name.vsize == UINT64_MAX)
		str_to_u64(vsize, &name.vsize);
	memset(record, 0, sizeof(*record));
	ret = fill_times(sync, file, &name, record, err);
	if (ret <= 0)
		return ret;
	/* The flags of the name that it has by now: nobody would look at them
	 * again. */
	if (file->name.data != seen.data)
		file_name_parse(file->name, &name);
	sync->letters |= name.keywords;
	record->flags = name.flags;
	record->keywords.bits[0] = name.keywords;
	return 1;
}

/* 0 if its file is gone. */
static int append_one(struct sync *sync, struct scan_entry *file,
		      struct buf *driver, struct buf *lines,
		      uint32_t *line_count, struct err *err)
{
	struct index_record record;
	int ret = fill_record(sync, file, &record, err);
	char *room;
	bool seen;

	if (ret <= 0)
		return ret;
	buf_reset(driver);
	room = buf_space(driver, file->name.len + file->ext.len + 2);
	if (room == NULL)
		return err_set(err, ERR_LIMIT, "a file name is too long");
	record.driver = str_n(
		room, record_name_put(room, file->dir, file->name, file->ext));
	record.uid = file->uid;
	/* One in cur/ that had no UID before was not \Recent to anybody. */
	seen = file->dir == 'n' || record.uid != 0;
	if (record.uid == 0) {
		record.uid = sync->uid_next++;
		/* A new uidlist comes from the index. */
		if (!sync->rewrite)
			uidlist_line(lines, record.uid, file->ext,
				     str_n(file->name.data, file->base_len));
		(*line_count)++;
	}
	if (index_record_append(sync->txn, sync->row, &record, err) < 0)
		return -1;
	if (seen)
		sync_seen_in(sync, file->dir, record.uid);
	file->known = true;
	return 1;
}

static int append_new(struct sync *sync, struct scan_entry **list, size_t count,
		      struct buf *lines, uint32_t *line_count, struct err *err)
{
	CLEANUP(buf_free) struct buf driver = buf_init(DRIVER_MAX);

	for (size_t i = 0; i < count; i++) {
		int ret = append_one(sync, list[i], &driver, lines, line_count,
				     err);

		if (ret < 0)
			return -1;
		if (ret == 0)
			sync->stable = false;
	}
	return 0;
}

/* Commit what was added, and go on. What the directories hold is not yet known
 * to the row, so whoever comes in between looks for himself. 0: somebody did,
 * and added mails. */
static int next_chunk(struct sync *sync, struct err *err)
{
	uint32_t uid_next = sync->row->uid_next;

	memset(sync->row->driver, 0, sizeof(sync->row->driver));
	if (index_box_put(sync->txn, sync->row, err) < 0 ||
	    index_commit(&sync->txn, err) < 0 ||
	    index_begin(sync->box->index, INDEX_WRITE, &sync->txn, err) < 0)
		return -1;
	if (index_box_get(sync->txn, sync->row->id, sync->row, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	return sync->row->uid_next == uid_next;
}

/* A mailbox that is new to the index may have a million mails: they are added
 * in several transactions, for one keeps all that it changed in memory. */
static int append_listed(struct sync *sync, struct scan_entry **list,
			 size_t count, struct err *err)
{
	CLEANUP(buf_free) struct buf no_lines = buf_init(1);
	uint32_t line_count = 0;

	for (size_t at = 0; at < count && list[at]->uid != 0; at += CHUNK) {
		size_t end = at;
		int ret;

		while (end < count && end < at + CHUNK && list[end]->uid != 0)
			end++;
		if (append_new(sync, list + at, end - at, &no_lines,
			       &line_count, err) < 0)
			return -1;
		ret = next_chunk(sync, err);
		if (ret <= 0)
			return ret;
	}
	return 1;
}

static int write_uidlist(struct sync *sync, struct str lines,
			 uint32_t line_count, struct err *err)
{
	struct maildir_state *state = &sync->state;

	if (sync->rewrite ||
	    (sync->locked &&
	     state->uidlist.lines / 2 >
		     sync->row->counts.messages + UIDLIST_SPARE))
		return uidlist_rewrite(sync->box, sync->txn, sync->row, state,
				       err);
	if (lines.len == 0)
		return 0;
	return uidlist_append(sync->uidlist, lines, line_count,
			      sync->uid_next - 1,
			      !maildir_fsync_never(sync->box->location),
			      &state->uidlist, err);
}

static int put_lines(struct sync *sync, struct buf *lines, uint32_t count,
		     bool last, struct err *err)
{
	bool wait = last && !maildir_fsync_never(sync->box->location);
	struct str text = str_n(lines->data, lines->len);

	if (uidlist_append(sync->uidlist, text, count, sync->uid_next - 1, wait,
			   &sync->state.uidlist, err) < 0)
		return -1;
	buf_reset(lines);
	return 0;
}

/* Lines in the uidlist for so many mails that their records do not fit into one
 * transaction. */
static int list_many(struct sync *sync, struct scan_entry **list, size_t count,
		     struct err *err)
{
	CLEANUP(buf_free) struct buf lines = buf_init(2 * LINES_AT_ONCE);
	uint32_t line_count = 0;

	if (sync->rewrite && uidlist_rewrite(sync->box, sync->txn, sync->row,
					     &sync->state, err) < 0)
		return -1;
	sync->rewrite = false;
	for (size_t i = 0; i < count; i++) {
		struct scan_entry *file = list[i];

		if (file->uid != 0)
			continue;
		file->uid = sync->uid_next++;
		uidlist_line(&lines, file->uid, file->ext,
			     str_n(file->name.data, file->base_len));
		line_count++;
		if (lines.len < LINES_AT_ONCE)
			continue;
		if (put_lines(sync, &lines, line_count, false, err) < 0)
			return -1;
		line_count = 0;
	}
	return line_count == 0 ? 0
			       : put_lines(sync, &lines, line_count, true, err);
}

static bool wants_uids(struct scan_entry **list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i]->uid == 0)
			return true;
	}
	return false;
}

static int check_uids_left(struct sync *sync, struct scan_entry **list,
			   size_t count, struct err *err)
{
	size_t wanted = 0;

	for (size_t i = 0; i < count; i++)
		wanted += list[i]->uid == 0;
	if (sync->uid_next < sync->row->uid_next)
		sync->uid_next = sync->row->uid_next;
	if (wanted > 0 && sync->uid_next > UINT32_MAX - wanted - 1)
		return err_set(err, ERR_LIMIT, "no UIDs are left");
	return 0;
}

/* More than one transaction takes: they get their UIDs first. The lock goes
 * before the transaction does: others take it within theirs. 0 as
 * next_chunk(). */
static int bring_in_many(struct sync *sync, struct scan_entry **list,
			 size_t count, struct err *err)
{
	sort_new(list, count);
	if (sync->locked) {
		if (check_uids_left(sync, list, count, err) < 0 ||
		    list_many(sync, list, count, err) < 0)
			return -1;
		dotlock_release(sync->uidlist);
		sync->locked = false;
	}
	return append_listed(sync, list, count, err);
}

/* What has no UID yet, as a list of its own; the lock is taken if there is
 * such. */
static int collect_locked(struct sync *sync, struct scan_entry ***list,
			  size_t *count, struct err *err)
{
	int ret;

	if (!wants_uids(*list, *count) && !sync->rewrite)
		return 1;
	ret = sync_lock(sync, err);
	if (ret <= 0)
		return ret;
	mem_free(*list);
	*list = collect_new(sync, count);
	return 1;
}

int sync_adopt(struct sync *sync, struct err *err)
{
	CLEANUP(buf_free) struct buf lines = buf_init(LINES_MAX);
	struct scan_entry **list;
	uint32_t line_count = 0;
	size_t count;
	int ret;

	list = collect_new(sync, &count);
	if (sync->back && index_box_whole(sync->txn, sync->row->id, err) < 0)
		return -1;
	ret = collect_locked(sync, &list, &count, err);
	if (ret > 0 && sync->owns_txn && count > CHUNK) {
		ret = bring_in_many(sync, list, count, err);
		mem_free(list);
		list = collect_new(sync, &count);
	}
	if (ret <= 0)
		return ret;
	sort_new(list, count);
	if (check_uids_left(sync, list, count, err) < 0)
		return -1;
	if (append_new(sync, list, count, &lines, &line_count, err) < 0)
		return -1;
	/* UIDs that others gave out and took back are not given out again. */
	if (sync->row->uid_next < sync->uid_next)
		sync->row->uid_next = sync->uid_next;
	if (index_box_put(sync->txn, sync->row, err) < 0 ||
	    write_uidlist(sync, str_n(lines.data, lines.len), line_count, err) <
		    0)
		return -1;
	return 1;
}
