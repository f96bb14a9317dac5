/* SPDX-License-Identifier: MIT */
/* ManageSieve commands: how they are cut makes no difference, what is kept is
 * bounded, and a string that was written is the string that is read. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "proto/managesieve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct msieve_limits limits = {.max_line = 200, .max_script = 300};

static void note(const struct msieve_parser *parser, enum msieve_parse result,
		 struct buf *out)
{
	const struct msieve_command *command = msieve_command(parser);

	buf_putc(out, (char)('0' + result));
	buf_add_str(out, command->name);
	if (result != MSIEVE_COMMAND)
		return;
	for (size_t i = 0; i < command->count && i < MSIEVE_ARGS_MAX; i++) {
		struct str text = command->args[i].text;

		if (text.len > limits.max_line + limits.max_script)
			abort();
		buf_putc(out, command->args[i].kind == MSIEVE_ATOM ? 'a' : 's');
		buf_add_str(out, text);
	}
}

static void run(struct str in, size_t piece, struct buf *out)
{
	struct msieve_parser *parser = msieve_parser_new(NULL, &limits);
	enum msieve_parse result;
	size_t used;

	while (in.len > 0) {
		size_t len = in.len < piece ? in.len : piece;

		result = msieve_feed(parser, str_n(in.data, len), &used);
		if (used == 0 || used > len ||
		    (result == MSIEVE_MORE && used < len))
			abort();
		if (result != MSIEVE_MORE)
			note(parser, result, out);
		if (result == MSIEVE_LARGE_LITERAL)
			break;
		in = str_from(in, used);
	}
	mem_free(parser);
}

static void round_trip(struct str text)
{
	CLEANUP(buf_free) struct buf line = buf_init(1 << 20);
	struct msieve_parser *parser;
	size_t used;

	if (text.len > 90)
		return;
	buf_add(&line, "X ");
	msieve_write_string(&line, text);
	buf_add(&line, "\r\n");
	parser = msieve_parser_new(NULL, &limits);
	if (msieve_feed(parser, str_n(line.data, line.len), &used) !=
		    MSIEVE_COMMAND ||
	    used != line.len || msieve_command(parser)->count != 1 ||
	    !str_equal(msieve_command(parser)->args[0].text, text))
		abort();
	mem_free(parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_free) struct buf whole = buf_init(64 << 20);
	CLEANUP(buf_free) struct buf pieces = buf_init(64 << 20);
	struct str in;

	if (size < 1)
		return 0;
	in = str_n(data + 1, size - 1);
	run(in, size, &whole);
	run(in, data[0] + 1U, &pieces);
	if (whole.len != pieces.len ||
	    memcmp(whole.data, pieces.data, whole.len) != 0)
		abort();
	round_trip(in);
	return 0;
}
