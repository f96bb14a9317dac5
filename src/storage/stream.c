/* SPDX-License-Identifier: MIT */
/*
 * storage/stream.c - sections of mails as clients see them, with CRLF.
 *
 * The size is told before the first octet goes out (RFC 3501 section 4.3), so a
 * stream gives exactly as many, or fails.
 */
#include <string.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "mime/header.h"
#include "storage/core.h"
#include "storage/mailbox.h"
#include "storage/reader.h"

enum {
	STREAM_PIECE = 32768,
	STREAM_HEAD = 8192, /* a mail that is no longer is read at once */
	FIELDS_MAX = 64 * 1048576,
};

struct mail_stream {
	struct mail_stream *prev, *next; /* of the mailbox */
	struct mailbox *box;             /* NULL once it was closed */
	struct text *text; /* NULL: all is in `made` from the start */
	struct buf piece;  /* read from the file */
	struct buf made;   /* with CRLF, to be given */
	size_t made_at;
	uint64_t at, end; /* in the text */
	uint64_t skip;    /* octets with CRLF before the first wanted one */
	uint64_t left;    /* octets to give */
	bool crlf;        /* the text has CRLF as it is */
	struct stream_place place;
};

void stream_detach(struct mail_stream *stream)
{
	DL_DELETE(stream->box->streams, stream);
	stream->box = NULL;
}

static int stream_destroy(struct mail_stream *stream)
{
	if (stream->box != NULL)
		stream_detach(stream);
	text_unref(&stream->text);
	buf_free(&stream->piece);
	buf_free(&stream->made);
	return 0;
}

void mail_stream_close(struct mail_stream **stream)
{
	mem_free(*stream);
	*stream = NULL;
}

static struct mail_stream *stream_new(const void *ctx, struct mailbox *box)
{
	struct mail_stream *stream = mem_new(ctx, struct mail_stream);

	stream->box = box;
	DL_APPEND(box->streams, stream);
	stream->piece = buf_init(STREAM_PIECE + 1);
	stream->made = buf_init(FIELDS_MAX);
	talloc_set_destructor(stream, stream_destroy);
	return stream;
}

/* The part of `size` octets that <offset.length> leaves. */
static void set_partial(struct mail_stream *stream, uint64_t size,
			uint64_t offset, uint64_t length)
{
	if (offset > size)
		offset = size;
	stream->skip = offset;
	stream->left = size - offset;
	if (stream->left > length)
		stream->left = length;
}

static int open_fields(struct mail_stream *stream, const struct mail *mail,
		       const struct section *section, uint64_t offset,
		       uint64_t length, struct err *err)
{
	if (mail_header_fields(mail, section, &stream->made, err) < 0)
		return -1;
	if (stream->made.overflow)
		return err_set(err, ERR_LIMIT, "the header is too long");
	set_partial(stream, stream->made.len, offset, length);
	stream->made_at = (size_t)stream->skip;
	stream->skip = 0;
	return 0;
}

struct extent {
	uint64_t offset, len, virtual;
};

static void measure(const struct text *text, struct extent *extent)
{
	extent->virtual = crlf_size(
		str_n(text->buf.data + extent->offset, (size_t)extent->len),
		false);
}

/* All of the mail; what the index says of its size is put right. */
static int find_all(struct mail_reader *reader, struct extent *out,
		    struct err *err)
{
	const struct mime_message *message;

	*out = (struct extent){.len = reader->text->len};
	if (reader->text->fd < 0) {
		measure(reader->text, out);
	} else {
		if (reader_parts(reader, &message, err) < 0)
			return -1;
		out->virtual = message->size.virtual;
	}
	if (reader_record(reader, err) == 0)
		reader_sizes(reader, out->len, out->virtual);
	return 0;
}

/* What most clients want: all of a mail that is in memory. It is converted at
 * once, for to measure it takes as long. */
static void open_whole(struct mail_stream *stream, struct mail_reader *reader)
{
	const struct text *text = reader->text;
	bool last_cr = false;
	struct err err;

	crlf_append(str_n(text->buf.data, (size_t)text->len), &last_cr,
		    &stream->made);
	if (reader_record(reader, &err) == 0)
		reader_sizes(reader, text->len, stream->made.len);
	stream->left = stream->made.len;
}

static int find_part(struct mail_reader *reader, const struct section *section,
		     struct extent *out, struct err *err)
{
	const struct mime_message *message;

	if (reader_parts(reader, &message, err) < 0)
		return -1;
	if (!section_find(message, section, &out->offset, &out->len,
			  &out->virtual))
		return err_set(err, ERR_NOT_FOUND, "no such part");
	if (out->offset > reader->text->len ||
	    out->len > reader->text->len - out->offset)
		return err_set(err, ERR_CORRUPT,
			       "the index knows parts that the mail has not");
	if (reader->text->fd < 0)
		measure(reader->text, out);
	return 0;
}

static int find_extent(struct mail_reader *reader,
		       const struct section *section, struct extent *out,
		       struct err *err)
{
	if (section->path_len == 0 && section->kind == SECTION_ALL)
		return find_all(reader, out, err);
	if (reader->text->fd < 0 && section->path_len == 0 &&
	    (section->kind == SECTION_HEADER ||
	     section->kind == SECTION_TEXT)) {
		struct str text = str_n(reader->text->buf.data,
					(size_t)reader->text->len);
		size_t end = header_end(text);

		if (end == 0)
			end = text.len;
		if (section->kind == SECTION_HEADER)
			*out = (struct extent){.len = end};
		else
			*out = (struct extent){end, text.len - end, 0};
		measure(reader->text, out);
		return 0;
	}
	return find_part(reader, section, out, err);
}

/* Go on where the last stream on this section stopped, if that is before the
 * first wanted octet. */
static void take_place(struct mail_stream *stream)
{
	const struct stream_place *last = &stream->box->place;

	if (last->uid != stream->place.uid ||
	    last->start != stream->place.start ||
	    last->virtual > stream->skip ||
	    last->physical > stream->end - stream->at)
		return;
	stream->place = *last;
	stream->at += last->physical;
	stream->skip -= last->virtual;
}

static void take_text(struct mail_stream *stream, const struct mail *mail,
		      uint64_t start, uint64_t end)
{
	stream->text = mail->reader->text;
	stream->text->users++;
	stream->at = start;
	stream->end = end;
	stream->place.uid = mail->uid;
	stream->place.start = start;
}

/* 1 if the mail has the piece for sure, for with CRLF it only gets longer: then
 * no more is read and measured than is given. 0 if that is not known. */
static int open_inside(struct mail_stream *stream, const struct mail *mail,
		       const struct section *section, uint64_t offset,
		       uint64_t length, struct err *err)
{
	struct mail_reader *reader = mail->reader;

	if (section->path_len > 0 || section->kind != SECTION_ALL ||
	    length == UINT64_MAX)
		return 0;
	if (reader_head(reader, STREAM_HEAD, err) < 0)
		return -1;
	if (length > reader->text->len || offset > reader->text->len - length)
		return 0;
	take_text(stream, mail, 0, reader->text->len);
	stream->skip = offset;
	stream->left = length;
	take_place(stream);
	return 1;
}

static int open_extent(struct mail_stream *stream, const struct mail *mail,
		       const struct section *section, uint64_t offset,
		       uint64_t length, struct err *err)
{
	struct mail_reader *reader = mail->reader;
	struct extent extent;
	int ret = open_inside(stream, mail, section, offset, length, err);

	if (ret != 0)
		return ret < 0 ? -1 : 0;
	if (reader_text(reader, err) < 0)
		return -1;
	if (section->path_len == 0 && section->kind == SECTION_ALL &&
	    reader->text->fd < 0 && offset == 0 &&
	    length >= 2 * TEXT_MEMORY_MAX) {
		open_whole(stream, reader);
		return 0;
	}
	if (find_extent(reader, section, &extent, err) < 0)
		return -1;
	take_text(stream, mail, extent.offset, extent.offset + extent.len);
	stream->crlf = extent.len == extent.virtual;
	set_partial(stream, extent.virtual, offset, length);
	if (stream->crlf) {
		stream->at += stream->skip;
		stream->skip = 0;
	} else {
		take_place(stream);
	}
	return 0;
}

int mail_stream_open(const void *ctx, const struct mail *mail,
		     const struct section *section, uint64_t offset,
		     uint64_t length, struct mail_stream **out,
		     uint64_t *size_out, struct err *err)
{
	struct mail_stream *stream = stream_new(ctx, mail->reader->box);
	bool fields = section->kind == SECTION_HEADER_FIELDS ||
		      section->kind == SECTION_HEADER_FIELDS_NOT;
	int ret;

	if (fields)
		ret = open_fields(stream, mail, section, offset, length, err);
	else
		ret = open_extent(stream, mail, section, offset, length, err);
	if (ret < 0) {
		mem_free(stream);
		return -1;
	}
	*out = stream;
	*size_out = stream->left;
	return 0;
}

/* Convert a piece; where it begins is where the next stream may start. */
static void convert(struct mail_stream *stream, struct str piece)
{
	if (stream->box != NULL)
		stream->box->place = stream->place;
	crlf_append(piece, &stream->place.last_cr, &stream->made);
	stream->place.physical += piece.len;
	stream->place.virtual += stream->made.len;
}

static int next_piece(struct mail_stream *stream, struct err *err)
{
	struct str piece = {NULL, 0};
	uint64_t room = stream->end - stream->at;
	size_t drop;

	if (stream->text == NULL || room == 0)
		return err_set(err, ERR_TEMPORARY,
			       "the mail is shorter than it was");
	if (room > stream->skip + stream->left) /* CRLF makes no less of it */
		room = stream->skip + stream->left;
	if (text_get(stream->text, stream->at,
		     room < STREAM_PIECE ? (size_t)room : STREAM_PIECE,
		     &stream->piece, &piece, err) < 0)
		return -1;
	if (piece.len == 0)
		return err_set(err, ERR_TEMPORARY,
			       "the mail's file became shorter");
	buf_reset(&stream->made);
	if (stream->crlf)
		buf_add_str(&stream->made, piece);
	else
		convert(stream, piece);
	stream->at += piece.len;
	drop = stream->skip < stream->made.len ? (size_t)stream->skip
					       : stream->made.len;
	stream->made_at = drop;
	stream->skip -= drop;
	return 0;
}

ssize_t mail_stream_read(struct mail_stream *stream, char *data, size_t room,
			 struct err *err)
{
	size_t take;

	if (stream->left == 0 || room == 0)
		return 0;
	while (stream->made_at == stream->made.len) {
		if (next_piece(stream, err) < 0)
			return -1;
	}
	take = stream->made.len - stream->made_at;
	if (take > room)
		take = room;
	if (take > stream->left)
		take = (size_t)stream->left;
	memcpy(data, stream->made.data + stream->made_at, take);
	stream->made_at += take;
	stream->left -= take;
	return (ssize_t)take;
}
