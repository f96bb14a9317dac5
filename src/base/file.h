/* SPDX-License-Identifier: MIT */
/*
 * base/file.h - whole reads and writes, and files that survive a power cut.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H
#include <dirent.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

struct buf;
struct err;

/* Write all, going on after EINTR and short writes. */
int file_write_all(int fd, const void *data, size_t len, const char *path,
		   struct err *err);
/* Append the whole file, up to out->max bytes (else ERR_LIMIT). */
int file_read_fd(int fd, const char *path, struct buf *out, struct err *err);
int file_read(const char *path, struct buf *out, struct err *err);
/* open() of what belongs to users, who may have put something else there: waits
 * for nobody. -1 with ERR_INVALID if it is no regular file. */
int file_open_regular(const char *path, int flags, struct err *err);
int file_read_regular(const char *path, struct buf *out, struct err *err);
/* A new file to write to. What has the name goes: a file that was left, a link
 * to another one, or a FIFO that nobody reads. The descriptor, or -1. */
int file_make(const char *path, mode_t mode, struct err *err);
/* Put `data` in place of `path` at once: a temporary file beside it, fsync,
 * rename, fsync of the directory. */
int file_replace(const char *path, const void *data, size_t len, mode_t mode,
		 struct err *err);
/* fsync a directory, so that what was renamed or linked in it stays. */
int dir_fsync(const char *path, struct err *err);
/* For CLEANUP(dir_close) DIR *dir. */
void dir_close(DIR **dir);
/* mkdir -p; what exists is left as it is. */
int dir_create(const char *path, mode_t mode, struct err *err);
/* rm -r below and with `path`; follows no symbolic link. */
int dir_remove(const char *path, struct err *err);
/* Absolute and lexically clean, "~/" and relative paths below `home`. */
char *path_expand(const void *ctx, const char *path, const char *home);
/* The directory that `path` is in; child of ctx. */
char *path_parent(const void *ctx, const char *path);

#endif
