/* SPDX-License-Identifier: MIT */
/*
 * tests/crash/disk_calls.c - the C library's calls that disk.c must know of,
 * also for LMDB. What they report is the C library's own; errno stays.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "disk.h"

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

static bool is_missing(int dir_fd, const char *path)
{
	struct stat st;

	return fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0;
}

static int opened(int dir_fd, const char *path, int flags, mode_t mode)
{
	NEXT(int, "openat", int, const char *, int, ...);
	bool makes = (flags & O_CREAT) != 0 && is_missing(dir_fd, path);
	int fd;

	if (makes || (flags & O_TRUNC) != 0)
		disk_before();
	fd = next(dir_fd, path, flags, mode);
	if (makes && fd >= 0)
		disk_made(dir_fd, path);
	return fd;
}

int open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	return opened(AT_FDCWD, path, flags, mode);
}

int openat(int dir_fd, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	return opened(dir_fd, path, flags, mode);
}

int mkostemp(char *path, int flags)
{
	NEXT(int, "mkostemp", char *, int);
	int fd;

	disk_before();
	fd = next(path, flags);
	if (fd >= 0)
		disk_made(AT_FDCWD, path);
	return fd;
}

int mkdir(const char *path, mode_t mode)
{
	NEXT(int, "mkdir", const char *, mode_t);
	int code;

	disk_before();
	code = next(path, mode);
	if (code == 0)
		disk_made(AT_FDCWD, path);
	return code;
}

int link(const char *from, const char *to)
{
	NEXT(int, "link", const char *, const char *);
	int code;

	disk_before();
	code = next(from, to);
	if (code == 0)
		disk_made(AT_FDCWD, to);
	return code;
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	NEXT(int, "renameat", int, const char *, int, const char *);
	struct stat st;
	int code;

	disk_before();
	if (fstatat(from_fd, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	code = next(from_fd, from, to_fd, to);
	if (code == 0)
		disk_renamed(from_fd, from, to_fd, to, &st);
	return code;
}

int rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int dir_fd, const char *path, int flags)
{
	NEXT(int, "unlinkat", int, const char *, int);
	int code;

	disk_before();
	code = next(dir_fd, path, flags);
	if (code == 0)
		disk_removed(dir_fd, path);
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

int fsync(int fd)
{
	NEXT(int, "fsync", int);
	int code;

	disk_before();
	code = next(fd);
	if (code == 0)
		disk_synced(fd);
	return code;
}

int fdatasync(int fd)
{
	NEXT(int, "fdatasync", int);
	int code;

	disk_before();
	code = next(fd);
	if (code == 0)
		disk_synced(fd);
	return code;
}

int ftruncate(int fd, off_t len)
{
	NEXT(int, "ftruncate", int, off_t);

	disk_before();
	return next(fd, len);
}

ssize_t write(int fd, const void *data, size_t len)
{
	NEXT(ssize_t, "write", int, const void *, size_t);

	disk_before();
	return next(fd, data, len);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	NEXT(ssize_t, "pwrite", int, const void *, size_t, off_t);

	disk_before();
	return next(fd, data, len, at);
}
