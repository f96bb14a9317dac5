/* SPDX-License-Identifier: MIT */
/*
 * storage/text.c - the octets of one mail: small ones in memory, large ones
 * read as they are needed.
 */
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/reader.h"

enum { TEXT_KEEP_MAX = 16384 };

static int text_destroy(struct text *text)
{
	fd_close(&text->fd);
	buf_free(&text->buf);
	return 0;
}

void text_unref(struct text **text)
{
	if (*text != NULL && --(*text)->users == 0)
		mem_free(*text);
	*text = NULL;
}

void text_rest(struct mailbox *box)
{
	if (box->spare != NULL &&
	    (box->spare->buf.cap > TEXT_KEEP_MAX || box->spare->fd >= 0))
		text_unref(&box->spare);
}

/* Nobody's but the mailbox's: its memory serves the next mail. */
static struct text *text_new(struct mailbox *box)
{
	struct text *text = box->spare;

	if (text == NULL || text->users > 1) {
		text_unref(&box->spare);
		text = mem_new(NULL, struct text);
		talloc_set_destructor(text, text_destroy);
		text->buf = buf_init(TEXT_MEMORY_MAX + 1);
		text->fd = -1;
		text->users = 1;
		box->spare = text;
	}
	buf_reset(&text->buf);
	fd_close(&text->fd);
	text->users++;
	return text;
}

static int read_at(int fd, void *data, size_t len, uint64_t at, size_t *got,
		   struct err *err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)data + done, len - done,
				  (off_t)(at + done));

		if (n < 0)
			return err_sys(err, "read(mail)");
		if (n == 0)
			break;
		done += (size_t)n;
	}
	*got = done;
	return 0;
}

/* Into memory, if it fits there. */
static int read_all(struct text *text, struct err *err)
{
	size_t got;
	char *space;

	if (text->fd < 0 || text->len > TEXT_MEMORY_MAX)
		return 0;
	space = buf_space(&text->buf, (size_t)text->len + 1);
	if (read_at(text->fd, space, (size_t)text->len, text->offset, &got,
		    err) < 0)
		return -1;
	fd_close(&text->fd);
	buf_grew(&text->buf, got);
	text->len = got;
	text->offset = 0;
	return 0;
}

static int text_open(struct mail_reader *reader, struct err *err)
{
	struct driver_box *disk = reader->box->disk;
	struct driver_mail_file file = {.fd = -1};
	struct text *text;

	if (reader->text != NULL)
		return 0;
	if (reader_record(reader, err) < 0)
		return -1;
	text = text_new(reader->box);
	file.text = &text->buf;
	if (disk->location->driver->open_mail(disk, &reader->record, &file,
					      err) < 0) {
		text_unref(&text);
		return -1;
	}
	text->fd = file.fd;
	text->offset = file.fd < 0 ? 0 : file.offset;
	text->len = file.fd < 0 ? text->buf.len : file.len;
	/* A large one's file stays, and is not for the next mail. */
	if (text->fd >= 0 && text->len > TEXT_MEMORY_MAX)
		text_unref(&reader->box->spare);
	reader->text = text;
	return 0;
}

int reader_text(struct mail_reader *reader, struct err *err)
{
	return text_open(reader, err) < 0 ? -1 : read_all(reader->text, err);
}

int reader_head(struct mail_reader *reader, size_t len, struct err *err)
{
	if (text_open(reader, err) < 0)
		return -1;
	return reader->text->len > len ? 0 : read_all(reader->text, err);
}

int text_get(struct text *text, uint64_t at, size_t len, struct buf *buf,
	     struct str *out, struct err *err)
{
	size_t got;
	char *space;

	if (at > text->len)
		at = text->len;
	if (len > text->len - at)
		len = (size_t)(text->len - at);
	if (text->fd < 0) {
		*out = str_n(text->buf.data + at, len);
		return 0;
	}
	buf_reset(buf);
	space = buf_space(buf, len + 1);
	if (space == NULL)
		return err_set(err, ERR_LIMIT, "a piece of %zu octets", len);
	if (read_at(text->fd, space, len, text->offset + at, &got, err) < 0)
		return -1;
	buf_grew(buf, got);
	*out = str_n(buf->data, got);
	return 0;
}
