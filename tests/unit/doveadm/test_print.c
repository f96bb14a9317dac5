/* SPDX-License-Identifier: MIT */
/*
 * Rows in all forms of -f; the expected texts are what doveadm 2.3.19 writes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "doveadm/print.h"

/* What `fill` prints in `format`; malloc()ed. */
static char *print(const char *format, void (*fill)(struct printer *))
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct printer *printer = print_new(ctx, out, format);

	assert_non_null(printer);
	fill(printer);
	print_end(&printer);
	fclose(out);
	return text;
}

static void expect(const char *format, void (*fill)(struct printer *),
		   const char *expected)
{
	CLEANUP(malloc_free) char *text = print(format, fill);

	assert_string_equal(text, expected);
}

static void fields(struct printer *printer)
{
	print_column(printer, "field", "field", 0);
	print_column(printer, "value", "value", 0);
	print_value(printer, "uid");
	print_value(printer, "5000");
	print_value(printer, "quota_rule");
	print_value(printer, "*:storage=1G");
}

static void test_each_form_is_as_in_dovecot(void **state)
{
	(void)state;
	expect("flow", fields,
	       "field=uid value=5000\nfield=quota_rule value=*:storage=1G\n");
	expect("tab", fields,
	       "field\tvalue\nuid\t5000\nquota_rule\t*:storage=1G\n");
	expect("pager", fields,
	       "field: uid\nvalue: 5000\n\f\n"
	       "field: quota_rule\nvalue: *:storage=1G\n");
	expect("json", fields,
	       "[{\"field\":\"uid\",\"value\":\"5000\"},"
	       "{\"field\":\"quota_rule\",\"value\":\"*:storage=1G\"}]");
	expect("%{field} is %{value}\n", fields,
	       "uid is 5000\nquota_rule is *:storage=1G\n");
}

static void in_pieces(struct printer *printer)
{
	static const char text[] = "a\n\xc3\xbc\xe2\x82\xac\"\xff\xc3";

	print_column(printer, "uid", "uid", 0);
	print_column(printer, "text", "text", 0);
	print_column(printer, "seq", "seq", 0);
	for (unsigned row = 1; row <= 2; row++) {
		print_number(printer, row);
		for (size_t i = 0; row == 1 && i < sizeof(text) - 1; i++)
			print_piece(printer, text + i, 1);
		print_piece_end(printer);
		print_number(printer, row);
	}
}

static void test_long_values_come_in_pieces(void **state)
{
	(void)state;
	expect("flow", in_pieces,
	       "uid=1 text=a\n\xc3\xbc\xe2\x82\xac\"\xff\xc3 seq=1\n"
	       "uid=2 text= seq=2\n");
	expect("pager", in_pieces,
	       "uid: 1\ntext:\na\n\xc3\xbc\xe2\x82\xac\"\xff\xc3seq: 1\n\f\n"
	       "uid: 2\ntext:\nseq: 2\n");
	expect("tab", in_pieces,
	       "uid\ttext\tseq\n"
	       "1\ta\n\xc3\xbc\xe2\x82\xac\"\xff\xc3\t\t1\n"
	       "2\t\t2\n");
	expect("json", in_pieces,
	       "[{\"uid\":\"1\",\"text\":\"a\\n\xc3\xbc\xe2\x82\xac"
	       "\\\"\\ufffd\\ufffd\",\"seq\":\"1\"},"
	       "{\"uid\":\"2\",\"text\":\"\",\"seq\":\"2\"}]");
}

static void no_rows(struct printer *printer)
{
	print_column(printer, "username", "username", 0);
	print_column(printer, "connections", "#", 0);
	print_column(printer, "service", "proto", 0);
	print_column(printer, "pids", "(pids)", 0);
	print_column(printer, "ips", "(ips)", 0);
}

static void test_titles_are_shown_without_rows(void **state)
{
	(void)state;
	expect("flow", no_rows, "");
	expect("pager", no_rows, "");
	expect("json", no_rows, "[]");
	expect("tab", no_rows, "username\t#\tproto\t(pids)\t(ips)\n");
	expect("table", no_rows,
	       "username # proto (pids) (ips)                         \n");
}

static void who(struct printer *printer)
{
	no_rows(printer);
	print_value(printer, "bob");
	print_number(printer, 1);
	print_value(printer, "imap");
	print_value(printer, "(17414)");
	print_value(printer, "(127.0.0.1)");
	print_flush(printer);
	print_value(printer, "alice");
	print_number(printer, 2);
	print_value(printer, "imap");
	print_value(printer, "(17412 17410)");
	print_value(printer, "(127.0.0.1)");
}

static void test_a_table_keeps_the_widths_of_its_first_rows(void **state)
{
	(void)state;
	expect("table", who,
	       "username # proto (pids)  (ips)                            \n"
	       "bob      1 imap  (17414) (127.0.0.1)                      \n"
	       "alice    2 imap  (17412 17410) (127.0.0.1)"
	       "                      \n");
}

static void process(struct printer *printer)
{
	static const char *const titles[] = {
		"name",           "pid",        "available_count",
		"total_count",    "idle_start", "last_status_update",
		"last_kill_sent",
	};
	static const char *const values[] = {
		"imap", "17414", "0", "1", "0", "1795356930", "0",
	};

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		print_column(printer, titles[i], titles[i], 0);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		print_value(printer, values[i]);
}

static void test_the_last_column_gives_way_first(void **state)
{
	(void)state;
	expect("table", process,
	       "name pid   available_count total_count idle_start "
	       "last_status_update last_kill_sent\n"
	       "imap 17414 0               1           0          "
	       "1795356930         0          \n");
}

static void wide(struct printer *printer)
{
	static const char *const titles[] = {
		"Username", "mailbox",     "messages",   "recent",
		"uidnext",  "uidvalidity", "unseen",     "highestmodseq",
		"vsize",    "guid",        "firstsaved",
	};
	static const char *const values[] = {
		"bob",   "INBOX",
		"0",     "0",
		"1",     "1795356930",
		"0",     "1",
		"0",     "e2ccc31402f9026b0644000083ecc375",
		"never",
	};

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
		print_column(printer, titles[i], titles[i], 0);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		print_value(printer, values[i]);
}

static void test_a_table_that_is_too_wide_squeezes_all_columns(void **state)
{
	(void)state;
	expect("table", wide,
	       "Username mailbox messages recent uidnext uidvalidity unseen "
	       "highestmodseq vsize guid               firstsaved\n"
	       "bob    INBOX  0     0    1    1795356930 0    1       0   "
	       "e2ccc31402f9026b0644000083ecc375 never   \n");
}

static void names(struct printer *printer)
{
	print_column(printer, "username", "Username",
		     PRINT_HIDE_TITLE | PRINT_STICKY);
	print_column(printer, "mailbox", "mailbox", PRINT_HIDE_TITLE);
	print_sticky(printer, "username", "alice");
	print_value(printer, "Sub");
	print_value(printer, "INBOX");
	print_sticky(printer, "username", "bob");
	print_value(printer, "INBOX");
}

static void test_hidden_titles_and_sticky_values(void **state)
{
	(void)state;
	expect("flow", names, "alice Sub\nalice INBOX\nbob INBOX\n");
	expect("pager", names,
	       "alice\nSub\n\f\nalice\nINBOX\n\f\nbob\nINBOX\n");
	expect("tab", names,
	       "Username\tmailbox\nalice\tSub\nalice\tINBOX\nbob\tINBOX\n");
	expect("table", names,
	       "alice    Sub                                    \n"
	       "alice    INBOX                                  \n"
	       "bob      INBOX                                  \n");
	expect("json", names,
	       "[{\"username\":\"alice\",\"mailbox\":\"Sub\"},"
	       "{\"username\":\"alice\",\"mailbox\":\"INBOX\"},"
	       "{\"username\":\"bob\",\"mailbox\":\"INBOX\"}]");
}

static void odd_text(struct printer *printer)
{
	print_column(printer, "a", "a", 0);
	print_value(printer, "x\"y\\z\n\t\x01 \xc3\xa9 \xff");
}

static void test_json_is_json_whatever_the_text(void **state)
{
	(void)state;
	expect("json", odd_text,
	       "[{\"a\":\"x\\\"y\\\\z\\n\\t\\u0001 \xc3\xa9 \\ufffd\"}]");
}

static void test_a_value_stays_in_its_tab_column(void **state)
{
	(void)state;
	expect("tab", odd_text, "a\nx\"y\\z  \x01 \xc3\xa9 \xff\n");
}

static void test_an_unknown_form_is_refused(void **state)
{
	(void)state;
	assert_null(print_new(NULL, stdout, "xml"));
	assert_null(print_new(NULL, stdout, ""));
}

/* As print(), but what another printer was given is printed. */
static char *print_passed_on(const char *format,
			     void (*fill)(struct printer *))
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct printer *sender = print_new(ctx, stdout, format);
	struct printer *printer;
	FILE *wire = tmpfile(), *out;
	char *text = NULL;
	size_t len = 0;
	struct err err;

	assert_non_null(wire);
	print_send(sender, wire);
	fill(sender);
	rewind(wire);
	out = open_memstream(&text, &len);
	printer = print_new(ctx, out, format);
	fill(printer); /* its columns, and rows before these */
	assert_int_equal(print_receive(printer, wire, &err), 0);
	print_end(&printer);
	fclose(out);
	fclose(wire);
	return text;
}

static void twice(struct printer *printer)
{
	fields(printer);
	print_value(printer, "uid");
	print_value(printer, "5000");
	print_value(printer, "quota_rule");
	print_value(printer, "*:storage=1G");
}

static void test_values_of_another_process_are_printed_alike(void **state)
{
	static const char *const formats[] = {"flow", "tab", "pager", "json",
					      "table", "%{field}=%{value}\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		CLEANUP(malloc_free)
		char *text = print_passed_on(formats[i], fields);

		expect(formats[i], twice, text);
	}
}

static void receive(const char *format, const void *data, size_t len,
		    const char *expected)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	FILE *wire = tmpfile(), *out;
	struct printer *printer;
	char *text = NULL;
	size_t size = 0;
	struct err err;

	assert_non_null(wire);
	fwrite(data, 1, len, wire);
	rewind(wire);
	out = open_memstream(&text, &size);
	printer = print_new(ctx, out, format);
	print_column(printer, "a", "a", 0);
	print_column(printer, "b", "b", 0);
	assert_int_equal(print_receive(printer, wire, &err), -1);
	print_value(printer, "1");
	print_value(printer, "2");
	print_end(&printer);
	fclose(out);
	fclose(wire);
	assert_string_equal(text, expected);
	free(text);
}

static void test_a_process_that_ends_early_spoils_no_other_rows(void **state)
{
	static const uint32_t cut[] = {0, 1, 'x'}, none[] = {7, 0},
			      mixed[] = {1, 0, 0, 0}, large[] = {0, -1U};

	(void)state;
	receive("flow", cut, 9, "a=x b=\na=1 b=2\n");
	receive("flow", cut, 8, "a=1 b=2\n");
	receive("flow", none, sizeof(none), "a=1 b=2\n");
	receive("flow", mixed, sizeof(mixed), "a= b=\na=1 b=2\n");
	receive("flow", large, sizeof(large), "a=1 b=2\n");
	receive("%{a}%{b};", mixed, sizeof(mixed), "12;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_form_is_as_in_dovecot),
		cmocka_unit_test(test_long_values_come_in_pieces),
		cmocka_unit_test(test_titles_are_shown_without_rows),
		cmocka_unit_test(
			test_a_table_keeps_the_widths_of_its_first_rows),
		cmocka_unit_test(test_the_last_column_gives_way_first),
		cmocka_unit_test(
			test_a_table_that_is_too_wide_squeezes_all_columns),
		cmocka_unit_test(test_hidden_titles_and_sticky_values),
		cmocka_unit_test(test_json_is_json_whatever_the_text),
		cmocka_unit_test(test_a_value_stays_in_its_tab_column),
		cmocka_unit_test(test_an_unknown_form_is_refused),
		cmocka_unit_test(
			test_values_of_another_process_are_printed_alike),
		cmocka_unit_test(
			test_a_process_that_ends_early_spoils_no_other_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
