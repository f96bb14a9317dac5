/* SPDX-License-Identifier: MIT */
#include "storage/dotlock.h"

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
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "service/privs.h"

enum {
	TEXT_MAX = 320,
	WAIT_MS = 60 * 1000,
	STALE_SECONDS = 120,
	/* Who makes a lock writes into it at once, or was killed. */
	EMPTY_SECONDS = 3,
	/* Who works has it for less; who has it longer may be stopped. */
	WORK_SECONDS = 2,
	TELL_MS = 30 * 1000,
	STEP_MIN_US = 500,
	STEP_MAX_US = 50 * 1000,
};

static void host_name(char *out, size_t size)
{
	if (gethostname(out, size) < 0)
		out[0] = '\0';
	out[size - 1] = '\0';
}

/* breaking */

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

/* "pid:host" of this host, and no such process. Others write other things, or
 * nothing. */
static bool owner_is_dead(int fd)
{
	char text[TEXT_MAX], host[TEXT_MAX];
	ssize_t len = read(fd, text, sizeof(text));
	struct str rest, pid;
	uint32_t number;

	if (len <= 0)
		return false;
	rest = str_n(text, (size_t)len);
	host_name(host, sizeof(host));
	return str_split(&rest, ':', &pid) && str_to_u32(pid, &number) &&
	       number != 0 && rest.data != NULL && str_is(rest, host) &&
	       process_is_gone(number);
}

static bool is_stale(const char *path, int fd, const struct stat *lock,
		     const struct dotlock_rules *rules)
{
	time_t now = time(NULL);
	time_t since = now - (time_t)rules->stale_seconds;
	struct stat st;

	if (owner_is_dead(fd) ||
	    (lock->st_size == 0 && rules->empty_seconds != 0 &&
	     lock->st_mtime <= now - (time_t)rules->empty_seconds))
		return true;
	if (lock->st_mtime >= since)
		return false;
	return !rules->watch || stat(path, &st) < 0 || st.st_mtime < since;
}

static void break_if_stale(const char *path, const char *lock,
			   const struct dotlock_rules *rules)
{
	CLEANUP(fd_close)
	int fd = open(lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat open_st, now_st;

	if (fd < 0 || fstat(fd, &open_st) < 0 ||
	    !is_stale(path, fd, &open_st, rules))
		return;
	/* Not the lock of somebody who came in between. */
	if (lstat(lock, &now_st) < 0 || now_st.st_ino != open_st.st_ino)
		return;
	log_warning("Breaking stale lock %s", lock);
	unlink(lock);
}

/* making */

static int write_owner(int fd, const char *lock, struct err *err)
{
	char host[TEXT_MAX / 2], text[TEXT_MAX];
	int len;

	host_name(host, sizeof(host));
	len = snprintf(text, sizeof(text), "%d:%s", (int)getpid(), host);
	return write(fd, text, (size_t)len) == len
		       ? 0
		       : err_sys(err, "write(%s)", lock);
}

/* On a full disk there is no room for the text, but for the name: that is
 * enough, as long as nobody is killed. */
static bool is_full(const struct err *err)
{
	return err->code == ERR_NO_SPACE || err->code == ERR_QUOTA;
}

static int create_plain(const char *lock, mode_t mode, struct err *err)
{
	CLEANUP(fd_close)
	int fd = open(lock, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0)
		return err_sys(err, "open(%s)", lock);
	if (write_owner(fd, lock, err) == 0 || is_full(err))
		return 0;
	unlink(lock);
	return -1;
}

/* A lock that a kill leaves must say whose it was, so it gets its name when it
 * has its text. Where that can't be done: 1. */
static int create_complete(const char *lock, mode_t mode, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "lock");
	char *dir = path_parent(ctx, lock);
	char proc[64];

	fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
	if (fd < 0 || write_owner(fd, lock, err) < 0)
		return 1;
	/* From Linux 6.10 on, whoever opened it may do so; before, only root.
	 */
	if (linkat(fd, "", AT_FDCWD, lock, AT_EMPTY_PATH) == 0)
		return 0;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (errno != EEXIST &&
	    linkat(AT_FDCWD, proc, AT_FDCWD, lock, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	return errno == EEXIST ? err_sys(err, "link(%s)", lock) : 1;
}

static int create(const char *lock, mode_t mode, struct err *err)
{
	int ret = create_complete(lock, mode, err);

	return ret > 0 ? create_plain(lock, mode, err) : ret;
}

int dotlock_try(const char *path, const struct dotlock_rules *rules,
		struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "dotlock");
	char *lock = mem_printf(ctx, "%s.lock", path);
	struct err group;
	int ret;

	if (create(lock, rules->mode, err) == 0)
		return 0;
	if (err->code == ERR_EXISTS)
		break_if_stale(path, lock, rules);
	/* Whoever may not make one may not remove one either. */
	if (!rules->group ||
	    (err->code != ERR_DENIED && err->code != ERR_EXISTS) ||
	    privs_group_begin(&group) < 0)
		return -1;
	if (err->code == ERR_EXISTS) {
		break_if_stale(path, lock, rules);
		ret = -1;
	} else {
		ret = create(lock, rules->mode, err);
	}
	privs_group_end();
	return ret;
}

static const struct dotlock_rules own_rules = {
	.stale_seconds = STALE_SECONDS,
	.empty_seconds = EMPTY_SECONDS,
};

static int in_use(const char *path, struct err *err)
{
	return err_set(err, ERR_IN_USE, "%s.lock is held by another process",
		       path);
}

int dotlock_get(const char *path, mode_t mode, struct err *err)
{
	struct dotlock_rules rules = own_rules;
	uint64_t end = clock_monotonic_ms() + WAIT_MS;
	unsigned step = STEP_MIN_US;

	rules.mode = mode;
	while (dotlock_try(path, &rules, err) < 0) {
		if (err->code != ERR_EXISTS)
			return -1;
		if (clock_monotonic_ms() >= end)
			return in_use(path, err);
		usleep(step);
		if (step < STEP_MAX_US)
			step *= 2;
	}
	return 0;
}

/* Whether it is the lock that it was, which was waited for so long. After some
 * time one that is young counts as another one: others pass it on, and all but
 * its time may be the same. */
static bool is_held(const char *lock, ino_t was, uint64_t waited_ms)
{
	time_t now = time(NULL);
	struct stat st;

	return lstat(lock, &st) == 0 && st.st_ino == was &&
	       (waited_ms < WORK_SECONDS * 1000 ||
		st.st_mtime + WORK_SECONDS < now);
}

int dotlock_wait(const char *path, uint64_t max_ms, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "dotlock");
	char *lock = mem_printf(ctx, "%s.lock", path);
	uint64_t start, tell = TELL_MS, waited = 0;
	unsigned step = STEP_MIN_US;
	struct stat st;

	if (lstat(lock, &st) < 0)
		return 0;
	start = clock_monotonic_ms();
	while (is_held(lock, st.st_ino, waited)) {
		if (max_ms != 0 && waited >= max_ms)
			return in_use(path, err);
		if (waited >= tell) {
			log_warning("Waiting for %s for %u seconds now", lock,
				    (unsigned)(waited / 1000));
			tell += TELL_MS;
		}
		break_if_stale(path, lock, &own_rules);
		usleep(step);
		if (step < STEP_MAX_US)
			step *= 2;
		waited = clock_monotonic_ms() - start;
	}
	return 0;
}

bool dotlock_release(const char *path)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "dotlock");
	char *lock = mem_printf(ctx, "%s.lock", path);
	struct err err;

	if (unlink(lock) == 0)
		return true;
	if (errno == ENOENT)
		return false;
	if (errno == EACCES && privs_group_begin(&err) == 0) {
		int ret = unlink(lock);

		privs_group_end();
		if (ret == 0)
			return true;
	}
	log_error("unlink(%s): %s", lock, strerror(errno));
	return true;
}
