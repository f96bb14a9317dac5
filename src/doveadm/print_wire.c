/* SPDX-License-Identifier: MIT */
/*
 * doveadm/print_wire.c - values on their way from a process that finds them to
 * the one that prints them: what happens, how many octets follow, and these.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "doveadm/print_internal.h"

enum { WIRE_MAX = 1 << 30 };

struct frame {
	enum print_wire kind;
	uint32_t len;
};

void print_send(struct printer *printer, FILE *out)
{
	printer->wire = out;
}

void wire_put(struct printer *printer, enum print_wire kind, struct str text)
{
	const struct frame frame = {kind, (uint32_t)text.len};

	fwrite(&frame, sizeof(frame), 1, printer->wire);
	fwrite(text.data, 1, text.len, printer->wire);
}

static int read_text(FILE *in, size_t len, struct buf *text)
{
	char piece[4096];

	buf_reset(text);
	while (text->len < len) {
		size_t want = len - text->len;
		size_t got = fread(piece, 1,
				   want < sizeof(piece) ? want : sizeof(piece),
				   in);

		if (got == 0)
			return -1;
		buf_append(text, piece, got);
	}
	return text->overflow ? -1 : 0;
}

/* False if that cannot be. */
static bool print_frame(struct printer *printer, enum print_wire kind,
			const struct buf *text)
{
	if (kind == WIRE_VALUE && !printer->in_pieces)
		print_value(printer, text->len == 0 ? "" : text->data);
	else if (kind == WIRE_PIECE && print_takes_pieces(printer))
		print_piece(printer, text->data, text->len);
	else if (kind == WIRE_PIECE_END && print_takes_pieces(printer))
		print_piece_end(printer);
	else
		return false;
	return true;
}

/* Of a process that was killed. */
static bool complete_row(struct printer *printer)
{
	bool whole = printer->filled == 0;

	if (printer->in_pieces)
		print_piece_end(printer);
	while (printer->filled > 0)
		print_value(printer, "");
	return whole;
}

int print_receive(struct printer *printer, FILE *in, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(WIRE_MAX);
	struct frame frame;
	bool good = true;

	while (good && fread(&frame, sizeof(frame), 1, in) == 1)
		good = read_text(in, frame.len, &text) == 0 &&
		       print_frame(printer, frame.kind, &text);
	good &= complete_row(printer);
	return good ? 0
		    : err_set(err, ERR_CORRUPT,
			      "Values were cut off or are none");
}
