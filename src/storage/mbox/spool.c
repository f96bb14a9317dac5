/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/spool.c - texts of mails that are being saved, one behind the
 * other: in memory first, in one file without a name when they become many. So
 * a small mail costs no file, and ten thousand of them cost one.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/mbox/mbox.h"
#include "storage/user.h"

enum { MEMORY = 262144 };

struct mbox_spool {
	const struct driver_box *box;
	unsigned refs;
	bool busy;      /* a mail is under way */
	int fd;         /* -1: not needed yet */
	uint64_t filed; /* octets in the file; the others are in `buf` */
	struct buf buf;
};

int mbox_temp_file(const struct location *location, struct err *err)
{
	const char *dir = location->settings->mail_temp_dir;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char *path;

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd >= 0 ? fd : err_sys(err, "open(%s)", dir);
	ctx = mem_ctx(NULL, "temp");
	path = mem_printf(ctx, "%s/dovetail.%d.%016jx", dir, (int)getpid(),
			  (uintmax_t)random_u64());
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return err_sys(err, "open(%s)", path);
	unlink(path);
	return fd;
}

static int spool_destroy(struct mbox_spool *spool)
{
	buf_free(&spool->buf);
	fd_close(&spool->fd);
	return 0;
}

static struct mbox_spool *spool_new(struct driver_box *box)
{
	struct mbox_spool *spool = mem_new(box, struct mbox_spool);

	spool->box = box;
	spool->fd = -1;
	spool->buf = buf_init(SIZE_MAX / 2);
	talloc_set_destructor(spool, spool_destroy);
	return spool;
}

struct mbox_spool *mbox_spool_begin(struct driver_box *box, uint64_t *at_out)
{
	struct mbox_box *own = mbox_box_get(box);

	/* Two saves at a time have one each. */
	if (own->spool == NULL || own->spool->busy)
		own->spool = spool_new(box);
	own->spool->refs++;
	own->spool->busy = true;
	*at_out = own->spool->filed + own->spool->buf.len;
	return own->spool;
}

static int write_out(struct mbox_spool *spool, const void *data, size_t len,
		     struct err *err)
{
	if (spool->fd < 0)
		spool->fd = mbox_temp_file(spool->box->location, err);
	if (spool->fd < 0 ||
	    file_write_all(spool->fd, data, len,
			   spool->box->location->settings->mail_temp_dir,
			   err) < 0)
		return -1;
	spool->filed += len;
	return 0;
}

int mbox_spool_write(struct mbox_spool *spool, const void *data, size_t len,
		     struct err *err)
{
	if (spool->buf.len + len <= MEMORY) {
		buf_append(&spool->buf, data, len);
		return 0;
	}
	if (write_out(spool, spool->buf.data, spool->buf.len, err) < 0)
		return -1;
	buf_reset(&spool->buf);
	if (len > MEMORY)
		return write_out(spool, data, len, err);
	buf_append(&spool->buf, data, len);
	return 0;
}

uint64_t mbox_spool_complete(struct mbox_spool *spool)
{
	spool->busy = false;
	return spool->filed + spool->buf.len;
}

int mbox_spool_read(const struct mbox_spool *spool, uint64_t at, size_t len,
		    struct buf *space, struct str *out, struct err *err)
{
	uint64_t from_file = at < spool->filed ? spool->filed - at : 0;
	char *data;

	if (from_file == 0) {
		*out = str_n(spool->buf.data + (at - spool->filed), len);
		return 0;
	}
	if (from_file > len)
		from_file = len;
	buf_reset(space);
	data = buf_space(space, len + 1);
	if (data == NULL)
		return err_set(err, ERR_LIMIT, "a part of %zu octets", len);
	if (mbox_read_at(spool->box, spool->fd, data, (size_t)from_file, at,
			 err) < 0)
		return -1;
	buf_grew(space, (size_t)from_file);
	buf_append(space, spool->buf.data, len - (size_t)from_file);
	*out = str_n(space->data, len);
	return 0;
}

void mbox_spool_end(struct driver_box *box, struct mbox_spool *spool,
		    bool complete)
{
	struct mbox_box *own = mbox_box_get(box);

	if (!complete)
		spool->busy = false;
	if (--spool->refs > 0)
		return;
	if (own->spool == spool)
		own->spool = NULL;
	mem_free(spool);
}
