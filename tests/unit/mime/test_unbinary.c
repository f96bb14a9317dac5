/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these before it. */
#include <setjmp.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "mime/parse.h"
#include "mime/unbinary.h"

static void take(void *ctx, const void *data, size_t len)
{
	buf_append(ctx, data, len);
}

static void expect(struct str in, const char *expected)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf out = buf_init(1024 * 1024);
	struct mime_parser *parser = mime_parser_new(ctx, &mime_limits_default);

	mime_parser_feed(parser, in.data, in.len);
	mime_unbinary(in, mime_parser_end(parser), take, &out);
	assert_string_equal(out.data == NULL ? "" : out.data, expected);
}

#define BINARY "Content-Transfer-Encoding: binary\r\n"
#define BASE64 "Content-Transfer-Encoding: base64\n"

static void test_lines(void **state)
{
	(void)state;
	expect(STR(""), "");
	expect(STR("Subject: x\r\n\r\na\rb\r\r\nc\nd\r\n"),
	       "Subject: x\n\na\rb\r\nc\nd\n");
	expect(STR("Subject: x\r\n\r\nno end\r"), "Subject: x\n\nno end\r");
	/* Not what the field says. */
	expect(STR("Content-Transfer-Encoding: 8bit\r\n\r\nbinary\r\n"),
	       "Content-Transfer-Encoding: 8bit\n\nbinary\n");
}

static void test_one_part(void **state)
{
	(void)state;
	expect(STR("A: b\r\ncontent-transfer-encoding :\r\n Binary (x)\r\n"
		   "C: d\r\n\r\n\r\n\0\xff\n\r"),
	       "A: b\n" BASE64 "C: d\n\nDQoA/woN\n");
	expect(STR(BINARY "\r\n"), BASE64 "\n");
	expect(STR(BINARY "\r\n" /* 58 octets */
			  "0123456789012345678901234567890123456789012345678901"
			  "234567"),
	       BASE64 "\n"
		      "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAx"
		      "MjM0NTY3ODkwMTIzNDU2\nNw==\n");
}

/* The first field of that name counts, as it does for those who read it. */
static void test_odd_fields(void **state)
{
	(void)state;
	expect(STR("Content-Transfer-Encoding: (a\r\n b) binary\r\n\r\n\r\n"),
	       BASE64 "\nDQo=\n");
	expect(STR(BINARY "A: b\r\nContent-Transfer-Encoding: 8bit\r\n" BINARY
			  "\r\n\r\n"),
	       BASE64 "A: b\n" BASE64 BASE64 "\nDQo=\n");
	expect(STR("Content-Transfer-Encoding: base64\r\n" BINARY
		   "\r\nDQo=\r\n"),
	       BASE64 "Content-Transfer-Encoding: binary\n\nDQo=\n");
	expect(STR("Content-Transfer-Encoding: binary x\r\n\r\n\r\n"),
	       "Content-Transfer-Encoding: binary x\n\n\n");
}

static void test_many_parts(void **state)
{
	(void)state;
	expect(STR("MIME-Version: 1.0\r\n" BINARY
		   "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
		   "before\r\n--x\r\n\r\ntext\r\n"
		   "--x\r\nContent-Type: image/png\r\n" BINARY "\r\na\nb\r\n"
		   "\r\n--x\r\nContent-Type: message/rfc822\r\n" BINARY "\r\n"
		   "Subject: in\r\n" BINARY "\r\n\0\r\n--x--\r\nafter\r\n"),
	       "MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n"
	       "Content-Type: multipart/mixed; boundary=x\n\n"
	       "before\n--x\n\ntext\n"
	       "--x\nContent-Type: image/png\n" BASE64 "\nYQpiDQo=\n"
	       "--x\nContent-Type: message/rfc822\n"
	       "Content-Transfer-Encoding: 8bit\n\n"
	       "Subject: in\n" BASE64 "\nAA==\n--x--\nafter\n");
	/* A header that ends at a boundary: the next part is none of its own.
	 */
	expect(STR("Content-Type: multipart/a; boundary=x\r\n\r\n--x\r\n"
		   "Content-Type: multipart/b; boundary=x\r\n" BINARY
		   "--x\r\n\r\n"),
	       "Content-Type: multipart/a; boundary=x\n\n--x\n"
	       "Content-Type: multipart/b; boundary=x\n"
	       "Content-Transfer-Encoding: 8bit\n--x\n\n");
	/* One without end. */
	expect(STR("Content-Type: multipart/mixed; "
		   "boundary=x\r\n\r\n--x\r\n" BINARY "\r\nab"),
	       "Content-Type: multipart/mixed; boundary=x\n\n--x\n" BASE64
	       "\nYWI=\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_one_part),
		cmocka_unit_test(test_odd_fields),
		cmocka_unit_test(test_many_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
