/* SPDX-License-Identifier: MIT */
/* SMTP commands, paths, names and data, whole and in pieces. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "proto/smtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char workarounds[] = "whitespace-before-path mailbox-for-path";

static void run(struct str in, size_t piece, struct buf *out)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "fuzz");
	struct smtp_parser *parser = smtp_parser_new(ctx, 512);
	struct dot dot = {.state = DOT_LINE_START};
	bool is_data = false;

	while (in.len > 0) {
		size_t len = in.len < piece ? in.len : piece, used;
		struct smtp_path path;
		const char *problem;
		struct smtp_line line;
		uint64_t octets;
		bool last;

		if (is_data) {
			in = str_from(in, dot_feed(&dot, in.data, len, out));
			is_data = dot.state != DOT_END;
			continue;
		}
		switch (smtp_parser_feed(parser, str_n(in.data, len), &used,
					 &line)) {
		case SMTP_PARSE_MORE:
			break;
		case SMTP_PARSE_TOO_LONG:
		case SMTP_PARSE_BAD:
			buf_add(out, "bad\n");
			break;
		case SMTP_PARSE_LINE:
			buf_add_str(out, line.verb);
			buf_add_str(out, line.args);
			if (smtp_path_parse(ctx,
					    smtp_path_tolerate(ctx, line.args,
							       "FROM",
							       workarounds),
					    "FROM", &path, &problem))
				buf_add(out, path.address);
			buf_add(out, smtp_helo_clean(ctx, line.args));
			if (smtp_bdat_parse(line.args, &octets, &last) == NULL)
				buf_printf(out, "%llu%d",
					   (unsigned long long)octets, last);
			is_data = str_case_is(line.verb, "DATA");
			dot.state = DOT_LINE_START;
			break;
		}
		in = str_from(in, used);
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
