/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/scan.c - where the mails of a file begin and end.
 *
 * A mail ends where a line that mbox_from_parse() takes for a "From " line
 * begins, or where Content-Length says, if a line end is there and such a line
 * or the end of the file behind it. One line end in front of it does not belong
 * to the mail. All as Dovecot does it.
 */
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "mime/imap.h"
#include "storage/mbox/mbox.h"

enum { PIECE = 262144, HEADER_PIECE = 8192, WINDOW_MAX = 1 << 30 };

/* A part of the file in memory. */
struct window {
	struct driver_box *box;
	int fd;
	uint64_t at, end; /* of what is in `buf`; where the file ends */
	struct buf buf;
	struct buf block; /* the header of the mail at hand */
	struct digest *md5;
};

/* At least `len` octets from `at`, or all up to the end. */
static int window_get(struct window *w, uint64_t at, size_t len,
		      struct str *out, struct err *err)
{
	uint64_t left = at < w->end ? w->end - at : 0;

	if (len > left)
		len = (size_t)left;
	if (at < w->at || at > w->at + w->buf.len) {
		buf_reset(&w->buf);
		w->at = at;
	}
	if (at + len > w->at + w->buf.len) {
		size_t have, want = len > PIECE ? len : PIECE;
		char *space;

		buf_shift(&w->buf, (size_t)(at - w->at));
		w->at = at;
		have = w->buf.len;
		if (want > left)
			want = (size_t)left;
		space = buf_space(&w->buf, want - have);
		if (space == NULL)
			return err_set(err, ERR_LIMIT, "header is too long");
		if (mbox_read_at(w->box, w->fd, space, want - have, at + have,
				 err) < 0)
			return -1;
		buf_grew(&w->buf, want - have);
	}
	*out = str_n(w->buf.data + (at - w->at),
		     w->buf.len - (size_t)(at - w->at));
	return 0;
}

/* 1 if a "From " line is at `at`. *len_out with its end. */
static int from_at(struct window *w, uint64_t at, uint32_t *len_out,
		   int64_t *time_out, struct err *err)
{
	struct str line;
	const char *newline;

	if (window_get(w, at, FROM_LINE_MAX, &line, err) < 0)
		return -1;
	if (!str_starts(line, "From "))
		return 0;
	if (line.len > FROM_LINE_MAX)
		line.len = FROM_LINE_MAX;
	newline = memchr(line.data, '\n', line.len);
	if (newline != NULL)
		line.len = (size_t)(newline - line.data);
	else if (at + line.len < w->end)
		return 0;
	*len_out = (uint32_t)line.len + (newline != NULL);
	return mbox_from_parse(line, time_out);
}

/* the header */

static bool line_is_empty(const char *at, const char *end)
{
	return at < end &&
	       (*at == '\n' || (*at == '\r' && at + 1 < end && at[1] == '\n'));
}

enum end_kind { END_NONE, END_EMPTY_LINE, END_FROM, END_CUT };

/* Where the header in `text` ends; END_NONE: not in it. A "From " in its first
 * line ends nothing. */
static enum end_kind find_header_end(struct str text, size_t max, size_t *from,
				     size_t *len_out)
{
	const char *end = text.data + text.len;
	const char *at = text.data + *from;
	int64_t ignored;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		if (line_is_empty(at, end)) {
			*len_out = (size_t)(newline + 1 - text.data);
			return END_EMPTY_LINE;
		}
		if (newline == NULL)
			break;
		if (at > text.data && *at == 'F' &&
		    mbox_from_parse(str_n(at, (size_t)(newline - at)),
				    &ignored)) {
			*len_out = (size_t)(at - text.data);
			return END_FROM;
		}
		if ((size_t)(newline + 1 - text.data) > max) {
			*len_out =
				at > text.data ? (size_t)(at - text.data) : max;
			return END_CUT;
		}
		at = newline + 1;
	}
	*from = (size_t)(at - text.data);
	if (text.len >= max) {
		*len_out = *from > 0 ? *from : max;
		return END_CUT;
	}
	return END_NONE;
}

static int get_header(struct window *w, uint64_t at, size_t max,
		      enum end_kind *kind, struct str *out, struct err *err)
{
	size_t from = 0, len = 0;
	struct str text;

	for (size_t want = HEADER_PIECE;; want *= 2) {
		if (want > max + FROM_LINE_MAX)
			want = max + FROM_LINE_MAX;
		if (window_get(w, at, want, &text, err) < 0)
			return -1;
		*kind = find_header_end(text, max, &from, &len);
		if (*kind != END_NONE)
			break;
		if (at + text.len >= w->end) {
			len = text.len;
			break;
		}
	}
	*out = str_n(text.data, len);
	return 0;
}

/* the body */

struct body {
	uint64_t at, len;
	uint64_t bare;    /* line ends without CR */
	uint64_t counted; /* up to here */
	uint32_t end_len;
	bool last_cr;
};

static void count(struct body *body, struct str text)
{
	if (text.len == 0)
		return;
	body->bare += crlf_size(text, body->last_cr) - text.len;
	body->last_cr = text.data[text.len - 1] == '\r';
	body->counted += text.len;
}

static int count_to(struct window *w, struct body *body, uint64_t end,
		    struct err *err)
{
	struct str text;

	while (body->counted < end) {
		if (window_get(w, body->counted, 1, &text, err) < 0)
			return -1;
		if (text.len > end - body->counted)
			text.len = (size_t)(end - body->counted);
		count(body, text);
	}
	body->len = end - body->at;
	return 0;
}

/* 1 if a mail begins there, or the file ends. */
static int mail_starts(struct window *w, uint64_t at, struct err *err)
{
	uint32_t len;
	int64_t time;

	return at == w->end ? 1 : from_at(w, at, &len, &time, err);
}

/* What is there, at most `len` octets, without moving the window. */
static int peek(struct window *w, uint64_t at, char *space, size_t len,
		struct str *out, struct err *err)
{
	if (len > w->end - at)
		len = (size_t)(w->end - at);
	if (at >= w->at && at + len <= w->at + w->buf.len) {
		*out = str_n(w->buf.data + (at - w->at), len);
		return 0;
	}
	*out = str_n(space, len);
	return mbox_read_at(w->box, w->fd, space, len, at, err);
}

/* 1 if Content-Length leads to the next mail. */
static int by_length(struct window *w, struct body *body, uint64_t length,
		     struct err *err)
{
	uint64_t at = body->at + length;
	char space[2 + FROM_LINE_MAX];
	struct str text;

	if (length >= w->end - body->at)
		return 0;
	if (peek(w, at, space, sizeof(space), &text, err) < 0)
		return -1;
	if (!line_is_empty(text.data, text.data + text.len))
		return 0;
	body->end_len = text.data[0] == '\r' ? 2 : 1;
	if (!mbox_starts_mail(str_from(text, body->end_len),
			      at + text.len == w->end))
		return 0;
	return count_to(w, body, at, err) < 0 ? -1 : 1;
}

/* The mail ends in front of `next`. What was counted may be one CR too far,
 * which counts nothing. */
static int end_before(struct window *w, struct body *body, uint64_t next,
		      struct err *err)
{
	uint64_t from = next - body->at > 2 ? next - 2 : body->at;
	size_t len = (size_t)(next - from);
	char text[2];

	body->end_len = 0;
	if (len > 0 && mbox_read_at(w->box, w->fd, text, len, from, err) < 0)
		return -1;
	if (len > 0 && text[len - 1] == '\n')
		body->end_len = len > 1 && text[0] == '\r' ? 2 : 1;
	if (body->counted + body->end_len > next) {
		body->len = next - body->end_len - body->at;
		return 0;
	}
	return count_to(w, body, next - body->end_len, err);
}

static int by_search(struct window *w, struct body *body, struct err *err)
{
	static const char needle[] = "\nFrom ";
	const size_t needle_len = sizeof(needle) - 1;
	/* The last line end of the header may be the one in front. */
	uint64_t at = body->at - 1;

	for (;;) {
		uint64_t next, from;
		struct str text;
		const char *hit;
		uint32_t len;
		int64_t time;
		int ret;

		if (window_get(w, at, needle_len, &text, err) < 0)
			return -1;
		hit = memmem(text.data, text.len, needle, needle_len);
		next = hit != NULL ? at + (uint64_t)(hit + 1 - text.data)
				   : at + text.len;
		/* All but what may be the end of the mail. */
		from = next > needle_len ? next - needle_len : 0;
		if (from > body->counted && count_to(w, body, from, err) < 0)
			return -1;
		if (hit == NULL) {
			if (next >= w->end)
				return end_before(w, body, w->end, err);
			at = next - (needle_len - 1);
			continue;
		}
		ret = from_at(w, next, &len, &time, err);
		if (ret < 0)
			return -1;
		if (ret > 0)
			return end_before(w, body, next, err);
		at = next;
	}
}

/* one mail */

static void keep_block(struct window *w, struct str block)
{
	buf_reset(&w->block);
	buf_add_str(&w->block, block);
}

static uint32_t empty_line_len(struct str block)
{
	return block.len > 1 && block.data[block.len - 2] == '\r' ? 2 : 1;
}

/* Where the body ends. An empty line right before the next mail, or the end, is
 * no header's, unless Content-Length says that there is a body. */
static int find_body(struct window *w, enum end_kind kind,
		     struct mbox_mail *mail, struct body *body, struct err *err)
{
	const struct mbox_header *header = &mail->header;
	int ret = 0;

	body->counted = body->at;
	if (kind != END_EMPTY_LINE && kind != END_CUT)
		return 0;
	if (header->has_content_length)
		ret = by_length(w, body, header->content_length, err);
	if (ret == 0 && kind == END_EMPTY_LINE) {
		ret = mail_starts(w, body->at, err);
		if (ret > 0) {
			body->end_len = empty_line_len(mail->block);
			mail->block.len -= body->end_len;
			body->len = 0;
		}
	}
	if (ret == 0)
		ret = by_search(w, body, err);
	return ret < 0 ? -1 : 0;
}

/* 0 if there is none. */
static int read_mail(struct window *w, const struct mbox_scan *scan,
		     uint64_t at, struct mbox_mail *mail, struct err *err)
{
	struct mbox_record *record = &mail->record;
	enum end_kind kind;
	struct body body = {0};
	struct str block;
	int ret;

	memset(mail, 0, sizeof(*mail));
	record->offset = at;
	ret = from_at(w, at, &record->from_len, &mail->received, err);
	if (ret <= 0)
		return ret;
	if (get_header(w, at + record->from_len, scan->max_header, &kind,
		       &block, err) < 0)
		return -1;
	keep_block(w, block);
	mail->block = str_n(w->block.data, w->block.len);
	body.at = at + record->from_len + mail->block.len;
	mbox_header_parse(mail->block, w->md5,
			  mbox_md5_all(scan->box->location), &mail->header);
	mail->header.pseudo &= at == 0;
	if (!scan->header_only || mail->header.pseudo) {
		size_t len = mail->block.len;

		if (find_body(w, kind, mail, &body, err) < 0)
			return -1;
		/* The empty line was counted. */
		mail->header.size -= len - mail->block.len;
		mail->header.virtual -= len == mail->block.len ? 0 : 2;
	}
	record->end_len = body.end_len;
	record->header_len = (uint32_t)mail->block.len;
	record->body_len = body.len;
	memcpy(record->md5, mail->header.md5, sizeof(record->md5));
	mail->size = mail->header.size + body.len;
	mail->virtual = mail->header.virtual + body.len + body.bare;
	return 1;
}

static int scan_all(struct window *w, struct mbox_scan *scan, struct err *err)
{
	struct mbox_mail mail;
	int ret;

	while (scan->at < w->end) {
		ret = read_mail(w, scan, scan->at, &mail, err);
		if (ret < 0)
			return -1;
		if (ret == 0)
			return err_set(err, ERR_INVALID,
				       "Mailbox isn't a valid mbox file");
		scan->at = mbox_record_end(&mail.record);
		ret = scan->fn(scan->ctx, &mail, err);
		if (ret != 0)
			return ret < 0 ? -1 : 0;
	}
	return 0;
}

int mbox_scan(struct mbox_scan *scan, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "scan");
	struct window w = {
		.box = scan->box,
		.fd = scan->fd,
		.end = scan->end,
		.buf = buf_init(WINDOW_MAX),
		.block = buf_init(WINDOW_MAX),
		.md5 = digest_new(ctx, "md5"),
	};
	int ret;

	if (w.md5 == NULL)
		return err_set(err, ERR_UNSUPPORTED, "MD5 is not to be had");
	ret = scan_all(&w, scan, err);
	buf_free(&w.buf);
	buf_free(&w.block);
	return ret;
}

bool mbox_starts_mail(struct str text, bool all)
{
	const char *newline;
	int64_t time;

	if (text.len == 0)
		return all;
	newline = memchr(text.data, '\n', text.len);
	if (newline == NULL && !all)
		return false;
	if (newline != NULL)
		text.len = (size_t)(newline - text.data);
	return mbox_from_parse(text, &time);
}

int mbox_mail_starts(const struct driver_box *box, int fd, uint64_t at,
		     uint64_t end, struct err *err)
{
	char text[FROM_LINE_MAX];
	size_t len = sizeof(text);

	if (len > end - at)
		len = (size_t)(end - at);
	if (mbox_read_at(box, fd, text, len, at, err) < 0)
		return -1;
	return mbox_starts_mail(str_n(text, len), at + len == end);
}
