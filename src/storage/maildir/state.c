/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/state.c - what the index remembers of the directories.
 *
 * A directory whose mtime is the remembered one is as we left it, and nobody
 * needs to read it. Two things could make that wrong:
 *
 * - Clock ticks. Before Linux 6.13 two changes within a tick (up to 10 ms) give
 *   the same mtime, and the second one would go unseen. From then on, ext4, xfs
 *   and btrfs give a fresh time to the first change after somebody looked, and
 *   we have looked; tmpfs does so, except when a file is removed. Where the
 *   mtime after our change is one that can be given again, we set it one
 *   nanosecond back: no change by others in this tick can give it that value.
 * - Somebody else's change between the look before our change and the one after
 *   it: witness.c sees that. Where it can't, such a change in new/ is found
 *   when the mails there are moved to cur/; in cur/, when its mail is touched,
 *   when the directory changes again, or at the latest some time after own
 *   changes: see cur_read_due().
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "index/bytes.h"
#include "storage/layout.h"
#include "storage/maildir/sync.h"

enum { STATE_VERSION = 1, MAGIC_TMPFS = 0x01021994 };

static unsigned char *put_time(unsigned char *at, struct file_time time)
{
	le64_put(at, (uint64_t)time.sec);
	le32_put(at + 8, time.nsec);
	return at + 12;
}

static const unsigned char *get_time(const unsigned char *at,
				     struct file_time *out)
{
	out->sec = (int64_t)le64_get(at);
	out->nsec = le32_get(at + 8);
	return at + 12;
}

static unsigned char *put_mark(unsigned char *at, const struct file_mark *mark)
{
	le64_put(at, mark->ino);
	le64_put(at + 8, mark->size);
	return put_time(at + 16, mark->mtime);
}

static const unsigned char *get_mark(const unsigned char *at,
				     struct file_mark *out)
{
	out->ino = le64_get(at);
	out->size = le64_get(at + 8);
	return get_time(at + 16, &out->mtime);
}

void state_get(const struct index_box *box, struct maildir_state *out)
{
	const unsigned char *at = box->driver;

	memset(out, 0, sizeof(*out));
	if (at[0] != STATE_VERSION)
		return;
	out->valid = true;
	out->pending = at[1];
	at = get_time(at + 2, &out->new_time);
	at = get_time(at, &out->cur_time);
	at = get_mark(at, &out->uidlist.file);
	at = get_mark(at, &out->keywords);
	out->uidlist.lines = le32_get(at);
	out->uidlist.last_uid = le32_get(at + 16);
	out->first_new_uid = le32_get(at + 4);
	out->own_changes = le32_get(at + 8);
	out->letters = le32_get(at + 12);
	out->cur_read = (int64_t)le64_get(at + 20);
}

void state_put(struct index_box *box, const struct maildir_state *state)
{
	unsigned char *at = box->driver;

	memset(at, 0, sizeof(box->driver));
	if (!state->valid)
		return;
	at[0] = STATE_VERSION;
	at[1] = state->pending;
	at = put_time(at + 2, state->new_time);
	at = put_time(at, state->cur_time);
	at = put_mark(at, &state->uidlist.file);
	at = put_mark(at, &state->keywords);
	le32_put(at, state->uidlist.lines);
	le32_put(at + 16, state->uidlist.last_uid);
	le32_put(at + 4, state->first_new_uid);
	le32_put(at + 8, state->own_changes);
	le32_put(at + 12, state->letters);
	le64_put(at + 20, (uint64_t)state->cur_read);
}

/* looking at files */

struct file_time file_time_of(const struct stat *st)
{
	return (struct file_time){.sec = st->st_mtim.tv_sec,
				  .nsec = (uint32_t)st->st_mtim.tv_nsec};
}

bool file_time_same(struct file_time a, struct file_time b)
{
	return a.sec == b.sec && a.nsec == b.nsec;
}

static int dir_stat(struct driver_box *box, const char *sub,
		    struct file_time *out, struct err *err)
{
	char path[4096];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/%s", box->path, sub) >=
	    (int)sizeof(path))
		return err_set(err, ERR_INVALID, "path is too long");
	if (lstat(path, &st) < 0)
		return err_sys(err, "stat(%s)", path);
	if (S_ISLNK(st.st_mode)) {
		if (layout_check_link(path, err) < 0)
			return -1;
		if (stat(path, &st) < 0)
			return err_sys(err, "stat(%s)", path);
	}
	*out = file_time_of(&st);
	return 0;
}

int dir_times_get(struct driver_box *box, struct dir_times *out,
		  struct err *err)
{
	if (dir_stat(box, "new", &out->new_time, err) < 0)
		return -1;
	return dir_stat(box, "cur", &out->cur_time, err);
}

int file_mark_get(const char *path, struct file_mark *out, struct err *err)
{
	struct stat st;

	memset(out, 0, sizeof(*out));
	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "stat(%s)", path);
	out->ino = st.st_ino;
	out->size = (uint64_t)st.st_size;
	out->mtime = file_time_of(&st);
	return 0;
}

bool file_mark_same(const struct file_mark *a, const struct file_mark *b)
{
	return a->ino == b->ino && a->size == b->size &&
	       file_time_same(a->mtime, b->mtime);
}

static bool coarse(struct driver_box *box)
{
	struct maildir_box *own = maildir_box_get(box);
	struct statfs fs;

	if (!own->coarse_known)
		own->coarse = statfs(box->path, &fs) == 0 &&
			      fs.f_type == MAGIC_TMPFS;
	own->coarse_known = true;
	return own->coarse;
}

bool dir_in_tick(struct driver_box *box, struct file_time time)
{
	struct timespec tick;

	clock_gettime(CLOCK_REALTIME_COARSE, &tick);
	if (tick.tv_sec == time.sec && (uint32_t)tick.tv_nsec == time.nsec)
		return true;
	return (time.sec > tick.tv_sec ||
		(time.sec == tick.tv_sec &&
		 time.nsec > (uint32_t)tick.tv_nsec)) &&
	       coarse(box);
}

/* own changes */

static int fd_time(struct driver_box *box, char dir, struct file_time *out,
		   struct err *err)
{
	int fd = maildir_dir_fd(box, dir, err);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat(%s)", box->path);
	*out = file_time_of(&st);
	return 0;
}

static int begin_dir(struct driver_box *box, char dir, unsigned bit,
		     struct file_time remembered, struct maildir_state *state,
		     struct err *err)
{
	struct file_time now;

	if (fd_time(box, dir, &now, err) < 0)
		return -1;
	state->pending |= bit;
	if (file_time_same(now, remembered))
		state->pending |= bit * PENDING_OK;
	return 0;
}

static int begin_cur(struct driver_box *box, struct maildir_state *state,
		     struct err *err)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/cur", box->path) >=
	    (int)sizeof(path))
		return err_set(err, ERR_INVALID, "path is too long");
	witness_begin(&maildir_box_get(box)->witness, path, box->coming);
	return begin_dir(box, 'c', PENDING_CUR, state->cur_time, state, err);
}

int batch_begin(struct driver_box *box, struct index_box *index_box,
		unsigned dirs, struct err *err)
{
	struct maildir_state state;

	/* Asked for each mail of a batch. */
	if (index_box->driver[0] == STATE_VERSION)
		dirs &= ~(unsigned)index_box->driver[1];
	if (dirs == 0)
		return 0;
	state_get(index_box, &state);
	if ((dirs & PENDING_NEW) != 0 &&
	    begin_dir(box, 'n', PENDING_NEW, state.new_time, &state, err) < 0)
		return -1;
	if ((dirs & PENDING_CUR) != 0 && begin_cur(box, &state, err) < 0)
		return -1;
	state_put(index_box, &state);
	return 0;
}

void batch_spoil(struct index_box *index_box, unsigned dirs)
{
	struct maildir_state state;

	state_get(index_box, &state);
	state.pending |= (uint8_t)dirs;
	state.pending &= (uint8_t)~(dirs * PENDING_OK);
	state_put(index_box, &state);
}

static struct file_time just_before(struct file_time time)
{
	if (time.nsec > 0)
		return (struct file_time){time.sec, time.nsec - 1};
	return (struct file_time){time.sec - 1, 999999999};
}

/* Whether `time` lies no more than a tick, of 1 ms at least, before `than`. */
static bool just_under(struct file_time time, struct file_time than)
{
	int64_t ns = than.sec - time.sec;

	if (ns < 0 || ns > 1)
		return false;
	ns = ns * 1000000000 + than.nsec - time.nsec;
	return ns > 0 && ns < 1000000;
}

/* The mtime that own changes left, made one that is ours alone, and another one
 * than *time, which is remembered: if this transaction never ends, its changes
 * must show. Zero, which is no directory's, where that cannot be done: it is
 * read again then. */
static int settle(struct driver_box *box, char dir, struct file_time *time,
		  struct err *err)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
	struct file_time old = *time;

	if (fd_time(box, dir, time, err) < 0)
		return -1;
	if (!dir_in_tick(box, *time))
		return 0;
	/* More than one transaction in one tick go back step by step. */
	*time = just_before(just_under(old, *time) ? old : *time);
	times[1].tv_sec = time->sec;
	times[1].tv_nsec = time->nsec;
	if (futimens(maildir_dir_fd(box, dir, err), times) == 0)
		return fd_time(box, dir, time, err);
	*time = (struct file_time){.sec = 0};
	return 0;
}

/* A directory has its new mtime while a rename is still going on, and inotify
 * tells of it at its end: to read the directory waits for that. What comes then
 * does not matter, and at its end (maildir_dir_fd()) it is nothing. */
static void wait_for_renames(struct driver_box *box)
{
	char entries[512];
	struct err err;
	int fd = maildir_dir_fd(box, 'c', &err);

	if (fd >= 0)
		(void)getdents64(fd, entries, sizeof(entries));
}

static int end_cur(struct driver_box *box, struct maildir_state *state,
		   uint32_t changes, struct err *err)
{
	struct file_time time = state->cur_time;

	if (settle(box, 'c', &time, err) < 0)
		return -1;
	wait_for_renames(box);
	switch (witness_end(&maildir_box_get(box)->witness)) {
	case WITNESS_ALONE:
		break;
	case WITNESS_OTHERS:
		time = (struct file_time){.sec = 0};
		break;
	case WITNESS_NONE:
		if (!file_time_same(time, state->cur_time) &&
		    state->own_changes < UINT32_MAX - changes)
			state->own_changes += changes;
		break;
	}
	state->cur_time = time;
	return 0;
}

static bool batch_ok(const struct maildir_state *state, unsigned dir)
{
	return (state->pending & dir * PENDING_OK) != 0;
}

int batch_end(struct driver_box *box, struct index_box *index_box,
	      uint32_t changes, struct err *err)
{
	const struct file_time none = {.sec = 0}; /* no directory's */
	struct maildir_state state;

	state_get(index_box, &state);
	if (state.pending == 0)
		return 0;
	if (batch_ok(&state, PENDING_NEW) &&
	    settle(box, 'n', &state.new_time, err) < 0)
		return -1;
	if (batch_ok(&state, PENDING_CUR) &&
	    end_cur(box, &state, changes, err) < 0)
		return -1;
	if ((state.pending & PENDING_NEW) != 0 &&
	    !batch_ok(&state, PENDING_NEW))
		state.new_time = none;
	if ((state.pending & PENDING_CUR) != 0 &&
	    !batch_ok(&state, PENDING_CUR))
		state.cur_time = none;
	state.pending = 0;
	state_put(index_box, &state);
	return 0;
}
