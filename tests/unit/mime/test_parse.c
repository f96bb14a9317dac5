/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "mime/parse.h"

static struct mime_limits limits = {
	.max_depth = 5,
	.max_parts = 5,
	.max_header = 100,
	.max_header_total = 300,
};

static const struct mime_message *parse(const void *ctx, const char *text)
{
	struct mime_parser *parser = mime_parser_new(ctx, &limits);

	mime_parser_feed(parser, text, strlen(text));
	return mime_parser_end(parser);
}

static unsigned depth_of(const struct mime_message *message)
{
	unsigned depth = 0;

	for (const struct mime_part *part = message->root; part != NULL;
	     part = part->children)
		depth++;
	return depth;
}

static char *nested(const void *ctx, int levels)
{
	char *text = mem_strdup(ctx, "");

	for (int i = 0; i < levels; i++)
		text = mem_printf(ctx,
				  "%sContent-Type: multipart/mixed; "
				  "boundary=b%dx\n\n--b%dx\n",
				  text, i, i);
	return mem_printf(ctx, "%s\nbottom\n", text);
}

static void test_depth_is_bounded(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");

	(void)state;
	assert_int_equal(depth_of(parse(ctx, nested(ctx, 4))), 5);
	assert_int_equal(depth_of(parse(ctx, nested(ctx, 5))), 5);
	assert_int_equal(depth_of(parse(ctx, nested(ctx, 50))), 5);
}

static void test_enclosed_messages_are_bounded(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	char *text = mem_strdup(ctx, "");

	(void)state;
	for (int i = 0; i < 50; i++)
		text = mem_printf(ctx, "%sContent-Type: message/rfc822\n\n",
				  text);
	assert_int_equal(depth_of(parse(ctx, text)), 5);
}

static unsigned parts_of(const char *one, int count)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	char *text = mem_strdup(ctx, "Content-Type: multipart/mixed; "
				     "boundary=b\n\n");

	for (int i = 0; i < count; i++)
		text = mem_printf(ctx, "%s%s", text, one);
	return parse(ctx, text)->parts;
}

static void test_number_of_parts_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(parts_of("--b\n\nx\n", 4), 5);
	assert_int_equal(parts_of("--b\n\nx\n", 5), 5);
	assert_int_equal(parts_of("--b\n\nx\n", 50), 5);
	assert_int_equal(
		parts_of("--b\nContent-Type: message/rfc822\n\n\n", 50), 5);
}

static size_t header_kept(size_t size)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	char *text = mem_printf(ctx, "X: %*s\n\nbody\n", (int)size - 5, "");
	const struct mime_message *message = parse(ctx, text);

	assert_int_equal(message->root->header.physical, size);
	assert_int_equal(message->root->body.physical, 5);
	return message->root->header_text.len;
}

static void test_header_text_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(header_kept(99), 99);
	assert_int_equal(header_kept(100), 100);
	assert_int_equal(header_kept(101), 100);
	assert_int_equal(header_kept(1000), 100);
}

static void test_sum_of_header_texts_is_bounded(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	char *text = mem_strdup(
		ctx, "Content-Type: multipart/mixed; boundary=b\n\n");
	size_t kept = 0;
	const struct mime_message *message;

	(void)state;
	for (int i = 0; i < 4; i++)
		text = mem_printf(ctx, "%s--b\nX: %90s\n\n\n", text, "");
	message = parse(ctx, text);
	assert_int_equal(message->parts, 5);
	kept = message->root->header_text.len;
	for (const struct mime_part *part = message->root->children;
	     part != NULL; part = part->next)
		kept += part->header_text.len;
	assert_int_equal(kept, 300);
}

static void test_sizes_of_a_message_without_end(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	const struct mime_message *message = parse(ctx, "a: b\n\nx\ny\r\nz");

	(void)state;
	assert_int_equal(message->size.physical, 12);
	assert_int_equal(message->size.virtual, 15);
	assert_int_equal(message->root->body.lines, 2);
	assert_false(message->has_nul);
}

static void test_nul_is_noticed(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct mime_parser *parser = mime_parser_new(ctx, &limits);

	(void)state;
	mime_parser_feed(parser, "a: b\n\nx", 7);
	mime_parser_feed(parser, "x\0y", 3);
	assert_true(mime_parser_end(parser)->has_nul);
}

static void test_a_last_line_without_end_is_noticed(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");

	(void)state;
	assert_true(parse(ctx, "a: b\n\nx")->cut_off);
	assert_true(parse(ctx, "a: b\n\nx\r")->cut_off);
	assert_false(parse(ctx, "a: b\n\nx\n")->cut_off);
	assert_false(parse(ctx, "")->cut_off);
}

static void test_nothing_is_a_message(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	const struct mime_message *message = parse(ctx, "");

	(void)state;
	assert_int_equal(message->parts, 1);
	assert_int_equal(message->size.virtual, 0);
}

static void test_tree_outlives_the_parser(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct mime_parser *parser = mime_parser_new(NULL, &limits);
	const struct mime_message *message;

	(void)state;
	mime_parser_feed(parser, "a: b\n\nx", 7);
	message = mime_parser_end(parser);
	mem_steal(ctx, message);
	mem_free(parser);
	assert_memory_equal(message->root->header_text.data, "a: b\n\n", 6);
}

static void test_broken_packed_trees_are_refused(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf packed = buf_init(1000);

	(void)state;
	mime_pack(parse(ctx, nested(ctx, 3)), &packed);
	for (size_t i = 0; i < packed.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			struct mime_message *message;

			packed.data[i] = (char)(packed.data[i] ^ (1 << bit));
			message = mime_unpack(ctx,
					      str_n(packed.data, packed.len));
			if (message != NULL)
				assert_true(depth_of(message) <= 4);
			packed.data[i] = (char)(packed.data[i] ^ (1 << bit));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_enclosed_messages_are_bounded),
		cmocka_unit_test(test_number_of_parts_is_bounded),
		cmocka_unit_test(test_header_text_is_bounded),
		cmocka_unit_test(test_sum_of_header_texts_is_bounded),
		cmocka_unit_test(test_sizes_of_a_message_without_end),
		cmocka_unit_test(test_nul_is_noticed),
		cmocka_unit_test(test_a_last_line_without_end_is_noticed),
		cmocka_unit_test(test_nothing_is_a_message),
		cmocka_unit_test(test_tree_outlives_the_parser),
		cmocka_unit_test(test_broken_packed_trees_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
