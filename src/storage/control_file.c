/* SPDX-License-Identifier: MIT */
#include "storage/control_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/driver.h"
#include "storage/layout.h"
#include "storage/user.h"

/* Who was killed holds the lock for 10 seconds; who waits, waits longer. */
enum { LOCK_MS = 13000, LOCK_WAIT_MS = 10, LOCK_STALE_SECS = 10 };

static void lock_wait(void)
{
	struct timespec wait = {0, LOCK_WAIT_MS * 1000000L};

	nanosleep(&wait, NULL);
}

static void break_stale(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && st.st_mtime + LOCK_STALE_SECS < time(NULL))
		unlink(path);
}

static int make_parent(const char *path, const struct location *location,
		       struct err *err)
{
	char *dir = path_parent(NULL, path);
	int ret = layout_make_path(location, dir, err);

	mem_free(dir);
	return ret;
}

static uint64_t lock_deadline(const struct location *location)
{
	uint64_t max = location->settings->mail_max_lock_timeout.ms;

	if (max == 0 || max > LOCK_MS)
		max = LOCK_MS;
	return clock_monotonic_ms() + max;
}

static int give_rights(struct control_file *file, struct err *err)
{
	if (rights_give(&file->location->rights, file->fd, file->lock_path,
			err) == 0)
		return 0;
	unlink(file->lock_path);
	fd_close(&file->fd);
	return -1;
}

static int take_lock(struct control_file *file, struct err *err)
{
	const struct location *location = file->location;
	uint64_t deadline = lock_deadline(location);

	do {
		file->fd = open(file->lock_path,
				O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
				location->rights.file_mode);
		if (file->fd >= 0)
			return give_rights(file, err);
		if (errno == ENOENT) {
			if (make_parent(file->lock_path, location, err) < 0)
				return -1;
			continue;
		}
		if (errno != EEXIST)
			return err_sys(err, "open(%s)", file->lock_path);
		break_stale(file->lock_path);
		lock_wait();
	} while (clock_monotonic_ms() < deadline);
	return err_set(err, ERR_IN_USE, "%s is locked by somebody else",
		       file->path);
}

int control_file_lock(const void *ctx, const struct location *location,
		      const char *path, struct control_file **out,
		      struct err *err)
{
	struct control_file *file = mem_new(ctx, struct control_file);

	file->location = location;
	file->path = path;
	file->lock_path = mem_printf(file, "%s.lock", path);
	if (take_lock(file, err) < 0) {
		mem_free(file);
		return -1;
	}
	*out = file;
	return 0;
}

/* Whoever was stopped for long may have lost it. */
static bool is_still_ours(const struct control_file *file)
{
	struct stat mine, there;

	return fstat(file->fd, &mine) == 0 &&
	       stat(file->lock_path, &there) == 0 &&
	       mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
}

int control_file_replace(struct control_file *file, struct str text,
			 struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "control");
	bool sync = strcmp(file->location->settings->mail_fsync, "never") != 0;

	if (file_write_all(file->fd, text.data, text.len, file->lock_path,
			   err) < 0)
		return -1;
	if (sync && fdatasync(file->fd) < 0)
		return err_sys(err, "fdatasync(%s)", file->lock_path);
	if (!is_still_ours(file))
		return err_set(err, ERR_IN_USE, "%s was taken away",
			       file->lock_path);
	if (rename(file->lock_path, file->path) < 0)
		return err_sys(err, "rename(%s, %s)", file->lock_path,
			       file->path);
	fd_close(&file->fd);
	return sync ? dir_fsync(path_parent(ctx, file->path), err) : 0;
}

void control_file_unlock(struct control_file **file)
{
	if (*file == NULL)
		return;
	if ((*file)->fd >= 0 && is_still_ours(*file))
		unlink((*file)->lock_path);
	fd_close(&(*file)->fd);
	mem_free(*file);
	*file = NULL;
}
