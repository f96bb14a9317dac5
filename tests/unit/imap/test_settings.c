/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"

static int teardown(void **state)
{
	(void)state;
	harness_teardown();
	return 0;
}

static void start(const char *settings)
{
	harness_setup(settings);
	harness_login();
}

#define MAIL "From: a@x.example\r\nSubject: one\r\n\r\nbody\r\n"

static void append(void)
{
	assert_non_null(strstr(
		harness_command("P", "APPEND INBOX {41+}\r\n" MAIL), "P OK "));
}

static void test_capability_can_be_added_to(void **state)
{
	(void)state;
	start("imap_capability = +XFOO XBAR\n");
	assert_non_null(strstr(harness_command("A", "CAPABILITY"),
			       " LITERAL+ XFOO XBAR\r\n"));
}

static void test_capability_can_be_replaced(void **state)
{
	(void)state;
	start("imap_capability = IMAP4rev1 IDLE\n");
	assert_string_equal(harness_command("A", "CAPABILITY"),
			    "* CAPABILITY IMAP4rev1 IDLE\r\n"
			    "A OK Capability completed.\r\n");
}

static void test_id_sends_what_is_set(void **state)
{
	(void)state;
	start("imap_id_send = name * vendor Us\n");
	assert_non_null(strstr(harness_command("A", "ID NIL"),
			       "* ID (\"name\" \"Dovetail\" \"vendor\" "
			       "\"Us\")\r\n"));
}

static void test_lines_are_bounded(void **state)
{
	char *line = malloc(300000);

	(void)state;
	start("imap_max_line_length = 10 k\n");
	assert_non_null(line);
	memset(line, 'x', 300000);
	memcpy(line, "A NOOP ", 7);
	memcpy(line + 9000, "\r\n", 2);
	harness_send(line, 9002);
	assert_string_equal(harness_expect("A "), "A OK NOOP completed.\r\n");
	memset(line + 7, 'x', 290000);
	memcpy(line + 290000, "\r\n", 2);
	harness_send(line, 290002);
	assert_non_null(strstr(harness_expect("A "),
			       "A BAD Error in IMAP command NOOP: Too long "
			       "argument."));
	assert_non_null(strstr(harness_command("A", "NOOP"), "A OK "));
	free(line);
}

static void test_literals_in_memory_are_bounded(void **state)
{
	(void)state;
	start("imap_max_line_length = 10 k\n");
	assert_string_equal(harness_command("A", "SELECT {20000}"),
			    "* BYE Literal size too large\r\n");
}

static void send_arguments(unsigned count)
{
	harness_send("A NOOP", 6);
	for (unsigned i = 0; i < count; i++)
		harness_send(" x", 2);
	harness_send("\r\n", 2);
}

static void test_arguments_are_bounded(void **state)
{
	(void)state;
	start("imap_max_arguments = 100\n");
	send_arguments(100);
	assert_non_null(strstr(harness_expect("A "), "A OK "));
	send_arguments(101);
	assert_non_null(strstr(harness_expect("A "),
			       "A BAD Error in IMAP command NOOP: "));
}

static void test_nesting_is_bounded(void **state)
{
	(void)state;
	start("imap_max_nesting = 3\n");
	assert_non_null(strstr(harness_command("A", "NOOP (((x)))"), "A OK "));
	assert_non_null(
		strstr(harness_command("A", "NOOP ((((x))))"), "A BAD "));
}

static void test_literal_minus_bounds_what_is_sent_at_once(void **state)
{
	(void)state;
	start("imap_literal_minus = yes\n");
	assert_non_null(
		strstr(harness_command("A", "CAPABILITY"), " LITERAL-\r\n"));
	harness_command("A", "APPEND INBOX {41+}\r\n" MAIL);
	assert_null(strstr(harness_command("A", "APPEND INBOX {4097+}\r\n"),
			   "A OK"));
}

static void test_new_mail_can_wait_for_noop(void **state)
{
	(void)state;
	start("imap_client_workarounds = delay-newmail\n");
	harness_command("S", "SELECT INBOX");
	append();
	assert_string_equal(harness_command("A", "STATUS Sent (MESSAGES)"),
			    "A NO Mailbox doesn't exist: Sent.\r\n");
	assert_string_equal(harness_command("A", "FETCH 1 UID"),
			    "* 1 FETCH (UID 1)\r\nA OK Fetch completed.\r\n");
	assert_string_equal(harness_command("A", "NOOP"),
			    "* 1 EXISTS\r\n* 1 RECENT\r\n"
			    "A OK NOOP completed.\r\n");
}

static void test_separators_at_the_end_can_be_passed_over(void **state)
{
	(void)state;
	start("imap_client_workarounds = tb-extra-mailbox-sep\n");
	harness_command("A", "CREATE box");
	assert_non_null(strstr(harness_command("A", "SELECT box."), "A OK "));
}

/* mails that cannot be read */

/* For the mails in cur/ and new/. */
static void each_mail(int (*fn)(const char *path))
{
	static const char *const subs[] = {"cur", "new"};
	char path[1024];
	struct dirent *entry;

	for (int i = 0; i < 2; i++) {
		int at = snprintf(path, sizeof(path), "%s/Maildir/%s",
				  harness_home(), subs[i]);
		DIR *dir = opendir(path);

		assert_non_null(dir);
		while ((entry = readdir(dir)) != NULL) {
			if (entry->d_name[0] == '.')
				continue;
			snprintf(path + at, sizeof(path) - (size_t)at, "/%s",
				 entry->d_name);
			assert_int_equal(fn(path), 0);
		}
		closedir(dir);
	}
}

static int cut(const char *path)
{
	return truncate(path, 500000);
}

static void test_mail_that_others_removed_is_nil(void **state)
{
	(void)state;
	start(NULL);
	append();
	harness_command("S", "SELECT INBOX");
	each_mail(unlink);
	assert_string_equal(harness_command("A", "FETCH 1 (UID BODY.PEEK[])"),
			    "* 1 FETCH (UID 1 BODY[] NIL)\r\n"
			    "A OK [EXPUNGEISSUED] Some messages were already "
			    "expunged.\r\n");
	assert_string_equal(harness_command("A", "NOOP"),
			    "* 1 EXPUNGE\r\n* 0 RECENT\r\n"
			    "A OK NOOP completed.\r\n");
}

/* Large enough to be sent in pieces. */
static void append_large(void)
{
	size_t size = 1000000;
	char *mail = malloc(size + 100);
	int head = snprintf(mail, 100, "P APPEND INBOX {%zu+}\r\n", size);

	assert_non_null(mail);
	memset(mail + head, 'x', size);
	for (size_t i = 70; i < size; i += 72)
		memcpy(mail + head + i, "\r\n", 2);
	memcpy(mail + head + size, "\r\n", 2);
	harness_send(mail, (size_t)head + size + 2);
	assert_non_null(strstr(harness_expect("P "), "P OK "));
	free(mail);
}

static void test_mail_that_shrinks_under_fetch_ends_the_session(void **state)
{
	(void)state;
	start(NULL);
	append_large();
	harness_command("S", "SELECT INBOX");
	harness_send("A FETCH 1 BODY.PEEK[]\r\n", 23);
	harness_run(50); /* until the socket is full */
	each_mail(cut);
	harness_expect("A ");
	assert_true(harness_ended());
}

/* clients that do not read */

static void test_slow_reader_costs_no_memory(void **state)
{
	struct mallinfo2 before, after;

	(void)state;
	start(NULL);
	for (int i = 0; i < 8; i++)
		append_large();
	harness_command("S", "SELECT INBOX");
	before = mallinfo2();
	harness_send("A FETCH 1:* BODY.PEEK[]\r\n", 25);
	harness_run(100);
	after = mallinfo2();
	assert_true(after.uordblks + after.hblkhd <
		    before.uordblks + before.hblkhd + 1000000);
	assert_non_null(strstr(harness_expect("A "), "A OK "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_teardown(name, teardown)
		T(test_capability_can_be_added_to),
		T(test_capability_can_be_replaced),
		T(test_id_sends_what_is_set),
		T(test_lines_are_bounded),
		T(test_literals_in_memory_are_bounded),
		T(test_arguments_are_bounded),
		T(test_nesting_is_bounded),
		T(test_literal_minus_bounds_what_is_sent_at_once),
		T(test_new_mail_can_wait_for_noop),
		T(test_separators_at_the_end_can_be_passed_over),
		T(test_mail_that_others_removed_is_nil),
		T(test_mail_that_shrinks_under_fetch_ends_the_session),
		T(test_slow_reader_costs_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
