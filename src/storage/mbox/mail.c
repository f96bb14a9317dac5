/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/mail.c - reading one mail.
 *
 * Others may have moved it since the index looked: what is there must have its
 * UID, or its MD5, and end where a mail ends. If not, the file is searched.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/mbox/mbox.h"
#include "storage/user.h"

enum {
	BLOCK_MAX = 1 << 30,
	PIECE = 65536,
	AT_ONCE = 131072,
	LARGE_KEPT = 4194304,
};

struct reading {
	struct driver_box *box;
	int fd;
	uint64_t size; /* of the file */
	uint32_t uid;
	struct mbox_record record;
	struct buf buf;
	struct str block; /* the header, in `buf` */
	struct str body;  /* likewise; data is NULL if it was not read */
	bool found;
};

/* whether it is there */

static bool is_it(const struct reading *reading,
		  const struct mbox_header *header)
{
	if (header->pseudo && reading->record.offset == 0)
		return false;
	/* What the index knows better may be of another mailbox. */
	if (header->uid != 0 && !reading->record.dirty)
		return header->uid == reading->uid;
	return memcmp(header->md5, reading->record.md5, sizeof(header->md5)) ==
	       0;
}

static int parse_block(struct reading *reading, struct mbox_header *out,
		       struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;

	mbox_header_parse(reading->block, NULL, false, out);
	if (out->uid != 0 && !reading->record.dirty)
		return 0;
	ctx = mem_ctx(NULL, "md5");
	mbox_header_parse(reading->block, digest_new(ctx, "md5"),
			  mbox_md5_all(reading->box->location), out);
	(void)err;
	return 0;
}

/* The header, or all of a mail that is not too large with what follows it, as
 * the record says. */
static int read_there(struct reading *reading, uint64_t end, size_t *len_out,
		      struct err *err)
{
	const struct mbox_record *record = &reading->record;
	uint64_t len = record->from_len + (uint64_t)record->header_len;
	uint64_t more = reading->size - end;
	char *space;

	if (end - record->offset <= AT_ONCE)
		len = end - record->offset +
		      (more < FROM_LINE_MAX ? more : FROM_LINE_MAX);
	space = buf_space(&reading->buf, (size_t)len + 1);
	if (space == NULL)
		return err_set(err, ERR_LIMIT, "the header is too long");
	if (mbox_read_at(reading->box, reading->fd, space, (size_t)len,
			 record->offset, err) < 0)
		return -1;
	buf_grew(&reading->buf, (size_t)len);
	*len_out = (size_t)len;
	return 0;
}

/* 1 with the header in `block` if the record tells where the mail is. */
static int look_there(struct reading *reading, struct err *err)
{
	const struct mbox_record *record = &reading->record;
	uint64_t end = mbox_record_end(record);
	struct mbox_header header;
	struct str text;
	size_t len = 0;

	if (end > reading->size || record->from_len < strlen("From "))
		return 0;
	if (read_there(reading, end, &len, err) < 0)
		return -1;
	text = str_n(reading->buf.data, len);
	if (!str_starts(text, "From "))
		return 0;
	reading->block =
		str_n(text.data + record->from_len, record->header_len);
	if (parse_block(reading, &header, err) < 0)
		return -1;
	if (!is_it(reading, &header))
		return 0;
	if (end - record->offset > AT_ONCE)
		return mbox_mail_starts(reading->box, reading->fd, end,
					reading->size, err);
	reading->body = str_n(reading->block.data + record->header_len,
			      (size_t)record->body_len);
	return mbox_starts_mail(str_from(text, (size_t)(end - record->offset)),
				record->offset + len == reading->size);
}

static int compare(void *ctx, const struct mbox_mail *mail, struct err *err)
{
	struct reading *reading = ctx;

	(void)err;
	if (!is_it(reading, &mail->header))
		return 0;
	reading->record = mail->record;
	buf_reset(&reading->buf);
	buf_add_str(&reading->buf, mail->block);
	reading->block = str_n(reading->buf.data, reading->buf.len);
	reading->found = true;
	return 1;
}

static int search(struct reading *reading, struct err *err)
{
	struct mbox_scan scan = {
		.box = reading->box,
		.fd = reading->fd,
		.end = reading->size,
		.max_header = (size_t)reading->box->location->settings
				      ->mail_max_header_size,
		.fn = compare,
		.ctx = reading,
	};

	reading->body = (struct str){NULL, 0};
	if (reading->size > 0 && mbox_scan(&scan, err) < 0 &&
	    err->code != ERR_INVALID)
		return -1;
	return reading->found;
}

/* What moved one mail has moved those behind it as far. */
static int look_shifted(struct reading *reading, int64_t shift, struct err *err)
{
	const uint64_t at = reading->record.offset;
	int ret;

	if (shift == 0 || (shift < 0 && at < (uint64_t)-shift))
		return 0;
	reading->record.offset = at + (uint64_t)shift;
	buf_reset(&reading->buf);
	ret = look_there(reading, err);
	if (ret == 0)
		reading->record.offset = at;
	return ret;
}

/* Searched for, but in the same file only one is. */
static int look_around(struct reading *reading, struct mbox_box *own,
		       const struct stat *st, struct err *err)
{
	int ret = MBOX_PLACES_UNKNOWN;

	if (!reading->record.dirty && mbox_same_time(&own->searched, st))
		ret = mbox_places_find(reading->box, own, st, reading->uid,
				       &reading->record, err);
	own->searched = *st;
	if (ret == MBOX_PLACES_FOUND) {
		buf_reset(&reading->buf);
		ret = look_there(reading, err);
		return ret == 0 ? search(reading, err) : ret;
	}
	return ret == MBOX_PLACES_UNKNOWN ? search(reading, err) : ret;
}

static int find(struct reading *reading, struct mbox_box *own, struct err *err)
{
	int64_t *shift = &own->shift;
	const uint64_t at = reading->record.offset;
	struct stat st;
	int ret;

	if (fstat(reading->fd, &st) < 0)
		return err_sys(err, "fstat(%s)", reading->box->path);
	reading->size = (uint64_t)st.st_size;
	ret = look_there(reading, err);
	if (ret == 0)
		ret = look_shifted(reading, *shift, err);
	if (ret == 0)
		ret = look_around(reading, own, &st, err);
	if (ret > 0 && reading->record.offset != at)
		*shift = (int64_t)(reading->record.offset - at);
	if (ret == 0)
		return err_set(err, ERR_EXPUNGED, "%s: UID %u is gone",
			       reading->box->path, reading->uid);
	return ret < 0 ? -1 : 0;
}

/* its text */

static uint64_t body_at(const struct mbox_record *record)
{
	return record->offset + record->from_len + record->header_len;
}

static int read_small(struct reading *reading, struct buf *out, struct err *err)
{
	size_t len = (size_t)reading->record.body_len;
	char *space;

	mbox_header_visible(reading->block, out);
	if (reading->body.data != NULL) {
		buf_add_str(out, reading->body);
		return 0;
	}
	space = buf_space(out, len + 1);
	if (space == NULL)
		return err_set(err, ERR_LIMIT, "the mail is too long");
	if (mbox_read_at(reading->box, reading->fd, space, len,
			 body_at(&reading->record), err) < 0)
		return -1;
	buf_grew(out, len);
	return 0;
}

/* A client may take its time to read a large mail, in which others may move it:
 * they get a copy. */
static int copy_large(struct reading *reading, int fd, uint64_t start,
		      uint64_t *size_out, struct err *err)
{
	CLEANUP(buf_free) struct buf buf = buf_init(BLOCK_MAX);
	uint64_t left = reading->record.body_len, at = start;
	uint64_t from = body_at(&reading->record);

	mbox_header_visible(reading->block, &buf);
	for (;;) {
		size_t take = left < PIECE ? (size_t)left : PIECE;

		if (mbox_write_at(reading->box, fd, buf.data, buf.len, at,
				  err) < 0)
			return -1;
		at += buf.len;
		if (left == 0)
			break;
		buf_reset(&buf);
		if (mbox_read_at(reading->box, reading->fd,
				 buf_space(&buf, take), take, from, err) < 0)
			return -1;
		buf_grew(&buf, take);
		from += take;
		left -= take;
	}
	*size_out = at - start;
	return 0;
}

static int give_large(struct mbox_box *own, struct driver_mail_file *out,
		      struct err *err)
{
	out->fd = fcntl(own->large_fd, F_DUPFD_CLOEXEC, 0);
	if (out->fd < 0)
		return err_sys(err, "dup()");
	out->offset = own->large_at;
	out->len = own->large_size;
	return 0;
}

/* Behind the one before, which somebody may still read, for a new file costs
 * more than to copy the mail to it. */
static int read_large(struct reading *reading, struct mbox_box *own,
		      struct driver_mail_file *out, struct err *err)
{
	own->large_uid = 0;
	own->large_at += own->large_size;
	own->large_size = 0;
	if (own->large_at > LARGE_KEPT)
		fd_close(&own->large_fd);
	if (own->large_fd < 0) {
		own->large_fd = mbox_temp_file(reading->box->location, err);
		own->large_at = 0;
	}
	if (own->large_fd < 0 ||
	    copy_large(reading, own->large_fd, own->large_at, &own->large_size,
		       err) < 0) {
		/* With what it takes of a full disk. */
		fd_close(&own->large_fd);
		return -1;
	}
	own->large_uid = reading->uid;
	own->large_box = reading->box->id;
	return give_large(own, out, err);
}

static int read_sender(struct reading *reading, struct buf *out,
		       struct err *err)
{
	const struct mbox_record *record = &reading->record;
	char line[FROM_LINE_MAX];
	size_t len = record->from_len < sizeof(line) ? record->from_len
						     : sizeof(line);

	if (mbox_read_at(reading->box, reading->fd, line, len, record->offset,
			 err) < 0)
		return -1;
	buf_add_str(out, mbox_from_sender(str_n(line, len)));
	return 0;
}

static int read_mail(struct reading *reading, struct mbox_box *own,
		     struct driver_mail_file *out, struct err *err)
{
	uint64_t len = reading->block.len + reading->record.body_len;

	if (out->text == NULL || len >= out->text->max)
		return read_large(reading, own, out, err);
	out->fd = -1;
	return read_small(reading, out->text, err);
}

/* A write that was interrupted must be finished before mails are where the
 * index, or anybody, looks for them. Where that can't be done, they are read as
 * they are. */
static int lock_whole(struct driver_box *box, struct mbox_box *own,
		      struct mbox_lock *lock, struct err *err)
{
	if (mbox_lock(box, own->fd, MBOX_READ, lock, err) < 0)
		return -1;
	if (!own->writable || !mbox_journal_exists(box))
		return 0;
	mbox_unlock(lock);
	if (mbox_lock(box, own->fd, MBOX_WRITE, lock, err) < 0)
		return -1;
	return mbox_journal_exists(box) &&
			       mbox_journal_recover(box, own->fd, err) < 0
		       ? -1
		       : 0;
}

int mbox_open_mail(struct driver_box *box, struct index_record *record,
		   struct driver_mail_file *out, struct err *err)
{
	CLEANUP(mbox_unlock) struct mbox_lock lock = {.fd = -1};
	struct reading reading = {.box = box, .uid = record->uid};
	struct mbox_box *own;
	struct stat st;
	int ret;

	if (!mbox_record_get(record, &reading.record))
		return driver_bad_record(box, record->uid, err);
	own = mbox_box_get(box);
	if (out->sender == NULL && own->large_fd >= 0 &&
	    own->large_uid == record->uid && own->large_box == box->id)
		return give_large(own, out, err);
	if (mbox_file(box, &own, &st, err) < 0 ||
	    lock_whole(box, own, &lock, err) < 0)
		return -1;
	reading.fd = own->fd;
	reading.buf = buf_init(BLOCK_MAX);
	ret = find(&reading, own, err);
	if (ret == 0 && out->sender != NULL)
		ret = read_sender(&reading, out->sender, err);
	if (ret == 0)
		ret = read_mail(&reading, own, out, err);
	buf_free(&reading.buf);
	return ret;
}

/* All that can be known was known when it was found. */
int mbox_look(struct driver_box *box, struct index_record *record,
	      struct err *err)
{
	(void)box;
	(void)err;
	if (record->received == INDEX_TIME_UNKNOWN)
		record->received = 0;
	if (record->saved == INDEX_TIME_UNKNOWN)
		record->saved = 0;
	return 0;
}

char *mbox_guid(const void *ctx, const struct index_record *record)
{
	CLEANUP(buf_free) struct buf hex = buf_init(64);
	struct mbox_record data;

	if (!mbox_record_get(record, &data))
		return mem_strdup(ctx, "");
	for (size_t i = 0; i < sizeof(data.md5); i++)
		buf_printf(&hex, "%02x", data.md5[i]);
	return buf_steal(ctx, &hex);
}

/* A mail without any of those fields has the digest of nothing. */
char *mbox_special(const void *ctx, const struct index_record *record,
		   enum mail_special what)
{
	return what == MAIL_HEADER_MD5 ? mbox_guid(ctx, record) : NULL;
}
