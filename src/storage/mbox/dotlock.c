/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/dotlock.c - PATH.lock, as all programs that change mbox files
 * know it: created exclusively, with "pid:host" in it.
 *
 * A lock is broken when its process is gone, or when neither it nor the mbox
 * changed for mbox_dotlock_change_timeout. Where the directory is not ours
 * (/var/mail), mail_privileged_group opens it, for this one call.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "service/privs.h"
#include "storage/mbox/mbox.h"
#include "storage/user.h"

enum {
	TEXT_MAX = 320,
	/* Who makes a lock writes into it at once, or was killed. */
	EMPTY_SECONDS = 3,
};

static void host_name(char *out, size_t size)
{
	if (gethostname(out, size) < 0)
		out[0] = '\0';
	out[size - 1] = '\0';
}

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

/* "pid:host" of this host, and no such process. Others write other things. */
static bool owner_is_dead(int fd, time_t lock_age)
{
	char text[TEXT_MAX], host[TEXT_MAX];
	ssize_t len = read(fd, text, sizeof(text));
	struct str rest, pid;
	uint32_t number;

	if (len == 0)
		return lock_age >= EMPTY_SECONDS;
	if (len < 0)
		return false;
	rest = str_n(text, (size_t)len);
	host_name(host, sizeof(host));
	return str_split(&rest, ':', &pid) && str_to_u32(pid, &number) &&
	       number != 0 && rest.data != NULL && str_is(rest, host) &&
	       process_is_gone(number);
}

static bool is_stale(const char *path, int fd, const struct stat *lock,
		     const struct location *location)
{
	time_t age =
		(time_t)(location->settings->mbox_dotlock_change_timeout.ms /
			 1000);
	time_t now = time(NULL);
	struct stat st;

	if (owner_is_dead(fd, now - lock->st_mtime))
		return true;
	if (lock->st_mtime + age >= now)
		return false;
	return stat(path, &st) < 0 || st.st_mtime + age < now;
}

static void break_if_stale(const char *path, const char *lock,
			   const struct location *location)
{
	CLEANUP(fd_close)
	int fd = open(lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat open_st, now_st;

	if (fd < 0 || fstat(fd, &open_st) < 0 ||
	    !is_stale(path, fd, &open_st, location))
		return;
	/* Not the lock of somebody who came in between. */
	if (lstat(lock, &now_st) < 0 || now_st.st_ino != open_st.st_ino)
		return;
	log_warning("Breaking stale lock %s", lock);
	unlink(lock);
}

static int create(const char *lock, struct err *err)
{
	CLEANUP(fd_close)
	int fd = open(lock, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char host[TEXT_MAX / 2], text[TEXT_MAX];
	int len;

	if (fd < 0)
		return err_sys(err, "open(%s)", lock);
	host_name(host, sizeof(host));
	len = snprintf(text, sizeof(text), "%d:%s", (int)getpid(), host);
	if (write(fd, text, (size_t)len) != len) {
		err_sys(err, "write(%s)", lock);
		unlink(lock);
		return -1;
	}
	return 0;
}

/* With the group only when it does not go without. */
static int try_create(const char *path, const char *lock,
		      const struct location *location, struct err *err)
{
	struct err group;
	int ret;

	if (create(lock, err) == 0)
		return 0;
	if (err->code == ERR_EXISTS)
		break_if_stale(path, lock, location);
	if (err->code != ERR_DENIED || privs_group_begin(&group) < 0)
		return -1;
	ret = create(lock, err);
	if (ret < 0 && err->code == ERR_EXISTS)
		break_if_stale(path, lock, location);
	privs_group_end();
	return ret;
}

int mbox_dotlock(const char *path, const struct location *location,
		 bool optional, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "dotlock");
	char *lock = mem_printf(ctx, "%s.lock", path);

	if (try_create(path, lock, location, err) == 0)
		return 1;
	if (optional && (err->code == ERR_DENIED || err->code == ERR_NO_SPACE ||
			 err->code == ERR_QUOTA))
		return 0;
	if (err->code == ERR_EXISTS)
		return err_set(err, ERR_IN_USE,
			       "Timeout while waiting for lock %s", lock);
	return -1;
}

void mbox_dotlock_release(const char *path)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "dotlock");
	char *lock = mem_printf(ctx, "%s.lock", path);
	struct err err;

	if (unlink(lock) == 0 || errno == ENOENT)
		return;
	if (errno == EACCES && privs_group_begin(&err) == 0) {
		int ret = unlink(lock);

		privs_group_end();
		if (ret == 0)
			return;
	}
	log_error("unlink(%s): %s", lock, strerror(errno));
}
