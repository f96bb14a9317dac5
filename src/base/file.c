/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

enum { READ_STEP = 16384 };

int file_write_all(int fd, const void *data, size_t len, const char *path,
		   struct err *err)
{
	const char *at = data;

	while (len > 0) {
		ssize_t done = write(fd, at, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_sys(err, "write(%s)", path);
		at += done;
		len -= (size_t)done;
	}
	return 0;
}

/* As errors of the system are: only the log is told of paths. */
static int unfit(struct err *err, enum err_code code, const char *path,
		 const char *why)
{
	err_set(err, code, "%s is %s", path, why);
	err->system = true;
	return -1;
}

/* Whether the file has more than fits, once the buffer is full. */
static int expect_end(int fd, const char *path, struct err *err)
{
	char more;
	ssize_t got;

	do {
		got = read(fd, &more, 1);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_sys(err, "read(%s)", path);
	if (got > 0)
		return unfit(err, ERR_LIMIT, path, "too large");
	return 0;
}

/* How much to read at once: all of a file, and its end. */
static size_t read_step(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size < READ_STEP)
		return READ_STEP;
	return (size_t)st.st_size + 1;
}

int file_read_fd(int fd, const char *path, struct buf *out, struct err *err)
{
	size_t step = read_step(fd);

	for (;;) {
		size_t room = out->max - out->len;
		ssize_t got;
		char *space;

		if (room == 0)
			return expect_end(fd, path, err);
		if (room > step)
			room = step;
		space = buf_space(out, room);
		if (space == NULL)
			return unfit(err, ERR_LIMIT, path, "too large");
		got = read(fd, space, room);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(err, "read(%s)", path);
		buf_grew(out, (size_t)got);
		if (got == 0)
			return 0;
		step = READ_STEP;
	}
}

int file_read(const char *path, struct buf *out, struct err *err)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "open(%s)", path);
	return file_read_fd(fd, path, out, err);
}

int file_open_regular(const char *path, int flags, struct err *err)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	struct stat st;

	if (fd < 0)
		return err_sys(err, "open(%s)", path);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	fd_close(&fd);
	return unfit(err, ERR_INVALID, path, "not a regular file");
}

int file_read_regular(const char *path, struct buf *out, struct err *err)
{
	CLEANUP(fd_close) int fd = file_open_regular(path, O_RDONLY, err);

	return fd < 0 ? -1 : file_read_fd(fd, path, out, err);
}

static int write_synced(int fd, const char *path, const void *data, size_t len,
			mode_t mode, struct err *err)
{
	if (fchmod(fd, mode) < 0)
		return err_sys(err, "fchmod(%s)", path);
	if (file_write_all(fd, data, len, path, err) < 0)
		return -1;
	if (fsync(fd) < 0)
		return err_sys(err, "fsync(%s)", path);
	return 0;
}

int file_make(const char *path, mode_t mode, struct err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
	int fd;

	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, "unlink(%s)", path);
	fd = open(path, flags, mode);
	return fd < 0 ? err_sys(err, "open(%s)", path) : fd;
}

int file_replace(const char *path, const void *data, size_t len, mode_t mode,
		 struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "file_replace");
	char *temp = mem_printf(ctx, "%s.XXXXXX", path);
	CLEANUP(fd_close) int fd = mkostemp(temp, O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "mkostemp(%s)", temp);
	if (write_synced(fd, temp, data, len, mode, err) < 0) {
		unlink(temp);
		return -1;
	}
	if (rename(temp, path) < 0) {
		err_sys(err, "rename(%s, %s)", temp, path);
		unlink(temp);
		return -1;
	}
	return dir_fsync(path_parent(ctx, path), err);
}

void dir_close(DIR **dir)
{
	if (*dir != NULL)
		closedir(*dir);
	*dir = NULL;
}

int dir_fsync(const char *path, struct err *err)
{
	CLEANUP(fd_close)
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "open(%s)", path);
	if (fsync(fd) < 0)
		return err_sys(err, "fsync(%s)", path);
	return 0;
}

static int make_dir(const char *path, mode_t mode, struct err *err)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno == EEXIST && stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return 0;
		errno = ENOTDIR;
	}
	return err_sys(err, "mkdir(%s)", path);
}

int dir_create(const char *path, mode_t mode, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "dir_create");
	char *part = mem_strdup(ctx, path);
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	for (char *at = part + 1; part[0] != '\0' && *at != '\0'; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if ((stat(part, &st) < 0 || !S_ISDIR(st.st_mode)) &&
		    make_dir(part, mode, err) < 0)
			return -1;
		*at = '/';
	}
	return make_dir(path, mode, err);
}
