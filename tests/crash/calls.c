/* SPDX-License-Identifier: MIT */
#include "calls.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

/* O_TMPFILE without O_DIRECTORY, which is part of it. */
enum { TMPFILE = O_TMPFILE & ~O_DIRECTORY };

static const struct calls *watching;
static void *watching_ctx;
static bool skip_sync;

void calls_watch(const struct calls *calls, void *ctx)
{
	watching = calls;
	watching_ctx = ctx;
}

void calls_skip_sync(void)
{
	skip_sync = true;
}

/* Whether it is to fail. */
static bool fails(const char *call, const char *path)
{
	const struct calls *calls = watching;
	int saved = errno, error;

	if (calls == NULL)
		return false;
	watching = NULL;
	error = calls->before(watching_ctx, call, path);
	watching = calls;
	errno = error != 0 ? error : saved;
	return error != 0;
}

/* Tell `fn` of what succeeded. */
#define TELL(fn, ...)                                                          \
	do {                                                                   \
		const struct calls *calls = watching;                          \
		int saved = errno;                                             \
                                                                               \
		watching = NULL;                                               \
		if (calls != NULL && calls->fn != NULL)                        \
			calls->fn(__VA_ARGS__);                                \
		watching = calls;                                              \
		errno = saved;                                                 \
	} while (0)

static void *real(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	if (function == NULL)
		abort();
	return function;
}

/* `next` is the function that this one replaces. */
#define NEXT(type, name, ...)                                                  \
	static type (*next)(__VA_ARGS__);                                      \
	if (next == NULL)                                                      \
	*(void **)&next = real(name)

static int opened(int dir_fd, const char *path, int flags, mode_t mode)
{
	NEXT(int, "openat", int, const char *, int, ...);
	struct stat st;
	bool makes = (flags & O_CREAT) != 0 &&
		     fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0;
	int fd;

	if ((makes || (flags & O_TRUNC) != 0) && fails("open", path))
		return -1;
	fd = next(dir_fd, path, flags, mode);
	if (makes && fd >= 0)
		TELL(made, dir_fd, path);
	return fd;
}

int open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = (flags & (O_CREAT | TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	return opened(AT_FDCWD, path, flags, mode);
}

int openat(int dir_fd, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = (flags & (O_CREAT | TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	return opened(dir_fd, path, flags, mode);
}

int mkostemp(char *path, int flags)
{
	NEXT(int, "mkostemp", char *, int);
	int fd = fails("open", path) ? -1 : next(path, flags);

	if (fd >= 0)
		TELL(made, AT_FDCWD, path);
	return fd;
}

int mkdirat(int dir_fd, const char *path, mode_t mode)
{
	NEXT(int, "mkdirat", int, const char *, mode_t);
	int code = fails("mkdir", path) ? -1 : next(dir_fd, path, mode);

	if (code == 0)
		TELL(made, dir_fd, path);
	return code;
}

int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

int symlinkat(const char *target, int dir_fd, const char *path)
{
	NEXT(int, "symlinkat", const char *, int, const char *);
	int code = fails("symlink", path) ? -1 : next(target, dir_fd, path);

	if (code == 0)
		TELL(made, dir_fd, path);
	return code;
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	NEXT(int, "linkat", int, const char *, int, const char *, int);
	int code = fails("link", to) ? -1
				     : next(from_fd, from, to_fd, to, flags);

	if (code == 0)
		TELL(made, to_fd, to);
	return code;
}

int link(const char *from, const char *to)
{
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	NEXT(int, "renameat", int, const char *, int, const char *);
	struct stat st;
	int code;

	if (fails("rename", to) ||
	    fstatat(from_fd, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	code = next(from_fd, from, to_fd, to);
	if (code == 0)
		TELL(renamed, from_fd, from, to_fd, to, &st);
	return code;
}

int rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int dir_fd, const char *path, int flags)
{
	NEXT(int, "unlinkat", int, const char *, int);
	int code = fails("unlink", path) ? -1 : next(dir_fd, path, flags);

	if (code == 0)
		TELL(removed, dir_fd, path);
	return code;
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

static int sync_by(int (*sync)(int), const char *call, int fd)
{
	int code = 0;

	if (fails(call, NULL))
		return -1;
	if (!skip_sync)
		code = sync(fd);
	if (code == 0)
		TELL(synced, fd);
	return code;
}

int fsync(int fd)
{
	NEXT(int, "fsync", int);

	return sync_by(next, "fsync", fd);
}

int fdatasync(int fd)
{
	NEXT(int, "fdatasync", int);

	return sync_by(next, "fdatasync", fd);
}

int ftruncate(int fd, off_t len)
{
	NEXT(int, "ftruncate", int, off_t);

	return fails("ftruncate", NULL) ? -1 : next(fd, len);
}

ssize_t write(int fd, const void *data, size_t len)
{
	NEXT(ssize_t, "write", int, const void *, size_t);

	return fails("write", NULL) ? -1 : next(fd, data, len);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	NEXT(ssize_t, "pwrite", int, const void *, size_t, off_t);

	return fails("pwrite", NULL) ? -1 : next(fd, data, len, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	NEXT(ssize_t, "writev", int, const struct iovec *, int);

	return fails("writev", NULL) ? -1 : next(fd, parts, count);
}

int utimensat(int dir_fd, const char *path, const struct timespec times[2],
	      int flags)
{
	NEXT(int, "utimensat", int, const char *, const struct timespec *, int);

	return fails("utimensat", path) ? -1 : next(dir_fd, path, times, flags);
}

int futimens(int fd, const struct timespec times[2])
{
	NEXT(int, "futimens", int, const struct timespec *);

	return fails("futimens", NULL) ? -1 : next(fd, times);
}
