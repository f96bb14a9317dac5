/* SPDX-License-Identifier: MIT */
#include "storage/mail.h"

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "mime/header.h"
#include "mime/preview.h"
#include "storage/cache_policy.h"
#include "storage/core.h"
#include "storage/mailbox.h"
#include "storage/reader.h"
#include "storage/save_core.h"

enum { PIECE = 65536, HEADER_PIECE = 8192 };

void mail_mime_limits(const struct mail_settings *settings,
		      struct mime_limits *out)
{
	out->max_depth = settings->mail_max_mime_depth;
	out->max_parts = settings->mail_max_mime_parts;
	out->max_header = (size_t)settings->mail_max_header_size;
	out->max_header_total = out->max_header * 5;
	out->max_preview = (size_t)settings->mail_preview_max_read;
}

static TALLOC_CTX *mail_ctx(struct mail_reader *reader)
{
	if (reader->mail_ctx == NULL)
		reader->mail_ctx = mem_ctx(reader, "mail");
	return reader->mail_ctx;
}

/* the tree */

/* All of the text, or until `preview` is done. */
static int feed(struct mail_reader *reader, struct mime_parser *parser,
		const struct preview *preview, struct err *err)
{
	CLEANUP(buf_free) struct buf buf = buf_init(PIECE + 1);
	uint64_t at = 0;

	while (preview == NULL || !preview_done(preview)) {
		struct str piece;

		if (text_get(reader->text, at, PIECE, &buf, &piece, err) < 0)
			return -1;
		if (piece.len == 0)
			return 0;
		mime_parser_feed(parser, piece.data, piece.len);
		at += piece.len;
	}
	return 0;
}

static void learn_all(struct mail_reader *reader)
{
	struct learnt *learnt = reader_learnt(reader);

	cached_make(learnt, reader->message, &learnt->cached);
	reader->learnt_bytes += cached_size(&learnt->cached);
}

int reader_parse(struct mail_reader *reader, struct err *err)
{
	struct mime_limits limits;
	struct mime_parser *parser;

	if (reader->parsed)
		return 0;
	if (reader_text(reader, err) < 0)
		return -1;
	mail_mime_limits(&reader->box->user->settings, &limits);
	parser = mime_parser_new(mail_ctx(reader), &limits);
	preview_new(parser, limits.max_preview);
	if (feed(reader, parser, NULL, err) < 0)
		return -1;
	reader->message = mime_parser_end(parser);
	reader->parsed = reader->parses = true;
	reader_sizes(reader, reader->message->size.physical,
		     reader->message->size.virtual);
	learn_all(reader);
	return 0;
}

/* One from the cache that does not fit the file is a wrong one. */
int reader_parts(struct mail_reader *reader, const struct mime_message **out,
		 struct err *err)
{
	struct str packed;

	if (reader_text(reader, err) < 0)
		return -1;
	if (reader->message == NULL &&
	    reader_cached(reader, INDEX_PARTS, &packed)) {
		const struct mime_message *message =
			mime_unpack(mail_ctx(reader), packed);

		if (message != NULL &&
		    message->size.physical == reader->text->len)
			reader->message = message;
	}
	if (reader->message == NULL && reader_parse(reader, err) < 0)
		return -1;
	*out = reader->message;
	return 0;
}

/* what IMAP asks for */

int mail_times(const struct mail *mail, int64_t *received_out,
	       int64_t *saved_out, struct err *err)
{
	struct mail_reader *reader = mail->reader;

	if (reader_times(reader, err) < 0)
		return -1;
	*received_out = reader->record.received;
	*saved_out = reader->record.saved;
	return 0;
}

int mail_size(const struct mail *mail, uint64_t *octets_out, struct err *err)
{
	struct mail_reader *reader = mail->reader;
	const struct mime_message *message;

	if (reader_record(reader, err) < 0)
		return -1;
	if (reader->record.size_virtual == UINT64_MAX) {
		if (reader_parts(reader, &message, err) < 0)
			return -1;
		reader_sizes(reader, message->size.physical,
			     message->size.virtual);
	}
	*octets_out = reader->record.size_virtual;
	return 0;
}

/* Read on until the header ends, or what is looked at of it does. */
int reader_header(struct mail_reader *reader, struct str *out, struct err *err)
{
	size_t max = (size_t)reader->box->user->settings.mail_max_header_size;
	struct str piece;
	size_t want, end;

	if (reader_head(reader, HEADER_PIECE, err) < 0)
		return -1;
	for (want = HEADER_PIECE;; want *= 4) {
		if (want > max)
			want = max;
		if (text_get(reader->text, 0, want, &reader->out, &piece, err) <
		    0)
			return -1;
		end = header_end(piece);
		if (end > 0 || piece.len < want || want == max)
			break;
	}
	*out = str_n(piece.data, end > 0 ? end : piece.len);
	return 0;
}

int mail_header(const struct mail *mail, struct str *out, struct err *err)
{
	return reader_header(mail->reader, out, err);
}

int mail_text(const struct mail *mail, uint64_t offset, size_t len,
	      struct str *out, struct err *err)
{
	struct mail_reader *reader = mail->reader;

	if (len > PIECE)
		len = PIECE;
	if (reader_text(reader, err) < 0 ||
	    text_get(reader->text, offset, len, &reader->out, out, err) < 0)
		return -1;
	if (out->len == 0 && len > 0 && offset < reader->text->len)
		return err_set(err, ERR_TEMPORARY,
			       "the mail's file became shorter");
	return 0;
}

void mail_size_is(const struct mail *mail, uint64_t octets)
{
	struct mail_reader *reader = mail->reader;
	struct err err;

	if (reader->text != NULL && reader_record(reader, &err) == 0)
		reader_sizes(reader, reader->text->len, octets);
}

int mail_size_physical(const struct mail *mail, uint64_t *octets_out,
		       struct err *err)
{
	struct mail_reader *reader = mail->reader;

	if (reader_record(reader, err) < 0)
		return -1;
	if (reader->record.size_physical == UINT64_MAX &&
	    reader_text(reader, err) < 0)
		return -1;
	*octets_out = reader->record.size_physical != UINT64_MAX
			      ? reader->record.size_physical
			      : reader->text->len;
	return 0;
}

/* The header is enough, unless the structure of mails is asked for, too. */
static int make_envelope(struct mail_reader *reader, struct str *out,
			 struct err *err)
{
	struct str header;

	if (reader_text(reader, err) < 0)
		return -1;
	if (reader->parses && reader->text->fd < 0) {
		if (reader_parse(reader, err) < 0)
			return -1;
		if (reader_cached(reader, INDEX_ENVELOPE, out))
			return 0;
	}
	if (reader_header(reader, &header, err) < 0)
		return -1;
	buf_reset(&reader->out);
	mime_envelope(header, &reader->out);
	*out = str_n(reader->out.data, reader->out.len);
	if (!reader->parsed)
		reader_learn(reader, INDEX_ENVELOPE, *out);
	return 0;
}

int mail_envelope(const struct mail *mail, struct str *out, struct err *err)
{
	if (reader_cached(mail->reader, INDEX_ENVELOPE, out))
		return 0;
	return make_envelope(mail->reader, out, err);
}

/* From the one that is known. */
static bool known_structure(struct mail_reader *reader, bool extended,
			    struct str *out)
{
	struct str structure;

	if (!reader_cached(reader, INDEX_BODY_STRUCTURE, &structure))
		return false;
	if (extended) {
		*out = structure;
		return true;
	}
	buf_reset(&reader->out);
	if (!mime_body_of_structure(structure, &reader->out))
		return false;
	*out = str_n(reader->out.data, reader->out.len);
	return true;
}

int mail_body_structure(const struct mail *mail, bool extended, struct str *out,
			struct err *err)
{
	struct mail_reader *reader = mail->reader;

	if (known_structure(reader, extended, out))
		return 0;
	if (reader_parse(reader, err) < 0)
		return -1;
	if (known_structure(reader, extended, out))
		return 0;
	buf_reset(&reader->out); /* too long to be kept */
	mime_body_structure(reader->message, extended, &reader->out);
	*out = str_n(reader->out.data, reader->out.len);
	return 0;
}

/* The preview alone, from no more than it takes. */
static int read_preview(struct mail_reader *reader, struct str *out,
			struct err *err)
{
	struct mime_limits limits;
	struct mime_parser *parser;
	struct preview *preview;

	if (reader_text(reader, err) < 0)
		return -1;
	mail_mime_limits(&reader->box->user->settings, &limits);
	parser = mime_parser_new(mail_ctx(reader), &limits);
	preview = preview_new(parser, limits.max_preview);
	if (feed(reader, parser, preview, err) < 0)
		return -1;
	*out = mime_parser_end(parser)->preview;
	reader_learn(reader, INDEX_PREVIEW, *out);
	return 0;
}

int mail_preview(const struct mail *mail, bool lazy, struct str *out,
		 struct err *err)
{
	struct mail_reader *reader = mail->reader;
	struct str parts;

	*out = str_n(NULL, 0);
	if (reader->parsed) {
		*out = reader->message->preview;
		return 0;
	}
	if (reader_cached(reader, INDEX_PREVIEW, out)) {
		if (out->data == NULL)
			*out = STR("");
		return 0;
	}
	if (lazy)
		return 0;
	if (reader_cached(reader, INDEX_PARTS, &parts))
		return read_preview(reader, out, err);
	/* All of it will be asked for some day. */
	if (reader_parse(reader, err) < 0)
		return -1;
	*out = reader->message->preview;
	return 0;
}

/* The header of a part (BODY[2.HEADER.FIELDS (...)]), filtered. */
static int part_fields(struct mail_reader *reader,
		       const struct section *section, struct buf *out,
		       struct err *err)
{
	const struct mime_message *message;
	uint64_t offset, len, virtual;
	struct str header;

	if (reader_parts(reader, &message, err) < 0)
		return -1;
	if (!section_find(message, section, &offset, &len, &virtual))
		return err_set(err, ERR_NOT_FOUND, "no such part");
	if (len > reader->box->user->settings.mail_max_header_size)
		len = reader->box->user->settings.mail_max_header_size;
	if (text_get(reader->text, offset, (size_t)len, &reader->out, &header,
		     err) < 0)
		return -1;
	section_filter(section, header, out);
	return 0;
}

/* Keep them for the next time, with those that are kept already. */
static void learn_fields(struct mail_reader *reader, struct str header,
			 struct str value, const char *const *fields)
{
	CLEANUP(buf_free) struct buf kept = buf_init(CACHE_HEADERS_MAX);
	char *names = cached_headers_names(mail_ctx(reader), value, fields);

	if (names == NULL || !cache_keeps_headers(reader->box, fields))
		return;
	cached_headers_make(header, names, &kept);
	if (!kept.overflow)
		reader_learn(reader, INDEX_HEADERS, str_n(kept.data, kept.len));
}

bool reader_cached_fields(struct mail_reader *reader, const char *const *fields,
			  struct str *value_out, struct str *header_out)
{
	bool found = reader_cached(reader, INDEX_HEADERS, value_out);

	if (reader->noted != fields[0]) {
		reader->noted = fields[0];
		for (size_t i = 0; fields[i] != NULL; i++) {
			if (!cached_headers_is_usual(fields[i]) &&
			    cache_keeps_headers(reader->box, fields))
				cache_asked_header(reader->box, fields[i]);
		}
	}
	return found && cached_headers_get(*value_out, fields, header_out);
}

int mail_header_fields(const struct mail *mail, const struct section *section,
		       struct buf *out, struct err *err)
{
	struct mail_reader *reader = mail->reader;
	struct str value = {NULL, 0}, header;

	if (section->path_len > 0)
		return part_fields(reader, section, out, err);
	if (section->kind == SECTION_HEADER_FIELDS &&
	    reader_cached_fields(reader, section->fields, &value,
				 &header)) {
		section_filter(section, header, out);
		return 0;
	}
	if (reader_header(reader, &header, err) < 0)
		return -1;
	if (section->kind == SECTION_HEADER_FIELDS)
		learn_fields(reader, header, value, section->fields);
	section_filter(section, header, out);
	return 0;
}

int mail_guid(const void *ctx, const struct mail *mail, char **out,
	      struct err *err)
{
	struct mail_reader *reader = mail->reader;

	if (reader_record(reader, err) < 0)
		return -1;
	*out = reader->box->disk->location->driver->guid(ctx, &reader->record);
	return 0;
}
