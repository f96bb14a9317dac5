/* SPDX-License-Identifier: MIT */
/* What Dovecot 2.3 shows, but where a comment says otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/mem.h"
#include "mime/html.h"
#include "mime/parse.h"
#include "mime/preview.h"

enum { LOOK_MAX = 256 * 1024 };

static void expect_message(struct str message, const char *expected)
{
	for (size_t cut = 0; cut <= message.len; cut += 1 + cut / 64) {
		CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
		struct mime_parser *parser =
			mime_parser_new(ctx, &mime_limits_default);
		struct str got;

		preview_new(parser, LOOK_MAX);
		mime_parser_feed(parser, message.data, cut);
		mime_parser_feed(parser, message.data + cut, message.len - cut);
		got = mime_parser_end(parser)->preview;
		assert_non_null(got.data);
		assert_string_equal(str_dup(ctx, got), expected);
	}
}

static void expect(const char *fields, struct str body, const char *expected)
{
	CLEANUP(buf_free) struct buf message = buf_init(SIZE_MAX);

	buf_printf(&message, "Subject: x\r\n%s\r\n", fields);
	buf_add_str(&message, body);
	expect_message(str_n(message.data, message.len), expected);
}

static void expect_plain(const char *text, const char *expected)
{
	expect("", str_of(text), expected);
}

static void expect_html(const char *text, const char *expected)
{
	expect("Content-Type: text/html; charset=utf-8\r\n", str_of(text),
	       expected);
}

static void test_blanks_are_folded(void **state)
{
	(void)state;
	expect_plain("  hello \t world\r\n\r\n\r\n  second   line\r\n\tthird\n",
		     "hello world second line third");
	expect_plain("a\rb\rc", "a b c");
	expect_plain(" \r\n\t\r\n", "");
	expect_plain("", "");
	expect_plain("a\xc2\xa0\xc2\xa0"
		     "b\xe2\x80\x83"
		     "c\xef\xbb\xbf"
		     "d",
		     "a\xc2\xa0\xc2\xa0"
		     "b\xe2\x80\x83"
		     "cd");
	/* Dovecot sends controls, which terminals obey. */
	expect_plain("a\x01"
		     "b\x1b[1m\x7f\xc2\x9b"
		     "c",
		     "ab[1mc");
}

static void test_only_so_many_characters(void **state)
{
	CLEANUP(buf_free) struct buf text = buf_init(SIZE_MAX);
	CLEANUP(buf_free) struct buf wanted = buf_init(SIZE_MAX);

	(void)state;
	for (int i = 0; i < 300; i++)
		buf_add(&text, "\xf0\x9f\x98\x80");
	buf_append(&wanted, text.data, (size_t)PREVIEW_MAX * 4);
	expect("Content-Type: text/plain; charset=utf-8\r\n",
	       str_n(text.data, text.len), wanted.data);
	buf_reset(&text);
	buf_reset(&wanted);
	for (int i = 0; i < PREVIEW_MAX - 1; i++)
		buf_putc(&text, 'y');
	buf_append(&wanted, text.data, text.len);
	buf_add(&text, " zzz");
	expect_plain(text.data, wanted.data);
	buf_shift(&text, 2);
	buf_shift(&wanted, 2);
	buf_add(&wanted, " zz");
	expect_plain(text.data, wanted.data);
}

static void test_quoted_lines_only_if_there_is_nothing_else(void **state)
{
	(void)state;
	expect_plain("> quoted\r\n> more\r\nreal text\r\n", "real text");
	expect_plain("X wrote:\r\n> quoted\r\n\r\nreal\r\n> q\r\nafter\r\n",
		     "X wrote: real after");
	expect_plain("> quoted line\r\n> another\r\n", ">quoted line another");
	expect_plain(">> deep\r\n>> more\r\n", ">> deep > more");
	expect_plain(" > x\r\nabc\r\n", "> x abc");
	expect_plain(">\r\n>\r\n", "");
	expect_plain("def > ghi\r\n", "def > ghi");
}

static void test_encodings_and_charsets(void **state)
{
	(void)state;
	expect("Content-Type: text/plain; charset=iso-8859-1\r\n",
	       STR("gr\xfc\xdf"
		   "e"),
	       "gr\xc3\xbc\xc3\x9f"
	       "e");
	expect("Content-Transfer-Encoding: quoted-printable\r\n",
	       STR("=C3=A4=20=20b=\r\nc"), "\xc3\xa4 bc");
	expect("Content-Transfer-Encoding: base64\r\n", STR("aMOkbGxv"),
	       "h\xc3\xa4llo");
	expect("Content-Type: text/plain; charset=utf-16le\r\n",
	       STR("h\0\xe4\0\n\0i\0"), "h\xc3\xa4 i");
	expect("Content-Type: text/plain; charset=iso-2022-jp\r\n",
	       STR("\x1b$B%F%9%H\x1b(B\r\n"),
	       "\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88");
	expect("Content-Transfer-Encoding: x-unknown\r\n", STR("abc"), "");
}

static void test_html_without_tags(void **state)
{
	(void)state;
	expect_html("<html><head><title>T</title><style>b{}</style></head>"
		    "<body><p>Hello <b>bold</b></p><p>next</p></body></html>",
		    "T Hello bold next");
	expect_html("a<br>b<br/>c<hr>d<td>g</td><td>h</td>", "a b c d g h");
	expect_html("a<!-- comment > still -->b<!doctype x> c", "ab c");
	expect_html("x<script>var a=\"</b>\";if(a<b)</script>y", "x y");
	expect_html("a<style type=\"text/css\">x{}</style>b", "a b");
	expect_html("a<stylex>x</stylex>b", "a x b");
	expect_html("a<script>var x; <b>y</b>", "a");
	expect_html("<a href=\"a>b\" title='c>d'>link</a> end", "link end");
	expect_html("<P>Hello</P><SCRIPT>x</SCRIPT >z", "Hello z");
	expect_html("hello <b world", "hello");
	expect_html("<!-- unclosed <b>x</b>", "");
	expect_html("<img alt=\"picture\">text", "text");
	/* Dovecot takes each '<' for a tag. */
	expect_html("a < b <1 <", "a < b <1 <");
}

static void test_html_entities(void **state)
{
	(void)state;
	expect_html("&lt;a&gt; &amp;amp; &quot;x&apos; &auml;&Auml; &alefsym;",
		    "<a> &amp; \"x' \xc3\xa4\xc3\x84 \xe2\x84\xb5");
	expect_html("&#65;&#x41;&#X41; &#8364; x&nbsp;y",
		    "AAA \xe2\x82\xac x\xc2\xa0y");
	/* Dovecot loses the '&' of these. */
	expect_html("AT&T a&b; &bogus; &#; &#x; &#xg; &am",
		    "AT&T a&b; &bogus; &#; &#x; &#xg; &am");
	expect_html("&#0;&#xd800;&#1114112;&#99999999999;",
		    "&#0;&#xd800;&#1114112;&#99999999999;");
	expect_html("&#128;&#150;", "\xe2\x82\xac\xe2\x80\x93");
	assert_int_equal(html_entity(STR("AElig")), 0xc6);
	assert_int_equal(html_entity(STR("zwnj")), 0x200c);
	assert_int_equal(html_entity(STR("amp")), '&');
	assert_int_equal(html_entity(STR("ampe")), 0);
	assert_int_equal(html_entity(STR("")), 0);
}

static void test_html_block_quotes(void **state)
{
	(void)state;
	expect_html("before<blockquote>q <BLOCKQUOTE>d</BLOCKQUOTE> t"
		    "</blockquote>after",
		    "before after");
	expect_html("<blockquote>quoted text</blockquote>", ">quoted text");
	expect_html("a</blockquote>b<blockquote>c", "a b");
	expect_html("a\r\n<b>&gt; q</b>\r\ntext", "a text");
}

#define MULTIPART(subtype)                                                     \
	"Content-Type: multipart/" subtype "; boundary=xx\r\n"
#define PART(type, text) "--xx\r\nContent-Type: " type "\r\n\r\n" text "\r\n"
#define END "--xx--\r\n"

static void test_which_part(void **state)
{
	(void)state;
	expect(MULTIPART("alternative"),
	       STR(PART("text/html", "<p>h</p>") PART("text/plain", "p") END),
	       "p");
	expect(MULTIPART("alternative"),
	       STR(PART("text/calendar", "C") PART("text/html", "<p>h") END),
	       "h");
	expect(MULTIPART("alternative"),
	       STR(PART("text/plain", "") PART("text/html", "<p>h</p>") END),
	       "");
	expect(MULTIPART("alternative"),
	       STR(PART("multipart/related; boundary=yy",
			"--yy\r\nContent-Type: text/html\r\n\r\nh\r\n--yy--")
			   PART("text/plain", "p") END),
	       "p");
	expect(MULTIPART("mixed"),
	       STR(PART("text/html", "<p>h</p>") PART("text/plain", "p") END),
	       "h");
	expect(MULTIPART("mixed"),
	       STR(PART("multipart/alternative; boundary=yy",
			"--yy\r\nContent-Type: text/html\r\n\r\nh\r\n--yy--")
			   PART("text/plain", "p") END),
	       "h");
	expect(MULTIPART("mixed"),
	       STR("pre\r\n" PART("image/png", "PNG") PART("text/plain", "p")
			   END),
	       "p");
	expect(MULTIPART("mixed"),
	       STR(PART("message/rfc822", "Subject: i\r\n\r\ninner")
			   PART("text/plain", "p") END),
	       "p");
	expect("Content-Type: message/rfc822\r\n", STR("Subject: i\r\n\r\nx"),
	       "");
	expect("Content-Type: image/png\r\n", STR("PNG"), "");
}

/* Each costs what its octets cost, and those are bounded. */
static void test_hostile_html_is_bounded(void **state)
{
	static const char *const pieces[] = {
		"<",
		"&",
		"<!--",
		"<a ",
		"<script>",
		"</",
		"&#",
		"<blockquote>",
		"> ",
		"<x y=\"",
		"&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"\r\n>",
	};
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		CLEANUP(buf_free) struct buf text = buf_init(SIZE_MAX);
		struct mime_parser *parser =
			mime_parser_new(ctx, &mime_limits_default);
		struct preview *preview = preview_new(parser, LOOK_MAX);

		buf_add(&text, "Content-Type: text/html\r\n\r\n");
		while (text.len < (size_t)LOOK_MAX + 100)
			buf_add(&text, pieces[i]);
		mime_parser_feed(parser, text.data, text.len);
		assert_true(preview_done(preview));
		assert_true(mime_parser_end(parser)->preview.len <=
			    PREVIEW_MAX * 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blanks_are_folded),
		cmocka_unit_test(test_only_so_many_characters),
		cmocka_unit_test(
			test_quoted_lines_only_if_there_is_nothing_else),
		cmocka_unit_test(test_encodings_and_charsets),
		cmocka_unit_test(test_html_without_tags),
		cmocka_unit_test(test_html_entities),
		cmocka_unit_test(test_html_block_quotes),
		cmocka_unit_test(test_which_part),
		cmocka_unit_test(test_hostile_html_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
