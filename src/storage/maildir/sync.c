/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/sync.c - whether there is anything to see, and looking.
 *
 * Two stat() calls say that nothing changed, a third one when the mailbox is
 * opened. If only new/ did (a delivery by others), only new/ is read; a change
 * of cur/ or of the uidlist by others means reading it all. The directories are
 * read before the index is locked.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/dotlock.h"
#include "storage/layout.h"
#include "storage/maildir/layout.h"
#include "storage/maildir/sync.h"
#include "storage/user.h"

enum {
	TRIES = 3,
	RESERVE_FROM = 10000, /* mails */
	RECORD_COST = 250,    /* octets of the index for one */
	CUR_READ_AGE = 3600,
	MOVES_MAX = 20000,
	TMP_AGE = 36 * 3600,
	TICK_WAITS = 40,
	TICK_WAIT_US = 500,
};

bool maildir_fsync_never(const struct location *location)
{
	return strcmp(location->settings->mail_fsync, "never") == 0;
}

bool maildir_fsync_always(const struct location *location)
{
	return strcmp(location->settings->mail_fsync, "always") == 0;
}

/* what the index remembers */

static const char *const dir_names[MAILDIR_DIRS] = {"new", "cur", "tmp"};

static void own_fds_close(struct maildir_box *own)
{
	for (int i = 0; i < MAILDIR_DIRS; i++)
		fd_close(&own->dir_fds[i]);
}

static int own_destroy(struct maildir_box *own)
{
	own_fds_close(own);
	witness_drop(&own->witness);
	return 0;
}

struct maildir_box *maildir_box_get(struct driver_box *box)
{
	struct maildir_box *own = box->driver;

	if (own != NULL)
		return own;
	own = mem_new(box, struct maildir_box);
	for (int i = 0; i < MAILDIR_DIRS; i++)
		own->dir_fds[i] = -1;
	talloc_set_destructor(own, own_destroy);
	box->driver = own;
	return own;
}

int maildir_dir_fd(struct driver_box *box, char dir, struct err *err)
{
	int which = dir == 'c' ? DIR_CUR : dir == 'n' ? DIR_NEW : DIR_TMP;
	int *fd = &maildir_box_get(box)->dir_fds[which];
	char path[4096];

	if (*fd >= 0)
		return *fd;
	if (snprintf(path, sizeof(path), "%s/%s", box->path,
		     dir_names[which]) >= (int)sizeof(path))
		return err_set(err, ERR_INVALID, "path is too long");
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return err_sys(err, "open(%s)", path);
	/* Nobody reads it here, see wait_for_renames(). */
	if (which == DIR_CUR)
		(void)lseek(*fd, 0, SEEK_END);
	return *fd;
}

int maildir_dir_fsync(struct driver_box *box, char dir, struct err *err)
{
	int fd = maildir_dir_fd(box, dir, err);

	if (fd < 0)
		return -1;
	return fdatasync(fd) == 0 ? 0
				  : err_sys(err, "fdatasync(%s)", box->path);
}

void maildir_dirs_forget(struct driver_box *box)
{
	own_fds_close(maildir_box_get(box));
	maildir_box_get(box)->astray = true;
}

/* It is another mailbox than the one of `id`: so are its directories. */
static void forget_others(struct driver_box *box, uint32_t id)
{
	if (id != 0 && box->id != id)
		own_fds_close(maildir_box_get(box));
}

static int row_get(struct driver_box *box, struct index_txn *txn,
		   struct index_box *out, struct err *err)
{
	uint32_t id = box->id;
	int ret = driver_row(box, txn, out, err);

	forget_others(box, id);
	return ret;
}

static int look(struct driver_box *box, struct maildir_box *own,
		struct err *err)
{
	uint32_t id = box->id;
	struct index_box row;
	int ret = driver_look(box, &own->known, &row, err);

	forget_others(box, id);
	if (ret == 0)
		return 0;
	witness_drain(&own->witness);
	memset(&own->state, 0, sizeof(own->state));
	if (ret < 0 || !own->known.cached)
		return ret < 0 ? -1 : 0;
	state_get(&row, &own->state);
	own->uid_next = row.uid_next;
	own->messages = row.counts.messages;
	return 0;
}

/* reading the directories */

static bool same_times(const struct dir_times *a, const struct dir_times *b)
{
	return file_time_same(a->new_time, b->new_time) &&
	       file_time_same(a->cur_time, b->cur_time);
}

static bool in_tick(struct sync *sync)
{
	return dir_in_tick(sync->box, sync->times.new_time) ||
	       dir_in_tick(sync->box, sync->times.cur_time);
}

/* A change in this very tick of the clock could still come, and give the same
 * time (see state.c): wait for the next tick, which is due within 10 ms. */
static int settle_times(struct sync *sync, bool *settled, struct err *err)
{
	for (int i = 0; i < TICK_WAITS && in_tick(sync); i++) {
		usleep(TICK_WAIT_US);
		if (dir_times_get(sync->box, &sync->times, err) < 0)
			return -1;
	}
	*settled = !in_tick(sync);
	return 0;
}

/* After a look at the times. */
static int scan_stable(struct sync *sync, struct err *err)
{
	struct dir_times after;

	/* They changed: they may be others, too. */
	own_fds_close(maildir_box_get(sync->box));
	for (int i = 0; i < TRIES; i++) {
		bool settled;

		mem_free(sync->scan);
		sync->scan = NULL;
		if (settle_times(sync, &settled, err) < 0 ||
		    scan_read(sync->ctx, sync->box, sync->full, &sync->scan,
			      err) < 0 ||
		    dir_times_get(sync->box, &after, err) < 0)
			return -1;
		sync->stable = settled && same_times(&sync->times, &after);
		if (sync->stable)
			break;
		sync->times = after;
	}
	return 0;
}

static int scan_before(struct sync *sync, struct err *err)
{
	size_t count;

	if (scan_stable(sync, err) < 0)
		return -1;
	scan_entries(sync->scan, &count);
	if (count > RESERVE_FROM)
		index_reserve(sync->box->index, (uint64_t)count * RECORD_COST);
	return 0;
}

/* Another process of ours may have changed the directories before we got the
 * lock, and brought that in; or there is more to be read than it seemed. */
static int scan_again(struct sync *sync, bool wider, struct err *err)
{
	const struct dir_times before = sync->times;

	sync->full |= wider;
	if (dir_times_get(sync->box, &sync->times, err) < 0)
		return -1;
	if (!wider && sync->stable && same_times(&sync->times, &before))
		return 0;
	return scan_stable(sync, err);
}

/* new/ to cur/ */

/* Returns 1 if it was moved, 0 if it is not there any more. */
static int move_one(struct sync *sync, struct index_record *record,
		    const struct record_name *name, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "move");
	int from_fd = maildir_dir_fd(sync->box, 'n', err);
	int to_fd = maildir_dir_fd(sync->box, 'c', err);
	char *from = str_dup(ctx, name->name), *to = from;

	if (from_fd < 0 || to_fd < 0)
		return -1;
	if (str_find_char(name->name, ':') < 0)
		to = mem_printf(ctx, "%s:2,", from);
	if (renameat(from_fd, from, to_fd, to) < 0)
		return errno == ENOENT ? 0
				       : err_sys(err, "rename(%s/cur/%s)",
						 sync->box->path, to);
	witness_own(&maildir_box_get(sync->box)->witness, 1);
	record->driver = record_name_make(ctx, 'c', str_of(to), name->ext);
	return index_record_put(sync->txn, sync->row, record, err) < 0 ? -1 : 1;
}

static int move_all(struct sync *sync, uint32_t *uid, uint32_t *moved,
		    bool *lost, struct err *err)
{
	struct index_record record;

	while (*moved < MOVES_MAX &&
	       index_record_next(sync->txn, sync->row->id, *uid, &record)) {
		struct record_name name;
		int ret;

		*uid = record.uid + 1;
		if (!record_name_get(record.driver, &name) || name.dir != 'n')
			continue;
		ret = move_one(sync, &record, &name, err);
		if (ret < 0)
			return -1;
		if (ret == 0)
			*lost = true;
		(*moved)++;
	}
	return index_check(sync->txn, err);
}

/* Whether new/ is empty, as it should be now. What came in while we moved the
 * others must not be taken for seen. */
static bool new_is_empty(struct sync *sync)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "empty");
	char *path = mem_printf(ctx, "%s/new", sync->box->path);
	CLEANUP(dir_close) DIR *dir = opendir(path);
	struct dirent *entry;

	if (dir == NULL)
		return false;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			return false;
	}
	return true;
}

static int move_new(struct sync *sync, struct err *err)
{
	uint32_t uid, moved = 0;
	bool lost = false;

	state_get(sync->row, &sync->state);
	uid = sync->state.first_new_uid;
	if (uid >= sync->row->uid_next)
		return 0;
	if (batch_begin(sync->box, sync->row, PENDING_BOTH, err) < 0 ||
	    move_all(sync, &uid, &moved, &lost, err) < 0)
		return -1;
	if (lost || !new_is_empty(sync))
		batch_spoil(sync->row, PENDING_NEW);
	if (batch_end(sync->box, sync->row, moved, err) < 0)
		return -1;
	state_get(sync->row, &sync->state);
	if (!lost)
		sync->state.first_new_uid =
			moved < MOVES_MAX ? sync->row->uid_next : uid;
	state_put(sync->row, &sync->state);
	return index_box_put(sync->txn, sync->row, err);
}

/* one update */

struct news {
	bool new, cur; /* to be read */
	struct dir_times times;
};

static int update_within(struct sync *sync, struct err *err)
{
	int ret = row_get(sync->box, sync->txn, sync->row, err);
	bool there = ret == 0;

	if (!there && err->code != ERR_NOT_FOUND)
		return -1;
	if (there)
		state_get(sync->row, &sync->state);
	if (scan_again(sync, !sync->state.valid && !sync->full, err) < 0 ||
	    (!there && sync_create_row(sync, err) < 0))
		return -1;
	ret = sync_apply(sync, err);
	if (ret <= 0)
		return ret;
	if (sync->box->take_recent && !maildir_readonly(sync->box) &&
	    move_new(sync, err) < 0)
		return -1;
	return 1;
}

int maildir_wait(struct driver_box *box, bool flags, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "wait");

	if (flags)
		return 0;
	return dotlock_wait(uidlist_path(ctx, box),
			    box->location->settings->mail_max_lock_timeout.ms,
			    err);
}

/* 1: done; 0: again, and all of it. */
static int update(struct driver_box *box, const struct news *news,
		  struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "sync");
	struct index_box row;
	struct sync sync = {
		.ctx = ctx,
		.box = box,
		.row = &row,
		.full = news->cur,
		.times = news->times,
		.owns_txn = true,
		.uidlist = uidlist_path(ctx, box),
	};
	int ret;

	if (maildir_wait(box, false, err) < 0 || scan_before(&sync, err) < 0)
		return -1;
	if (index_begin(box->index, INDEX_WRITE, &sync.txn, err) < 0)
		return -1;
	ret = update_within(&sync, err);
	/* After 0 with a row there is nothing to keep; without one the old row
	 * must go. */
	if (ret > 0 || (ret == 0 && box->id == 0)) {
		if (index_commit(&sync.txn, err) < 0)
			ret = -1;
	}
	index_rollback(&sync.txn);
	if (sync.locked)
		dotlock_release(sync.uidlist);
	if (ret < 0 && sync.created)
		box->id = 0;
	return ret;
}

int sync_within(struct driver_box *box, struct index_txn *txn,
		struct index_box *index_box, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "sync");
	struct sync sync = {
		.ctx = ctx,
		.box = box,
		.txn = txn,
		.row = index_box,
		.full = true,
		.locked = true,
		.uidlist = uidlist_path(ctx, box),
	};
	int ret;

	state_get(index_box, &sync.state);
	if (dir_times_get(box, &sync.times, err) < 0 ||
	    scan_stable(&sync, err) < 0)
		return -1;
	ret = sync_apply(&sync, err);
	if (ret == 0)
		return err_set(err, ERR_TEMPORARY,
			       "%s: another mailbox took its place", box->path);
	return ret < 0 ? -1 : 0;
}

/* tmp/ */

/* Remove what was left there 36 hours ago or more, once in a while: the
 * directory's atime says when it was last looked through. */
static void clean_tmp(struct driver_box *box, uint64_t interval)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "tmp");
	char *path = mem_printf(ctx, "%s/tmp", box->path);
	CLEANUP(dir_close) DIR *dir = NULL;
	struct timespec times[2] = {{.tv_nsec = UTIME_NOW},
				    {.tv_nsec = UTIME_OMIT}};
	time_t now = time(NULL);
	struct dirent *entry;
	struct stat st;
	struct err err;

	if (layout_check_link(path, &err) <= 0 || stat(path, &st) < 0 ||
	    st.st_atime > st.st_ctime + TMP_AGE ||
	    st.st_atime >= now - (time_t)interval)
		return;
	dir = opendir(path);
	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    fstatat(dirfd(dir), entry->d_name, &st,
			    AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode) && st.st_mtime < now - TMP_AGE &&
		    st.st_ctime < now - TMP_AGE)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	futimens(dirfd(dir), times);
}

/* whether there is anything to do */

/* Whether cur/ is to be read because changes of others may have hidden behind
 * our own ones (state.c). That costs what the mailbox has mails, so the more it
 * has, the rarer it is: an hour, or a tenth of a second for each mail. */
static bool cur_read_due(const struct location *location,
			 const struct maildir_state *state, uint32_t messages)
{
	int64_t age = time(NULL) - state->cur_read;

	if (state->own_changes == 0 ||
	    location->settings->maildir_very_dirty_syncs)
		return false;
	return age < 0 || (age >= CUR_READ_AGE && age >= messages / 10);
}

/* Missing new/, cur/ or tmp/ of a mailbox that is there are made. */
static int times_or_dirs(struct driver_box *box, struct dir_times *out,
			 struct err *err)
{
	struct stat st;

	if (dir_times_get(box, out, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND)
		return -1;
	/* Layout fs and the root: a directory alone is no mailbox. */
	if (maildir_exists(box->location, box->name, err) < 0)
		return -1;
	if (stat(box->path, &st) < 0)
		return err_sys(err, "stat(%s)", box->path);
	if (maildir_make_dirs(box->location, rights_of_box(box), box->path,
			      err) < 0)
		return -1;
	return dir_times_get(box, out, err);
}

static bool dir_unchanged(int root, struct buf *path, const char *sub,
			  struct file_time remembered)
{
	size_t len = path->len;
	struct stat st;
	bool same;

	if (len > 0)
		buf_putc(path, '/');
	buf_add(path, sub);
	same = !path->overflow && fstatat(root, path->data, &st, 0) == 0 &&
	       file_time_same(file_time_of(&st), remembered);
	buf_truncate(path, len);
	return same;
}

/* What see_news() asks, of a mailbox that nobody has open. */
bool maildir_unchanged(const struct location *location, int root,
		       const char *name, const struct index_box *row)
{
	CLEANUP(buf_free) struct buf path = buf_init(LAYOUT_PATH_MAX);
	struct maildir_box own = {.messages = row->counts.messages};

	state_get(row, &own.state);
	if (!own.state.valid || own.state.pending != 0 ||
	    cur_read_due(location, &own.state, own.messages) ||
	    (location->settings->maildir_empty_new &&
	     own.state.first_new_uid < row->uid_next))
		return false;
	return maildir_relative_path(location, name, &path) &&
	       dir_unchanged(root, &path, "new", own.state.new_time) &&
	       dir_unchanged(root, &path, "cur", own.state.cur_time);
}

/* Whether the uidlist is not the one that the index knows: a tool of Dovecot's
 * may change it alone, or an administrator puts one there from a backup. To ask
 * once, when a mailbox is opened, is often enough. */
static bool uidlist_is_another(struct driver_box *box,
			       const struct maildir_box *own)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;
	struct file_mark mark;
	struct err err;

	if (own->uidlist_checked)
		return false;
	ctx = mem_ctx(NULL, "uidlist");
	return file_mark_get(uidlist_path(ctx, box), &mark, &err) == 0 &&
	       mark.ino != 0 &&
	       !file_mark_same(&mark, &own->state.uidlist.file);
}

static int see_news(struct driver_box *box, bool full, struct news *out,
		    struct err *err)
{
	struct maildir_box *own = maildir_box_get(box);
	const struct maildir_state *state = &own->state;
	const struct dir_times *now = &out->times;
	bool move;

	if (look(box, own, err) < 0 || times_or_dirs(box, &out->times, err) < 0)
		return -1;
	out->cur = full || !own->known.cached || !state->valid || own->astray ||
		   state->pending != 0 ||
		   !file_time_same(now->cur_time, state->cur_time) ||
		   uidlist_is_another(box, own) ||
		   cur_read_due(box->location, state, own->messages);
	move = box->take_recent && own->known.cached &&
	       state->first_new_uid < own->uid_next;
	/* All that is in new/ will be moved: to read it costs little more, and
	 * finds what state.c says may go unseen. */
	out->new = out->cur || move ||
		   !file_time_same(now->new_time, state->new_time);
	return 0;
}

/* What looks like news may be the work of another process of ours that has not
 * told the index yet: a session in IDLE wakes up when a file is renamed. To
 * wait until it has costs less than to read the directory. */
static int wait_for_writer(struct driver_box *box, struct err *err)
{
	struct index_txn *txn;

	if (index_begin(box->index, INDEX_WRITE, &txn, err) < 0)
		return -1;
	index_rollback(&txn);
	return 0;
}

static int sync_once(struct driver_box *box, bool *full, struct err *err)
{
	struct maildir_box *own = maildir_box_get(box);
	struct news news;

	if (see_news(box, *full, &news, err) < 0)
		return -1;
	/* Not for STATUS and deliveries: opening the mailbox is often enough.
	 */
	if (!own->tmp_checked && box->take_recent) {
		own->tmp_checked = true;
		clean_tmp(box,
			  box->location->settings->mail_temp_scan_interval.ms /
				  1000);
	}
	if (news.cur && !*full && own->known.cached &&
	    (wait_for_writer(box, err) < 0 ||
	     see_news(box, false, &news, err) < 0))
		return -1;
	own->uidlist_checked = true;
	if (!news.new)
		return 1;
	/* The next round, if this one says that it must look at all. */
	*full = true;
	own->astray &= !news.cur;
	return update(box, &news, err);
}

int maildir_sync(struct driver_box *box, bool full, struct err *err)
{
	for (int i = 0; i < 2 * TRIES; i++) {
		int ret = sync_once(box, &full, err);

		if (ret > 0)
			return 0;
		if (ret < 0 && err->code != ERR_CORRUPT)
			return -1;
		if (ret < 0)
			box->id = 0;
	}
	return err_set(err, ERR_TEMPORARY, "%s changes too fast", box->path);
}
