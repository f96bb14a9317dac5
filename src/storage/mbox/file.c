/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/file.c - the file of a mailbox, kept open.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/mbox/mbox.h"
#include "storage/user.h"

static int own_destroy(struct mbox_box *own)
{
	fd_close(&own->fd);
	fd_close(&own->large_fd);
	return 0;
}

struct mbox_box *mbox_box_get(struct driver_box *box)
{
	struct mbox_box *own = box->driver;

	if (own != NULL)
		return own;
	own = mem_new(box, struct mbox_box);
	own->fd = own->large_fd = -1;
	own->expunging = range_set_init(own);
	talloc_set_destructor(own, own_destroy);
	box->driver = own;
	return own;
}

static int open_file(struct driver_box *box, struct mbox_box *own,
		     struct err *err)
{
	struct stat st;
	int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

	fd_close(&own->fd);
	own->writable = true;
	own->fd = open(box->path, O_RDWR | flags);
	if (own->fd < 0 && (errno == EACCES || errno == EROFS)) {
		own->writable = false;
		own->fd = open(box->path, O_RDONLY | flags);
	}
	if (own->fd < 0 && errno == EISDIR)
		return err_set(err, ERR_INVALID, "Mailbox isn't selectable");
	if (own->fd < 0 || fstat(own->fd, &st) < 0)
		return err_sys(err, "open(%s)", box->path);
	if (!S_ISREG(st.st_mode)) {
		fd_close(&own->fd);
		return err_set(err, ERR_NOT_FOUND, "%s is not a regular file",
			       box->path);
	}
	own->ino = st.st_ino;
	return 0;
}

/* mailutils and others put a new file in place of the old one in two steps,
 * under the dotlock if they may make one: in between there is none of that
 * name. */
static int stat_named(const struct driver_box *box, bool known,
		      struct stat *st_out)
{
	enum { STEP_US = 2000, STEPS = 500, WITHOUT_LOCK = 50 };
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;
	const char *lock;

	if (stat(box->path, st_out) == 0)
		return 0;
	if (errno != ENOENT)
		return -1;
	ctx = mem_ctx(NULL, "lock");
	lock = mem_printf(ctx, "%s.lock", box->path);
	for (int i = 0; i < STEPS && ((known && i < WITHOUT_LOCK) ||
				      access(lock, F_OK) == 0);
	     i++) {
		usleep(STEP_US);
		if (stat(box->path, st_out) == 0)
			return 0;
	}
	return stat(box->path, st_out);
}

int mbox_file(struct driver_box *box, struct mbox_box **out,
	      struct stat *st_out, struct err *err)
{
	struct mbox_box *own = mbox_box_get(box);
	bool known = own->fd >= 0;

	*out = own;
	if (stat_named(box, known, st_out) < 0)
		return err_sys(err, "stat(%s)", box->path);
	if (known && own->ino == st_out->st_ino)
		return 0;
	if (open_file(box, own, err) == 0)
		return 0;
	return known && err->code == ERR_NOT_FOUND &&
			       stat_named(box, known, st_out) == 0
		       ? open_file(box, own, err)
		       : -1;
}

int mbox_read_at(const struct driver_box *box, int fd, void *data, size_t len,
		 uint64_t at, struct err *err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)data + done, len - done,
				  (off_t)(at + done));

		if (n < 0)
			return err_sys(err, "read(%s)", box->path);
		if (n == 0)
			return err_set(err, ERR_TEMPORARY,
				       "%s is shorter than it was", box->path);
		done += (size_t)n;
	}
	return 0;
}

int mbox_write_at(const struct driver_box *box, int fd, const void *data,
		  size_t len, uint64_t at, struct err *err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(fd, (const char *)data + done, len - done,
				   (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "write(%s)", box->path);
		done += (size_t)n;
	}
	return 0;
}

int mbox_fsync(const struct driver_box *box, int fd, struct err *err)
{
	if (strcmp(box->location->settings->mail_fsync, "never") == 0)
		return 0;
	return fdatasync(fd) == 0 ? 0
				  : err_sys(err, "fdatasync(%s)", box->path);
}

bool mbox_all_synced(const struct location *location)
{
	return strcmp(location->settings->mail_fsync, "always") == 0;
}

bool mbox_writes_now(const struct location *location)
{
	return !location->settings->mbox_lazy_writes ||
	       mbox_all_synced(location);
}

bool mbox_md5_all(const struct location *location)
{
	return strcmp(location->settings->mbox_md5, "all") == 0;
}
