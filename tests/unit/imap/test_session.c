/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "harness.h"

static int setup(void **state)
{
	(void)state;
	harness_setup(NULL);
	harness_login();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	harness_teardown();
	return 0;
}

#define MAIL "From: a@x.example\r\nSubject: one\r\n\r\nbody\r\n"

static void append(const char *mailbox, const char *flags, const char *mail)
{
	char command[4096];

	snprintf(command, sizeof(command), "APPEND %s %s {%zu+}\r\n%s", mailbox,
		 flags, strlen(mail), mail);
	assert_non_null(strstr(harness_command("P", command), "P OK "));
}

static void test_select_tells_all_of_an_empty_mailbox(void **state)
{
	(void)state;
	assert_string_equal(
		harness_command("A", "SELECT INBOX"),
		"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"
		"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen "
		"\\Draft \\*)] Flags permitted.\r\n"
		"* 0 EXISTS\r\n"
		"* 0 RECENT\r\n"
		"* OK [UIDVALIDITY 0] UIDs valid\r\n"
		"* OK [UIDNEXT 1] Predicted next UID\r\n"
		"* OK [HIGHESTMODSEQ ~0] Highest\r\n"
		"* OK [MAILBOXID (0)] Mailbox ID\r\n"
		"A OK [READ-WRITE] Select completed.\r\n");
}

static void test_commands_without_mailbox_are_refused(void **state)
{
	static const char *const commands[] = {
		"FETCH 1 FLAGS", "STORE 1 FLAGS (x)", "SEARCH ALL", "COPY 1 x",
		"MOVE 1 x",      "EXPUNGE",           "CLOSE",      "UNSELECT",
		"CHECK",         "UID EXPUNGE 1"};

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		assert_non_null(strstr(harness_command("A", commands[i]),
				       "A BAD No mailbox selected."));
}

static void test_fetch_answers_in_dovecots_order(void **state)
{
	(void)state;
	append("INBOX", "(\\Flagged $Foo)", MAIL);
	harness_command("S", "SELECT INBOX");
	assert_string_equal(
		harness_command("A", "FETCH 1 (BODY.PEEK[TEXT] UID FLAGS "
				     "RFC822.SIZE)"),
		"* 1 FETCH (UID 1 FLAGS (\\Flagged \\Recent $Foo) RFC822.SIZE "
		"41 BODY[TEXT] {6}\r\nbody\r\n)\r\n"
		"A OK Fetch completed.\r\n");
	assert_string_equal(
		harness_command("A", "FETCH 1 (RFC822.TEXT)"),
		"* 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent $Foo) RFC822.TEXT "
		"{6}\r\nbody\r\n)\r\nA OK Fetch completed.\r\n");
	assert_string_equal(harness_command("A", "UID FETCH 1 FLAGS"),
			    "* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen \\Recent "
			    "$Foo))\r\nA OK Fetch completed.\r\n");
}

static void test_partial_sections(void **state)
{
	(void)state;
	append("INBOX", "()", MAIL);
	harness_command("S", "SELECT INBOX");
	assert_non_null(strstr(harness_command("A", "FETCH 1 BODY.PEEK[]<6.4>"),
			       "* 1 FETCH (BODY[]<6> {4}\r\na@x.)\r\n"));
	assert_non_null(
		strstr(harness_command("A", "FETCH 1 BODY.PEEK[]<999.4>"),
		       "* 1 FETCH (BODY[]<999> {0}\r\n)\r\n"));
	assert_non_null(
		strstr(harness_command("A", "FETCH 1 BODY.PEEK[HEADER.FIELDS "
					    "(subject)]<2.7>"),
		       "* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT)]<2> {7}\r\n"
		       "bject: )\r\n"));
}

static void test_errors_name_command_and_cause(void **state)
{
	static const struct {
		const char *command, *answer;
	} cases[] = {
		{"FOO", "Error in IMAP command FOO: Unknown command"},
		{"UID NOOP", "Error in IMAP command UID NOOP: Unknown command"},
		{"FETCH 2 FLAGS",
		 "Error in IMAP command FETCH: Invalid messageset"},
		{"FETCH 1 BLA",
		 "Error in IMAP command FETCH: Unknown parameter: BLA"},
		{"FETCH 1 ()",
		 "Error in IMAP command FETCH: FETCH list is empty"},
		{"FETCH 1 BODY[MIME]",
		 "Error in IMAP command FETCH: Invalid BODY[..] section"},
		{"FETCH 1 BODY[",
		 "Error in IMAP command FETCH: Invalid BODY[..] parameter: "
		 "Missing ']'"},
		{"STORE 1 FLAGS (\\Bla)",
		 "Error in IMAP command STORE: Invalid system flag \\BLA"},
		{"SEARCH BLA",
		 "Error in IMAP command SEARCH: Unknown argument BLA"},
		{"SEARCH OR SEEN",
		 "Error in IMAP command SEARCH: Missing argument"},
		{"STATUS INBOX (X)",
		 "Error in IMAP command STATUS: Invalid status item X"},
		{"LIST (X) \"\" *",
		 "Error in IMAP command LIST: Unknown select options"},
	};

	(void)state;
	append("INBOX", "()", MAIL);
	harness_command("S", "SELECT INBOX");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char want[200];

		snprintf(want, sizeof(want), "A BAD %s.", cases[i].answer);
		assert_non_null(
			strstr(harness_command("A", cases[i].command), want));
	}
}

static void test_too_many_wrong_commands_end_the_session(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		assert_non_null(strstr(harness_command("A", "X"), "A BAD "));
	assert_string_equal(harness_command("A", "X"),
			    "* BYE Too many invalid IMAP commands.\r\n");
}

static void test_append_reads_the_literal_of_a_refused_message(void **state)
{
	(void)state;
	assert_non_null(
		strstr(harness_command("A", "APPEND nobox {6+}\r\nB NOOP"),
		       "A NO [TRYCREATE] Mailbox doesn't exist: nobox."));
	assert_non_null(strstr(
		harness_command("A", "APPEND INBOX (\\Bla) {6+}\r\nB NOOP"),
		"A BAD Error in IMAP command APPEND: Invalid system flag "
		"\\BLA."));
	assert_non_null(strstr(
		harness_command("A", "APPEND INBOX {3+}\r\nabc {0+}\r\n"),
		"A NO Can't save a zero byte message."));
	assert_non_null(strstr(harness_command("A", "STATUS INBOX (MESSAGES)"),
			       "(MESSAGES 0)"));
}

static void test_append_of_several(void **state)
{
	(void)state;
	assert_string_equal(harness_command("A",
					    "APPEND INBOX {3+}\r\nabc (\\Seen) "
					    "\"23-Jul-2020 19:30:24 +0900\" "
					    "{2+}\r\nxy"),
			    "A OK [APPENDUID 0 1:2] Append completed.\r\n");
	harness_command("S", "EXAMINE INBOX");
	assert_non_null(strstr(harness_command("A", "FETCH 1:2 (FLAGS BODY[])"),
			       "* 1 FETCH (FLAGS (\\Recent) BODY[] {3}\r\nabc)"
			       "\r\n* 2 FETCH (FLAGS (\\Seen \\Recent) BODY[] "
			       "{2}\r\nxy)\r\n"));
}

static void test_waiting_client_is_told_to_go_on(void **state)
{
	(void)state;
	harness_send("A APPEND INBOX {3}\r\n", 20);
	assert_string_equal(harness_expect("+ "), "+ OK\r\n");
	harness_send("abc\r\n", 5);
	assert_string_equal(harness_expect("A "),
			    "A OK [APPENDUID 0 1] Append completed.\r\n");
}

static void test_store_tells_only_what_changed(void **state)
{
	(void)state;
	append("INBOX", "(\\Seen)", MAIL);
	append("INBOX", "()", MAIL);
	harness_command("S", "SELECT INBOX");
	assert_string_equal(harness_command("A", "STORE 1:2 +FLAGS (\\Seen)"),
			    "* 2 FETCH (FLAGS (\\Seen \\Recent))\r\n"
			    "A OK Store completed.\r\n");
	assert_string_equal(harness_command("A", "STORE 1 FLAGS (new)"),
			    "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen "
			    "\\Draft new)\r\n"
			    "* OK [PERMANENTFLAGS (\\Answered \\Flagged "
			    "\\Deleted \\Seen \\Draft new \\*)] Flags "
			    "permitted.\r\n"
			    "* 1 FETCH (FLAGS (\\Recent new))\r\n"
			    "A OK Store completed.\r\n");
	assert_string_equal(harness_command("A", "STORE 1 -FLAGS.SILENT (new)"),
			    "A OK Store completed.\r\n");
}

static void test_expunge_counts_down(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		append("INBOX", i % 2 == 0 ? "(\\Deleted)" : "()", MAIL);
	harness_command("S", "SELECT INBOX");
	assert_string_equal(harness_command("A", "EXPUNGE"),
			    "* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n* 2 RECENT\r\n"
			    "A OK Expunge completed.\r\n");
}

static void test_search_results(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		append("INBOX", i == 2 ? "(\\Seen)" : "()", MAIL);
	harness_command("S", "SELECT INBOX");
	assert_non_null(strstr(harness_command("A", "SEARCH UNSEEN"),
			       "* SEARCH 1 2 4 5\r\n"));
	assert_non_null(
		strstr(harness_command("A", "UID SEARCH RETURN (MIN MAX COUNT "
					    "ALL SAVE) UNSEEN"),
		       "* ESEARCH (TAG \"A\") UID MIN 1 MAX 5 ALL 1:2,4:5 "
		       "COUNT 4\r\n"));
	assert_non_null(
		strstr(harness_command("A", "SEARCH NOT $"), "* SEARCH 3\r\n"));
	assert_non_null(strstr(harness_command("A", "SEARCH NOT (OR 1 $)"),
			       "* SEARCH 3\r\n"));
	assert_non_null(
		strstr(harness_command("A", "SEARCH CHARSET foo TEXT x"),
		       "A NO [BADCHARSET] Unknown charset."));
}

/* NOT and OR nest without parentheses, which the parser would count. */
static void test_search_nesting_is_bounded(void **state)
{
	char command[20000];
	int len = snprintf(command, sizeof(command), "SEARCH");

	(void)state;
	harness_command("S", "SELECT INBOX");
	for (int i = 0; i < 50; i++)
		len += snprintf(command + len, sizeof(command) - (size_t)len,
				" NOT");
	snprintf(command + len, sizeof(command) - (size_t)len, " SEEN");
	assert_non_null(strstr(harness_command("A", command), "A OK "));
	for (int i = 0; i < 1000; i++)
		len += snprintf(command + len, sizeof(command) - (size_t)len,
				" NOT");
	snprintf(command + len, sizeof(command) - (size_t)len, " SEEN");
	assert_non_null(strstr(harness_command("A", command),
			       "A BAD Error in IMAP command SEARCH: Too "
			       "deeply nested."));
}

static void test_idle_tells_at_once_and_ends_with_done(void **state)
{
	(void)state;
	harness_command("S", "SELECT INBOX");
	harness_send("I IDLE\r\n", 8);
	assert_string_equal(harness_expect("+ "), "+ idling\r\n");
	harness_run(20);
	harness_send("DONE\r\n", 6);
	assert_string_equal(harness_expect("I "), "I OK Idle completed.\r\n");
	harness_send("I IDLE\r\n", 8);
	harness_expect("+ ");
	harness_send("NOOP\r\n", 6);
	assert_non_null(strstr(harness_expect("I "), "I BAD Expected DONE."));
}

static void test_logout_says_bye_first(void **state)
{
	(void)state;
	assert_string_equal(harness_command("A", "LOGOUT"),
			    "* BYE Logging out\r\n"
			    "A OK Logout completed.\r\n");
	harness_run(20);
	assert_true(harness_ended());
}

/* the whole of a session */

static const char script[] =
	"a1 CREATE box\r\n"
	"a2 APPEND box (\\Seen foo) {41+}\r\n" MAIL " {3+}\r\nabc\r\n"
	"a3 SELECT box\r\n"
	"a4 FETCH 1:* (UID FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[])\r\n"
	"a5 UID FETCH 1:* (BODY[HEADER.FIELDS (Subject)])\r\n"
	"a6 STORE 1 +FLAGS (\\Deleted bar)\r\n"
	"a7 SEARCH OR DELETED SUBJECT {3+}\r\none\r\n"
	"a8 COPY 1:2 INBOX\r\n"
	"a9 EXPUNGE\r\n"
	"b1 MOVE 1 INBOX\r\n"
	"b2 LIST \"\" * RETURN (STATUS (MESSAGES UNSEEN))\r\n"
	"b3 LSUB \"\" *\r\n"
	"b4 IDLE\r\nDONE\r\n"
	"b5 BLA\r\n"
	"b6 FETCH 1 (\r\n"
	"b7 SELECT INBOX\r\n"
	"b8 STORE 1:* +FLAGS.SILENT (\\Deleted)\r\n"
	"b9 CLOSE\r\n"
	"c1 DELETE box\r\n"
	"c2 NAMESPACE\r\n"
	"c3 ID NIL\r\n"
	"c4 LOGOUT\r\n";

static void test_any_cut_gives_the_same(void **state)
{
	char *first;

	(void)state;
	harness_send(script, strlen(script));
	first = strdup(harness_expect("c4 "));
	assert_non_null(first);
	harness_hang_up();
	harness_teardown();
	harness_setup(NULL);
	harness_login();
	harness_send_slowly(script);
	assert_string_equal(harness_expect("c4 "), first);
	free(first);
}

static void run_session(void)
{
	harness_login();
	harness_send(script, strlen(script));
	harness_expect("c4 ");
	harness_hang_up();
}

static void test_a_session_leaves_no_blocks_behind(void **state)
{
	size_t before;

	(void)state;
	harness_hang_up();
	run_session(); /* what is kept for all sessions is there now */
	run_session();
	before = talloc_total_blocks(NULL);
	for (int i = 0; i < 3; i++)
		run_session();
	assert_int_equal(talloc_total_blocks(NULL), before);
}

static void test_commands_leave_no_blocks_behind(void **state)
{
	size_t before;

	(void)state;
	append("INBOX", "()", MAIL);
	harness_command("S", "SELECT INBOX");
	for (int i = 0; i < 2; i++) {
		before = talloc_total_blocks(NULL);
		harness_command("A", "FETCH 1 (FLAGS ENVELOPE BODY.PEEK[])");
		harness_command("A", "SEARCH TEXT body");
		harness_command("A", "STORE 1 FLAGS (\\Seen)");
		harness_command("A", "STORE 1 FLAGS ()");
		harness_command("A", "LIST \"\" *");
		harness_command("A", "NOOP");
		harness_command("A", "FETCH 1 (X");
	}
	assert_int_equal(talloc_total_blocks(NULL), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_select_tells_all_of_an_empty_mailbox),
		T(test_commands_without_mailbox_are_refused),
		T(test_fetch_answers_in_dovecots_order),
		T(test_partial_sections),
		T(test_errors_name_command_and_cause),
		T(test_too_many_wrong_commands_end_the_session),
		T(test_append_reads_the_literal_of_a_refused_message),
		T(test_append_of_several),
		T(test_waiting_client_is_told_to_go_on),
		T(test_store_tells_only_what_changed),
		T(test_expunge_counts_down),
		T(test_search_results),
		T(test_search_nesting_is_bounded),
		T(test_idle_tells_at_once_and_ends_with_done),
		T(test_logout_says_bye_first),
		T(test_any_cut_gives_the_same),
		T(test_a_session_leaves_no_blocks_behind),
		T(test_commands_leave_no_blocks_behind),
	};

	talloc_enable_null_tracking();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
