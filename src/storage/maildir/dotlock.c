/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/dotlock.c - PATH.lock as Dovecot makes it: created
 * exclusively, with "pid:host" in it. A lock whose process is gone, or that
 * nobody touched for long, is broken.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "storage/layout.h"
#include "storage/maildir/maildir.h"

enum {
	WAIT_MS = 60 * 1000,
	STALE_SECONDS = 120,
	/* Who makes a lock writes into it at once, or was killed. */
	EMPTY_SECONDS = 3,
	STEP_MIN_US = 500,
	STEP_MAX_US = 50 * 1000,
};

/* By /proc, for the sandbox has no kill(). Where that does not show others'
 * processes (hidepid, a chroot), it does not show process 1 either. */
static bool process_is_gone(uint32_t pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%u", pid);
	return stat("/proc/1", &st) == 0 && stat(path, &st) < 0 &&
	       errno == ENOENT;
}

/* Whether the lock's process was on this host and is no more. */
static bool owner_is_dead(int fd, time_t age)
{
	char text[256];
	ssize_t len = read(fd, text, sizeof(text));
	struct str rest, pid;
	uint32_t number;

	if (len == 0)
		return age >= EMPTY_SECONDS;
	if (len < 0)
		return false;
	rest = str_n(text, (size_t)len);
	if (!str_split(&rest, ':', &pid) || !str_to_u32(pid, &number) ||
	    number == 0 || rest.data == NULL || !str_is(rest, maildir_host()))
		return false;
	return process_is_gone(number);
}

static void break_if_stale(const char *lock)
{
	CLEANUP(fd_close)
	int fd = open(lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat open_st, now_st;
	time_t age;

	if (fd < 0 || fstat(fd, &open_st) < 0)
		return;
	age = time(NULL) - open_st.st_mtime;
	if (!owner_is_dead(fd, age) && age < STALE_SECONDS)
		return;
	/* Not the lock of somebody who came in between. */
	if (lstat(lock, &now_st) < 0 || now_st.st_ino != open_st.st_ino)
		return;
	log_warning("Breaking stale lock %s", lock);
	unlink(lock);
}

static int lock_create(const char *lock, mode_t mode, struct err *err)
{
	CLEANUP(fd_close)
	int fd = open(lock, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	char text[160];
	int len;

	if (fd < 0)
		return err_sys(err, "open(%s)", lock);
	len = snprintf(text, sizeof(text), "%d:%s", (int)getpid(),
		       maildir_host());
	if (write(fd, text, (size_t)len) != len) {
		err_sys(err, "write(%s)", lock);
		unlink(lock);
		return -1;
	}
	return 0;
}

int dotlock_get(const char *path, mode_t mode, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "dotlock");
	char *lock = mem_printf(ctx, "%s.lock", path);
	uint64_t end = clock_monotonic_ms() + WAIT_MS;
	unsigned step = STEP_MIN_US;

	for (;;) {
		if (lock_create(lock, mode, err) == 0)
			return 0;
		if (err->code != ERR_EXISTS)
			return -1;
		break_if_stale(lock);
		if (clock_monotonic_ms() >= end)
			return err_set(err, ERR_IN_USE,
				       "%s is held by another process", lock);
		usleep(step);
		if (step < STEP_MAX_US)
			step *= 2;
	}
}

void dotlock_release(const char *path)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "dotlock");

	unlink(mem_printf(ctx, "%s.lock", path));
}

int maildir_lock(const struct driver_box *box, const char *path,
		 struct err *err)
{
	const struct location *location = box->location;
	struct stat st;

	if (dotlock_get(path, location->file_mode, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND || strcmp(box->control, box->path) == 0)
		return -1;
	if (stat(box->path, &st) < 0)
		return err_sys(err, "stat(%s)", box->path);
	if (layout_make_path(location, box->control, err) < 0)
		return -1;
	return dotlock_get(path, location->file_mode, err);
}
