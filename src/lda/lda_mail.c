/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "delivery/deliver.h"
#include "delivery/spool.h"
#include "lda/lda.h"
#include "mime/address.h"
#include "mime/header.h"
#include "mime/parse.h"

enum { PIECE = 64 * 1024, FROM_LINE_MAX = 8192 };

struct reader {
	struct lda *lda;
	int fd;
	const char *name;
	bool seen_first;  /* the first line is known */
	bool last_cr;     /* CR at the end of the last piece */
	struct buf first; /* what may become a From_ line */
	struct buf lines; /* with LF only */
};

/* "From sender date": who that was. */
static void take_sender(struct lda *lda, struct str line)
{
	struct str rest = str_from(line, 5), word;

	if (lda->from == NULL && str_word(&rest, &word))
		lda->from = str_dup(lda, word);
}

static int write_lines(struct reader *reader, struct str in, struct err *err)
{
	buf_reset(&reader->lines);
	while (in.len > 0) {
		const char *cr = memchr(in.data, '\r', in.len);
		size_t plain = cr == NULL ? in.len : (size_t)(cr - in.data);

		if (reader->last_cr && in.data[0] != '\n')
			buf_putc(&reader->lines, '\r');
		reader->last_cr = cr != NULL;
		buf_append(&reader->lines, in.data, plain);
		in = str_from(in, cr == NULL ? plain : plain + 1);
	}
	return spool_write(reader->lda->spool, reader->lines.data,
			   reader->lines.len, err);
}

/* Whether enough is there to tell a From_ line from a field. */
static bool first_known(const struct reader *reader, bool end)
{
	struct str first = str_n(reader->first.data, reader->first.len);
	size_t len = first.len < 5 ? first.len : 5;

	return end || memcmp(first.data, "From ", len) != 0 ||
	       str_find_char(first, '\n') >= 0 || first.len >= FROM_LINE_MAX;
}

static int take_first(struct reader *reader, bool end, struct err *err)
{
	struct str first;
	ptrdiff_t newline;

	if (!first_known(reader, end))
		return 0;
	first = str_n(reader->first.data, reader->first.len);
	reader->seen_first = true;
	newline = str_find_char(first, '\n');
	if (str_starts(first, "From ") && newline >= 0) {
		take_sender(reader->lda, str_n(first.data, newline));
		first = str_from(first, newline + 1);
	}
	return write_lines(reader, first, err);
}

static int take_piece(struct reader *reader, struct str piece, struct err *err)
{
	if (reader->seen_first)
		return write_lines(reader, piece, err);
	buf_add_str(&reader->first, piece);
	return take_first(reader, false, err);
}

/* Return-Path, if nothing else tells of the sender. */
static void take_return_path(struct lda *lda)
{
	struct header_field field;
	struct address *list;
	size_t count;

	if (lda->from != NULL ||
	    !header_find(spool_header(lda->spool), "Return-Path", &field))
		return;
	address_parse(lda, field.value, 1, &list, &count);
	if (count > 0)
		lda->from = address_written(lda, &list[0]);
}

static int read_all(struct reader *reader, struct err *err)
{
	CLEANUP(buf_free) struct buf piece = buf_init(PIECE);
	char *space = buf_space(&piece, PIECE);
	ssize_t got;

	while ((got = read(reader->fd, space, PIECE)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(err, "read(%s)", reader->name);
		if (take_piece(reader, str_n(space, (size_t)got), err) < 0)
			return -1;
	}
	if (!reader->seen_first && take_first(reader, true, err) < 0)
		return -1;
	if (reader->last_cr &&
	    spool_write(reader->lda->spool, "\r", 1, err) < 0)
		return -1;
	return spool_end(reader->lda->spool, err);
}

int lda_read(struct lda *lda, struct err *err)
{
	struct mime_limits limits;
	CLEANUP(fd_close) int file = -1;
	struct reader reader = {
		.lda = lda,
		.fd = STDIN_FILENO,
		.name = "stdin",
		.first = buf_init(FROM_LINE_MAX + PIECE),
		.lines = buf_init(FROM_LINE_MAX + 2 * PIECE),
	};
	int ret;

	mail_mime_limits(&lda->mail, &limits);
	lda->spool =
		spool_new(lda, STR(""), lda->mail.mail_temp_dir, 0, &limits);
	if (lda->options.path != NULL) {
		file = open(lda->options.path, O_RDONLY | O_CLOEXEC);
		if (file < 0)
			return err_sys(err, "open(%s)", lda->options.path);
		reader.fd = file;
		reader.name = lda->options.path;
	}
	ret = read_all(&reader, err);
	if (ret == 0)
		take_return_path(lda);
	buf_free(&reader.first);
	buf_free(&reader.lines);
	return ret;
}
