/* SPDX-License-Identifier: MIT */
/*
 * doveadm/fetch_text.c - hdr, body, text as they are stored; body.SECTION and
 * binary.SECTION as IMAP gives them.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "doveadm/fetch.h"
#include "doveadm/print.h"
#include "mime/body.h"
#include "storage/storage.h"

enum { PIECE = 32768, HEADER_MAX = 1 << 20 };

static int print_from(const struct fetch *fetch, uint64_t offset,
		      struct err *err)
{
	struct str piece;

	do {
		if (mail_text(fetch->mail, offset, PIECE, &piece, err) < 0)
			return -1;
		print_piece(fetch->printer, piece.data, piece.len);
		offset += piece.len;
	} while (piece.len > 0);
	return 0;
}

int fetch_hdr(const struct fetch *fetch, const struct fetch_field *,
	      struct err *err)
{
	struct str header;

	if (mail_header(fetch->mail, &header, err) < 0)
		return -1;
	print_piece(fetch->printer, header.data, header.len);
	return 0;
}

int fetch_body(const struct fetch *fetch, const struct fetch_field *,
	       struct err *err)
{
	struct str header;

	if (mail_header(fetch->mail, &header, err) < 0)
		return -1;
	return print_from(fetch, header.len, err);
}

int fetch_text(const struct fetch *fetch, const struct fetch_field *,
	       struct err *err)
{
	return print_from(fetch, 0, err);
}

/* sections */

/* The transfer encoding of what is in a part. */
static int part_encoding(const struct fetch *fetch,
			 const struct section *section,
			 enum transfer_encoding *out, struct err *err)
{
	struct section header = {
		.path = section->path,
		.path_len = section->path_len,
		.kind = section->path_len > 0 ? SECTION_MIME : SECTION_HEADER};
	CLEANUP(mail_stream_close) struct mail_stream *stream = NULL;
	CLEANUP(buf_free) struct buf text = buf_init(HEADER_MAX);
	char data[4096];
	uint64_t size;
	ssize_t len;

	if (mail_stream_open(NULL, fetch->mail, &header, 0, HEADER_MAX, &stream,
			     &size, err) < 0)
		return -1;
	while ((len = mail_stream_read(stream, data, sizeof(data), err)) > 0)
		buf_append(&text, data, (size_t)len);
	*out = content_encoding_parse(str_n(text.data, text.len));
	return (int)len;
}

/* Only the content itself has an encoding. */
static bool is_content(const struct section *section)
{
	return section->kind ==
	       (section->path_len > 0 ? SECTION_ALL : SECTION_TEXT);
}

static int print_stream(const struct fetch *fetch, struct mail_stream *stream,
			enum transfer_encoding encoding, struct err *err)
{
	CLEANUP(buf_free) struct buf out = buf_init((size_t)PIECE * 4);
	struct body_decoder decoder = {.encoding = encoding};
	char data[PIECE];
	ssize_t len;

	while ((len = mail_stream_read(stream, data, sizeof(data), err)) > 0) {
		body_decoder_feed(&decoder, str_n(data, (size_t)len), false,
				  &out);
		print_piece(fetch->printer, out.data, out.len);
		buf_reset(&out);
	}
	body_decoder_feed(&decoder, str_n("", 0), true, &out);
	print_piece(fetch->printer, out.data, out.len);
	return (int)len;
}

int fetch_section(const struct fetch *fetch, const struct fetch_field *field,
		  struct err *err)
{
	CLEANUP(mail_stream_close) struct mail_stream *stream = NULL;
	const struct section *section = &field->section;
	enum transfer_encoding encoding = ENCODING_NONE;
	uint64_t size;

	if ((field->binary && is_content(section) &&
	     part_encoding(fetch, section, &encoding, err) < 0) ||
	    mail_stream_open(NULL, fetch->mail, section, 0, UINT64_MAX, &stream,
			     &size, err) < 0)
		/* A part that is not there is an empty one. */
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	return print_stream(fetch, stream, encoding, err);
}
