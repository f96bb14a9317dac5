/* SPDX-License-Identifier: MIT */
/* POP3 commands, their numbers, and mails as RETR and TOP send them: what goes
 * out must end with a line of its own and show the dot that ends it nowhere
 * before, whole and in pieces. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "proto/pop3.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_lines(struct str in)
{
	CLEANUP(buf_free) struct buf out = buf_init(1 << 20);
	struct pop3_line line;
	size_t used;
	uint32_t number;
	uint64_t lines;

	while (pop3_line_next(in, 100, &line, &used) == POP3_PARSE_LINE) {
		if (used == 0 || used > in.len)
			abort();
		pop3_lang(line.args, &out);
		if (pop3_message_number(&line.args, &number, &out))
			pop3_line_count(line.args, &lines, &out);
		in = str_from(in, used);
	}
}

static void run_text(struct pop3_text text, struct str in, size_t piece,
		     struct buf *out)
{
	while (in.len > 0) {
		size_t len = in.len < piece ? in.len : piece;
		size_t put = pop3_text_put(&text, str_n(in.data, len),
					   buf_space(out, 2 * len));

		if (put > 2 * len)
			abort();
		buf_grew(out, put);
		in = str_from(in, len);
	}
	if (text.size != out->len || text.dots > text.size)
		abort();
	buf_add_str(out, pop3_text_end(&text));
}

static void check(struct str out)
{
	if (out.len == 0 || out.data[out.len - 1] != '\n' ||
	    str_starts(out, ".\r\n") || str_find(out, STR("\n.\r\n")) >= 0)
		abort();
	for (size_t i = 0; i < out.len; i++) {
		if (out.data[i] == '\n' && (i == 0 || out.data[i - 1] != '\r'))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_free) struct buf whole = buf_init(64 << 20);
	CLEANUP(buf_free) struct buf pieces = buf_init(64 << 20);
	struct pop3_text text = {.lines = UINT64_MAX};
	struct str in;

	if (size < 2)
		return 0;
	if ((data[0] & 1) != 0)
		text.lines = data[0] >> 3;
	text.no_nuls = (data[0] & 2) != 0;
	text.end_of_header = (data[0] & 4) != 0;
	in = str_n(data + 2, size - 2);
	run_lines(in);
	run_text(text, in, size, &whole);
	run_text(text, in, data[1] + 1U, &pieces);
	check(str_n(whole.data, whole.len));
	if (whole.len != pieces.len ||
	    memcmp(whole.data, pieces.data, whole.len) != 0)
		abort();
	return 0;
}
