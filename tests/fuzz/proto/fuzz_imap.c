/* SPDX-License-Identifier: MIT */
/* IMAP commands: whole and in pieces they must be the same. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "proto/imap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct imap_limits limits = {
	.max_line = 300,
	.max_literal = 100,
	.max_command = 600,
	.max_args = 40,
	.max_depth = 8,
};

static bool is_append(const struct imap_command *so_far, size_t before,
		      void *ctx)
{
	(void)ctx;
	return before > 0 && str_case_is(so_far->name, "APPEND");
}

static void note_args(const void *ctx, const struct imap_arg *arg,
		      struct buf *out)
{
	for (; arg->kind != IMAP_ARG_END; arg++) {
		struct range_set set = range_set_init(ctx);
		int64_t when;
		int zone;

		buf_printf(out, " %d:", arg->kind);
		buf_add_str(out, arg->text);
		imap_sequence_set(arg->text, 7, &set);
		imap_date_time(arg->text, &when, &zone);
		imap_write_astring(out, arg->text);
		if (arg->kind == IMAP_ARG_LIST)
			note_args(ctx, arg->list, out);
	}
}

static void run(struct str in, size_t piece, struct buf *out)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "fuzz");
	struct imap_parser *parser = imap_parser_new(ctx, &limits);

	imap_parser_set_stream(parser, is_append, NULL);
	while (in.len > 0) {
		size_t used;
		enum imap_parse result = imap_parser_feed(
			parser, str_n(in.data, in.len < piece ? in.len : piece),
			&used);

		in = str_from(in, used);
		if (result == IMAP_PARSE_MORE)
			continue;
		buf_printf(out, "\n%d %s", result, imap_parser_problem(parser));
		if (result == IMAP_PARSE_FATAL)
			return;
		if (result == IMAP_PARSE_COMMAND || result == IMAP_PARSE_STREAM)
			note_args(ctx, imap_parser_command(parser)->args, out);
		if (result == IMAP_PARSE_STREAM)
			imap_parser_resume(parser); /* as if of no octets */
		else if (result != IMAP_PARSE_CONTINUE)
			imap_parser_reset(parser);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_free) struct buf whole = buf_init(64 << 20);
	CLEANUP(buf_free) struct buf pieces = buf_init(64 << 20);

	if (size < 1)
		return 0;
	run(str_n(data + 1, size - 1), size, &whole);
	run(str_n(data + 1, size - 1), data[0] + 1U, &pieces);
	if (whole.len != pieces.len ||
	    (whole.len > 0 && memcmp(whole.data, pieces.data, whole.len) != 0))
		abort();
	return 0;
}
