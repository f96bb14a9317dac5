/* SPDX-License-Identifier: MIT */
/*
 * Odd messages give what Dovecot 2.3 gives for them; golden.py says how
 * golden.dat came about.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "mime/imap.h"
#include "mime/parse.h"

static const struct {
	const char *name;
	uint32_t path[3];
	unsigned path_len;
	enum section_kind kind;
} sections[] = {
	{"", {0}, 0, SECTION_ALL},
	{"HEADER", {0}, 0, SECTION_HEADER},
	{"TEXT", {0}, 0, SECTION_TEXT},
	{"1", {1}, 1, SECTION_ALL},
	{"1.MIME", {1}, 1, SECTION_MIME},
	{"1.HEADER", {1}, 1, SECTION_HEADER},
	{"1.TEXT", {1}, 1, SECTION_TEXT},
	{"2", {2}, 1, SECTION_ALL},
	{"2.MIME", {2}, 1, SECTION_MIME},
	{"2.HEADER", {2}, 1, SECTION_HEADER},
	{"1.1", {1, 1}, 2, SECTION_ALL},
	{"1.1.MIME", {1, 1}, 2, SECTION_MIME},
	{"1.2", {1, 2}, 2, SECTION_ALL},
	{"2.1", {2, 1}, 2, SECTION_ALL},
	{"2.1.MIME", {2, 1}, 2, SECTION_MIME},
	{"2.2", {2, 2}, 2, SECTION_ALL},
	{"1.1.1", {1, 1, 1}, 3, SECTION_ALL},
	{"1.2.1", {1, 2, 1}, 3, SECTION_ALL},
	{"2.1.1", {2, 1, 1}, 3, SECTION_ALL},
	{"3", {3}, 1, SECTION_ALL},
	{"3.MIME", {3}, 1, SECTION_MIME},
};

struct record {
	char name[100];
	struct str message, expected;
};

static bool next_record(struct str *rest, struct record *out)
{
	struct str line;
	size_t message, expected;

	if (!str_split(rest, '\n', &line) || rest->data == NULL)
		return false;
	if (sscanf(line.data, "%99s %zu %zu", out->name, &message, &expected) !=
	    3)
		fail_msg("bad record");
	assert_true(message + expected <= rest->len);
	out->message = str_n(rest->data, message);
	out->expected = str_n(rest->data + message, expected);
	*rest = str_from(*rest, message + expected);
	return true;
}

/* Literals as quoted strings: which of the two it is does not matter. */
static void add_quoted(struct str text, struct buf *out)
{
	while (text.len > 0) {
		unsigned long size;
		char *end;

		/* A '{' in a quoted string has no such end. */
		if (text.data[0] == '{') {
			size = strtoul(text.data + 1, &end, 10);
			if (strncmp(end, "}\r\n", 3) == 0) {
				text = str_from(text, end + 3 - text.data);
				buf_putc(out, '"');
				for (size_t i = 0; i < size; i++) {
					char c = text.data[i];

					if (c == '"' || c == '\\')
						buf_putc(out, '\\');
					buf_putc(out, c);
				}
				buf_putc(out, '"');
				text = str_from(text, size);
				continue;
			}
		}
		buf_putc(out, text.data[0]);
		text = str_from(text, 1);
	}
	buf_putc(out, '\n');
}

static void add_item(const char *name, struct buf *item, struct buf *out)
{
	buf_printf(out, "%s ", name);
	add_quoted(str_n(item->data, item->len), out);
	buf_reset(item);
}

static void add_section(const struct mime_message *message, struct str data,
			size_t index, struct buf *out)
{
	struct section section = {
		.path = sections[index].path,
		.path_len = sections[index].path_len,
		.kind = sections[index].kind,
	};
	CLEANUP(buf_free) struct buf text = buf_init(100000);
	uint64_t offset, len, virtual_len = 0;
	bool last_cr = false;
	uint32_t hash = 5381;

	if (section_find(message, &section, &offset, &len, &virtual_len)) {
		assert_true(offset + len <= data.len);
		crlf_append(str_n(data.data + offset, len), &last_cr, &text);
		assert_int_equal(text.len, virtual_len);
		assert_int_equal(
			crlf_size(str_n(data.data + offset, len), false),
			virtual_len);
	}
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.data[i];

		hash = hash * 33 + (c == 0 ? 0x80 : c);
	}
	buf_printf(out, "[%s] %llu %u\n", sections[index].name,
		   (unsigned long long)virtual_len, (unsigned)hash);
}

static void describe(const struct mime_message *message, struct str data,
		     struct buf *out)
{
	CLEANUP(buf_free) struct buf item = buf_init(100000);
	CLEANUP(buf_free) struct buf body = buf_init(100000);

	buf_printf(out, "SIZE %llu\n",
		   (unsigned long long)message->size.virtual);
	mime_envelope(message->root->header_text, &item);
	add_item("ENVELOPE", &item, out);
	mime_body_structure(message, true, &item);
	assert_true(mime_body_of_structure(str_n(item.data, item.len), &body));
	add_item("BODYSTRUCTURE", &item, out);
	mime_body_structure(message, false, &item);
	assert_string_equal(item.data, body.data);
	add_item("BODY", &item, out);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		add_section(message, data, i, out);
}

static const struct mime_message *parse(const void *ctx, struct str data,
					size_t piece)
{
	struct mime_parser *parser = mime_parser_new(ctx, &mime_limits_default);

	for (size_t at = 0; at < data.len; at += piece)
		mime_parser_feed(parser, data.data + at,
				 data.len - at < piece ? data.len - at : piece);
	return mime_parser_end(parser);
}

static char *read_golden(const void *ctx, size_t *len_out)
{
	const char *srcdir = getenv("srcdir");
	char *path = mem_printf(ctx, "%s/tests/unit/mime/golden.dat",
				srcdir == NULL ? "." : srcdir);
	CLEANUP(file_close) FILE *file = fopen(path, "re");
	char *data = mem_array(ctx, char, 4 << 20);

	assert_non_null(file);
	*len_out = fread(data, 1, (4 << 20) - 1, file);
	return data;
}

static void test_as_dovecot(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf out = buf_init(1000000);
	struct record record;
	size_t len, count = 0;
	char *data = read_golden(ctx, &len);
	struct str rest = str_n(data, len);

	(void)state;
	for (; next_record(&rest, &record); count++) {
		const struct mime_message *message =
			parse(ctx, record.message, SIZE_MAX / 2);

		buf_reset(&out);
		describe(message, record.message, &out);
		if (!str_equal(str_n(out.data, out.len), record.expected))
			fail_msg("%s:\n%s\nexpected:\n%.*s", record.name,
				 out.data, STR_FMT(record.expected));
	}
	assert_true(count > 800);
}

static void test_any_cut_gives_the_same_tree(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct record record;
	size_t len;
	char *data = read_golden(ctx, &len);
	struct str rest = str_n(data, len);

	(void)state;
	while (next_record(&rest, &record)) {
		CLEANUP(buf_free) struct buf whole = buf_init(1000000);
		CLEANUP(buf_free) struct buf cut = buf_init(1000000);

		mime_pack(parse(ctx, record.message, SIZE_MAX / 2), &whole);
		for (size_t piece = 1; piece < 200; piece += piece / 7 + 1) {
			buf_reset(&cut);
			mime_pack(parse(ctx, record.message, piece), &cut);
			if (whole.len != cut.len ||
			    memcmp(whole.data, cut.data, cut.len) != 0)
				fail_msg("%s in pieces of %zu", record.name,
					 piece);
		}
	}
}

static void test_packed_trees_come_back(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct record record;
	size_t len;
	char *data = read_golden(ctx, &len);
	struct str rest = str_n(data, len);

	(void)state;
	while (next_record(&rest, &record)) {
		CLEANUP(buf_free) struct buf packed = buf_init(1000000);
		CLEANUP(buf_free) struct buf again = buf_init(1000000);
		struct mime_message *message;

		mime_pack(parse(ctx, record.message, SIZE_MAX / 2), &packed);
		message = mime_unpack(ctx, str_n(packed.data, packed.len));
		assert_non_null(message);
		mime_pack(message, &again);
		assert_int_equal(again.len, packed.len);
		assert_memory_equal(again.data, packed.data, packed.len);
		for (size_t cut = 0; cut < packed.len && cut < 100; cut++)
			assert_null(mime_unpack(ctx, str_n(packed.data, cut)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_dovecot),
		cmocka_unit_test(test_any_cut_gives_the_same_tree),
		cmocka_unit_test(test_packed_trees_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
