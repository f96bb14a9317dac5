/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/lock.c - the locks of mbox_read_locks and mbox_write_locks, in
 * their order.
 *
 * fcntl locks are those of the open file (F_OFD_SETLK): they exclude those that
 * other programs take by process, and two sessions of one process as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "storage/dotlock.h"
#include "storage/layout.h"
#include "storage/mbox/mbox.h"
#include "storage/user.h"

enum {
	RELEASE_TRIES = 100,
	STEP_MIN_US = 200,
	STEP_MAX_US = 20 * 1000,
	STEP_SHARE = 32
};

static int set_fcntl(int fd, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &lock);
}

static int try_lock(int fd, bool flock_kind, enum mbox_lock_kind kind)
{
	if (flock_kind)
		return flock(fd, (kind == MBOX_WRITE ? LOCK_EX : LOCK_SH) |
					 LOCK_NB);
	return set_fcntl(fd, kind == MBOX_WRITE ? F_WRLCK : F_RDLCK);
}

static int lock_fd(const struct mbox_lock *lock, bool flock_kind,
		   enum mbox_lock_kind kind, struct err *err)
{
	if (try_lock(lock->fd, flock_kind, kind) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES && errno != EINTR &&
	    errno != EWOULDBLOCK) {
		/* It could be opened for reading only. */
		if (errno == EBADF)
			errno = EACCES;
		return err_sys(err, "lock(%s)", lock->path);
	}
	return err_set(err, ERR_IN_USE, "Timeout while waiting for lock of %s",
		       lock->path);
}

static uint64_t timeout_of(const struct location *location)
{
	uint64_t wait = location->settings->mbox_lock_timeout.ms;
	uint64_t max = location->settings->mail_max_lock_timeout.ms;

	return max != 0 && wait > max ? max : wait;
}

static int lock_dot(struct mbox_lock *lock, bool optional, struct err *err)
{
	const struct dotlock_rules rules = {
		.mode = 0600,
		.stale_seconds =
			(unsigned)(lock->location->settings
					   ->mbox_dotlock_change_timeout.ms /
				   1000),
		.watch = true,
		.group = true,
	};

	if (lock->dotlock)
		return 0;
	lock->dotlock = dotlock_try(lock->path, &rules, err) == 0;
	if (lock->dotlock ||
	    (optional && (err->code == ERR_DENIED ||
			  err->code == ERR_NO_SPACE || err->code == ERR_QUOTA)))
		return 0;
	if (err->code == ERR_EXISTS)
		return err_set(err, ERR_IN_USE,
			       "Timeout while waiting for lock %s.lock",
			       lock->path);
	return -1;
}

/* One kind of the list. */
static int lock_one(struct mbox_lock *lock, struct str name,
		    enum mbox_lock_kind kind, struct err *err)
{
	if (str_is(name, "dotlock") || str_is(name, "dotlock_try"))
		return lock_dot(lock, str_is(name, "dotlock_try"), err);
	if (str_is(name, "fcntl") || str_is(name, "lockf")) {
		lock->fcntl = true;
		return lock_fd(lock, false, kind, err);
	}
	if (str_is(name, "flock")) {
		lock->flock = true;
		return lock_fd(lock, true, kind, err);
	}
	return err_set(err, ERR_INVALID, "%s: Invalid value %.*s",
		       kind == MBOX_WRITE ? "mbox_write_locks"
					  : "mbox_read_locks",
		       STR_FMT(name));
}

/* What mbox_hold() took in this process: a command writes two files at most. */
static struct mbox_lock held[2] = {{.fd = -1}, {.fd = -1}};

static bool is_held(int fd)
{
	struct stat st, other;

	for (size_t i = 0; i < 2; i++) {
		if (held[i].fd >= 0 && fstat(fd, &st) == 0 &&
		    fstat(held[i].fd, &other) == 0 &&
		    st.st_ino == other.st_ino && st.st_dev == other.st_dev)
			return true;
	}
	return false;
}

int mbox_lock_now(struct driver_box *box, int fd, enum mbox_lock_kind kind,
		  struct mbox_lock *out, struct err *err)
{
	const struct mail_settings *settings = box->location->settings;
	struct str rest =
		str_of(kind == MBOX_WRITE ? settings->mbox_write_locks
					  : settings->mbox_read_locks);
	struct str name;

	*out = (struct mbox_lock){.fd = -1};
	if (is_held(fd))
		return 0;
	*out = (struct mbox_lock){
		.fd = fd, .path = box->path, .location = box->location};
	while (str_word(&rest, &name)) {
		if (lock_one(out, name, kind, err) < 0) {
			mbox_unlock(out);
			return -1;
		}
	}
	return 0;
}

/* For as long as a part of what was waited so far: in a crowd, those who try
 * every few milliseconds leave nothing for who waits longer between. */
static void wait_a_while(uint64_t waited_ms)
{
	uint64_t us = waited_ms * 1000 / STEP_SHARE;

	if (us < STEP_MIN_US)
		us = STEP_MIN_US;
	usleep(us < STEP_MAX_US ? (useconds_t)us : STEP_MAX_US);
}

/* Nothing is held while waiting: others may take them in another order. */
int mbox_lock(struct driver_box *box, int fd, enum mbox_lock_kind kind,
	      struct mbox_lock *out, struct err *err)
{
	uint64_t start = clock_monotonic_ms(), waited;
	uint64_t timeout = timeout_of(box->location);

	while (mbox_lock_now(box, fd, kind, out, err) < 0) {
		waited = clock_monotonic_ms() - start;
		if (err->code != ERR_IN_USE || waited >= timeout)
			return -1;
		wait_a_while(waited);
	}
	return 0;
}

/* The name that the locked file has now; NULL if that is not to be had. */
static char *name_now(const void *ctx, const struct mbox_lock *lock)
{
	char link[64], now[LAYOUT_PATH_MAX];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", lock->fd);
	len = readlink(link, now, sizeof(now) - 1);
	if (len <= 0 || now[0] != '/')
		return NULL;
	now[len] = '\0';
	return mem_printf(ctx, "%s%s", path_parent(ctx, now),
			  strrchr(lock->path, '/'));
}

/* A directory above may have another name by now, and the lock went with it:
 * it is where the open file is, and would stop others until it is stale. While
 * we look for it, it may go on. */
static void release_dotlock(const struct mbox_lock *lock)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;
	const char *path = lock->path;

	if (dotlock_release(path))
		return;
	ctx = mem_ctx(NULL, "dotlock");
	/* Or somebody broke it. */
	for (int i = 0; i < RELEASE_TRIES; i++) {
		path = name_now(ctx, lock);
		if (path == NULL || dotlock_release(path))
			return;
	}
}

void mbox_unlock(struct mbox_lock *lock)
{
	if (lock->fd < 0)
		return;
	if (lock->fcntl)
		set_fcntl(lock->fd, F_UNLCK);
	if (lock->flock)
		flock(lock->fd, LOCK_UN);
	if (lock->dotlock)
		release_dotlock(lock);
	lock->fd = -1;
	lock->dotlock = lock->fcntl = lock->flock = false;
	lock->box = NULL;
}

/* 0 if another file has its name now. */
static int hold(struct driver_box *box, struct mbox_lock *lock, struct err *err)
{
	struct mbox_box *own;
	struct stat st;

	if (mbox_file(box, &own, &st, err) < 0 ||
	    mbox_lock(box, own->fd, MBOX_WRITE, lock, err) < 0)
		return -1;
	lock->box = box;
	if (stat(box->path, &st) == 0 && st.st_ino == own->ino)
		return 1;
	mbox_unlock(lock);
	return 0;
}

enum { TRIES = 4 };

int mbox_hold(struct driver_box *box, bool flags, struct err *err)
{
	struct mbox_lock *lock = &held[held[0].fd < 0 ? 0 : 1];
	int ret = 0;

	if (flags && !mbox_writes_now(box->location))
		return 0;
	for (int i = 0; ret == 0 && i < TRIES; i++)
		ret = hold(box, lock, err);
	if (ret == 0)
		return err_set(err, ERR_IN_USE, "%s was replaced", box->path);
	return ret < 0 ? -1 : 0;
}

void mbox_unhold(struct driver_box *box)
{
	for (size_t i = 0; i < 2; i++) {
		if (held[i].box == box)
			mbox_unlock(&held[i]);
	}
}
