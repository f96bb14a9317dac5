/* SPDX-License-Identifier: MIT */
#include "scripts/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "sieve/engine.h"
#include "storage/user.h"

enum {
	LOCK_WAIT_MS = 5000,
	LOCK_STEP_US = 10 * 1000,
	/* As for mail in tmp/. */
	TEMP_KEEP_SECS = 36 * 60 * 60,
};

int store_internal(struct err *err)
{
	if (err->code != ERR_NO_SPACE && err->code != ERR_QUOTA)
		err->code = ERR_TEMPORARY;
	return -1;
}

int store_sys(struct err *err, const char *fmt, ...)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;
	int error = errno;
	va_list args;

	ctx = mem_ctx(NULL, "error");
	va_start(args, fmt);
	fmt = mem_vprintf(ctx, fmt, args);
	va_end(args);
	errno = error;
	err_sys(err, "%s", fmt);
	return store_internal(err);
}

static bool wants_sync(const struct scripts *scripts)
{
	return strcmp(user_settings(scripts->user)->mail_fsync, "never") != 0;
}

int store_sync(const struct scripts *scripts, int fd, const char *path,
	       struct err *err)
{
	if (!wants_sync(scripts) || fsync(fd) == 0)
		return 0;
	return store_sys(err, "fsync(%s)", path);
}

/* the directory */

/* With its parents; a name that may not stay is taken back. */
static int make_dir(const struct scripts *scripts, const char *path,
		    struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "directory");
	const char *parent = path_parent(ctx, path);

	if (access(parent, F_OK) < 0 && make_dir(scripts, parent, err) < 0)
		return -1;
	if (mkdir(path, 0700) < 0)
		return errno == EEXIST ? 0 : store_sys(err, "mkdir(%s)", path);
	if (!wants_sync(scripts) || dir_fsync(parent, err) == 0)
		return 0;
	rmdir(path);
	return store_internal(err);
}

static int lock(int fd, const char *path, struct err *err)
{
	uint64_t end = clock_monotonic_ms() + LOCK_WAIT_MS;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return store_sys(err, "flock(%s)", path);
		if (clock_monotonic_ms() > end)
			return err_set(err, ERR_TIMEOUT,
				       "%s is locked by another process", path);
		usleep(LOCK_STEP_US);
	}
	return 0;
}

int store_open(const struct scripts *scripts, bool change, struct store *out,
	       struct err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

	*out = (struct store){scripts, -1};
	if (scripts->remote != NULL)
		return err_set(err, ERR_UNSUPPORTED,
			       "sieve: scripts of dict: and ldap: can't be "
			       "listed or changed");
	if (scripts->dir == NULL)
		return err_set(err, ERR_UNSUPPORTED,
			       "sieve: the user has no home directory to keep "
			       "scripts in");
	out->fd = open(scripts->dir, flags);
	if (out->fd < 0 && errno == ENOENT && change) {
		if (make_dir(scripts, scripts->dir, err) < 0)
			return -1;
		out->fd = open(scripts->dir, flags);
	}
	if (out->fd < 0)
		return errno == ENOENT && !change
			       ? 0
			       : store_sys(err, "open(%s)", scripts->dir);
	if (change && lock(out->fd, scripts->dir, err) < 0) {
		store_close(out);
		return -1;
	}
	return 0;
}

void store_close(struct store *store)
{
	fd_close(&store->fd);
}

char *store_file(const void *ctx, struct str name)
{
	return mem_printf(ctx, "%.*s.sieve", STR_FMT(name));
}

bool store_reserved(const struct scripts *scripts, struct str name)
{
	struct str active =
		str_of(scripts->active == NULL ? "" : scripts->active);
	struct str dir = str_of(scripts->dir == NULL ? "" : scripts->dir);

	while (dir.len > 1 && dir.data[dir.len - 1] == '/')
		dir.len--;
	if (active.len <= dir.len + 1 || active.data[dir.len] != '/' ||
	    !str_equal(str_n(active.data, dir.len), dir))
		return false;
	active = str_from(active, dir.len + 1);
	return active.len == name.len + strlen(".sieve") &&
	       str_equal(str_n(active.data, name.len), name) &&
	       str_is(str_from(active, name.len), ".sieve");
}

int store_not_found(struct str name, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "Sieve script `%.*s' not found",
		       STR_FMT(name));
}

/* reading */

/* A kernel or a sandbox of before Linux 5.6 follows no link at all. */
static int open_beneath(int dir, const char *name)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));

	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = openat(dir, name, (int)how.flags | O_NOFOLLOW);
	return fd;
}

/* ERR_NOT_FOUND; *fd_out is a regular file. */
static int open_script(const struct store *store, struct str name, int *fd_out,
		       struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "script");
	const char *dir = store->scripts->dir;
	char *file = store_file(ctx, name);
	CLEANUP(fd_close) int fd = -1;
	struct stat st;

	if (store->fd < 0 || store_reserved(store->scripts, name))
		return store_not_found(name, err);
	fd = open_beneath(store->fd, file);
	if (fd < 0 && errno == ENOENT)
		return store_not_found(name, err);
	/* For the log, not for the user. */
	if (fd < 0 && errno == EXDEV)
		return err_set(err, ERR_TEMPORARY,
			       "%s/%s: it is a link out of the directory", dir,
			       file);
	if (fd < 0 || fstat(fd, &st) < 0)
		return store_sys(err, "open(%s/%s)", dir, file);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_TEMPORARY,
			       "Sieve script file '%s/%s' is not a regular "
			       "file.",
			       dir, file);
	*fd_out = fd;
	fd = -1;
	return 0;
}

int store_read(const struct store *store, struct str name, struct buf *out,
	       struct err *err)
{
	CLEANUP(fd_close) int fd = -1;

	if (open_script(store, name, &fd, err) < 0)
		return -1;
	if (file_read_fd(fd, store->scripts->dir, out, err) < 0)
		return store_internal(err);
	return 0;
}

int store_has(const struct store *store, struct str name, bool *has_out,
	      struct err *err)
{
	CLEANUP(fd_close) int fd = -1;

	*has_out = true;
	if (open_script(store, name, &fd, err) == 0)
		return 0;
	*has_out = false;
	return err->code == ERR_NOT_FOUND ? 0 : -1;
}

/* writing */

/* Those of writers that were killed. */
static void clean_temps(int tmp)
{
	int fd = openat(tmp, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	time_t old = time(NULL) - TEMP_KEEP_SECS;
	const struct dirent *entry;
	struct stat st;

	if (dir == NULL) {
		fd_close(&fd);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (fstatat(tmp, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
			    0 &&
		    S_ISREG(st.st_mode) && st.st_mtime < old)
			unlinkat(tmp, entry->d_name, 0);
	}
	closedir(dir);
}

static int open_tmp(const struct store *store, struct err *err)
{
	int fd;

	if (mkdirat(store->fd, "tmp", 0700) < 0 && errno != EEXIST)
		return store_sys(err, "mkdir(%s/tmp)", store->scripts->dir);
	fd = openat(store->fd, "tmp",
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return store_sys(err, "open(%s/tmp)", store->scripts->dir);
	clean_temps(fd);
	return fd;
}

static char *temp_name(const void *ctx)
{
	static unsigned count;
	uint64_t now = clock_real_us();

	return mem_printf(ctx, "%llu.M%06uP%d_%u.sieve",
			  (unsigned long long)(now / 1000000),
			  (unsigned)(now % 1000000), (int)getpid(), count++);
}

static int write_temp(const struct store *store, int tmp, const char *temp,
		      struct str text, struct err *err)
{
	CLEANUP(fd_close)
	int fd = openat(tmp, temp,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);

	if (fd < 0)
		return store_sys(err, "open(%s/tmp/%s)", store->scripts->dir,
				 temp);
	if (file_write_all(fd, text.data, text.len, temp, err) == 0 &&
	    store_sync(store->scripts, fd, temp, err) == 0)
		return 0;
	unlinkat(tmp, temp, 0);
	return store_internal(err);
}

int store_write(const struct store *store, struct str name, struct str text,
		bool fresh, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "write");
	char *file = store_file(ctx, name), *temp = temp_name(ctx);
	CLEANUP(fd_close) int tmp = open_tmp(store, err);
	int ret;

	if (tmp < 0 || write_temp(store, tmp, temp, text, err) < 0)
		return -1;
	ret = fresh ? linkat(tmp, temp, store->fd, file, 0)
		    : renameat(tmp, temp, store->fd, file);
	if (ret < 0 && errno == EEXIST)
		err_set(err, ERR_EXISTS,
			"A sieve script with that name already exists.");
	else if (ret < 0)
		store_sys(err, "rename(%s/tmp/%s, %s)", store->scripts->dir,
			  temp, file);
	if (ret < 0 || fresh)
		unlinkat(tmp, temp, 0);
	return ret < 0 ? -1
		       : store_sync(store->scripts, store->fd,
				    store->scripts->dir, err);
}
