/* SPDX-License-Identifier: MIT */
/*
 * storage/control_file.h - a small file that is replaced as a whole, the way
 * Dovecot does it: PATH.lock is made exclusively, written, and renamed.
 */
#ifndef STORAGE_CONTROL_FILE_H
#define STORAGE_CONTROL_FILE_H
#include "base/str.h"

struct err;
struct location;

struct control_file {
	const struct location *location;
	const char *path;
	char *lock_path;
	int fd; /* of the lock; -1 when it is ours no more */
};

/* Wait for the lock; the directory is made if need be. `path` must outlive
 * *out, a child of ctx that control_file_unlock() gives back. ERR_IN_USE after
 * a while. */
int control_file_lock(const void *ctx, const struct location *location,
		      const char *path, struct control_file **out,
		      struct err *err);
/* On disk when it returns, unless mail_fsync = never; the lock is gone. */
int control_file_replace(struct control_file *file, struct str text,
			 struct err *err);
/* For CLEANUP; does nothing after control_file_replace(). */
void control_file_unlock(struct control_file **file);

#endif
