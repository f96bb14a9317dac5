/* SPDX-License-Identifier: MIT */
/*
 * Search queries: what each word becomes, which mailboxes a query is about, and
 * what it means in one. Errors have doveadm 2.3.19's texts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "doveadm/query.h"

enum { NOW = 1600000000, WORDS = 400 };

static int parse(const void *ctx, const char *text, struct query **out,
		 struct err *err)
{
	struct str rest = str_of(text), word;
	char *words[WORDS];
	int count = 0;

	/* '_' stands for a blank inside a word. */
	while (str_word(&rest, &word)) {
		assert_true(count < WORDS);
		words[count] = str_dup(ctx, word);
		for (char *p = words[count]; *p != '\0'; p++)
			*p = *p == '_' ? ' ' : *p;
		count++;
	}
	return query_parse(ctx, count, words, NOW, out, err);
}

/* The tree that storage gets, as text: (kind ...), - in front when negated. */
static void describe(const struct search_node *node, struct buf *out)
{
	static const char *const kinds[] = {
		[SEARCH_ALL] = "all",
		[SEARCH_AND] = "and",
		[SEARCH_OR] = "or",
		[SEARCH_SEQS] = "seq",
		[SEARCH_UIDS] = "uid",
		[SEARCH_FLAG] = "flag",
		[SEARCH_KEYWORD] = "keyword",
		[SEARCH_HEADER] = "header",
		[SEARCH_ADDRESS] = "address",
		[SEARCH_BODY] = "body",
		[SEARCH_TEXT] = "text",
		[SEARCH_BEFORE] = "before",
		[SEARCH_ON] = "on",
		[SEARCH_SINCE] = "since",
		[SEARCH_SENT_BEFORE] = "sentbefore",
		[SEARCH_SENT_ON] = "senton",
		[SEARCH_SENT_SINCE] = "sentsince",
		[SEARCH_SAVED_BEFORE] = "savedbefore",
		[SEARCH_SAVED_ON] = "savedon",
		[SEARCH_SAVED_SINCE] = "savedsince",
		[SEARCH_OLDER] = "older",
		[SEARCH_YOUNGER] = "younger",
		[SEARCH_LARGER] = "larger",
		[SEARCH_SMALLER] = "smaller",
		[SEARCH_MODSEQ] = "modseq",
		[SEARCH_GUID] = "guid",
	};

	buf_printf(out, "%s(%s", node->negate ? "-" : "", kinds[node->kind]);
	if (node->flags != 0)
		buf_printf(out, " %u", node->flags);
	if (node->field != NULL)
		buf_printf(out, " %s:", node->field);
	if (node->text != NULL)
		buf_printf(out, " %s", node->text);
	if (node->kind == SEARCH_SEQS || node->kind == SEARCH_UIDS) {
		buf_putc(out, ' ');
		range_set_write(&node->set, out);
	}
	if (node->number != 0)
		buf_printf(out, " %llu", (unsigned long long)node->number);
	if (node->time != 0)
		buf_printf(out, " %s%lld", node->instant ? "@" : "",
			   (long long)node->time);
	for (const struct search_node *child = node->children; child != NULL;
	     child = child->next)
		describe(child, out);
	buf_putc(out, ')');
}

/* In INBOX with 6 mails, the last one with UID 9. */
static const struct query_box inbox = {
	.name = "INBOX",
	.separator = '/',
	.guid = {0xab, 0xcd},
	.messages = 6,
	.last_uid = 9,
};

static void expect_tree(const char *text, const char *expected)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	CLEANUP(buf_free) struct buf out = buf_init(10000);
	const struct search_node *node;
	struct query *query;
	struct err err;

	if (parse(ctx, text, &query, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	node = query_bind(ctx, query, &inbox);
	if (node == NULL)
		buf_add(&out, "none");
	else
		describe(node, &out);
	if (strcmp(out.data, expected) != 0)
		fail_msg("%s: %s instead of %s", text, out.data, expected);
}

static const struct {
	const char *query, *tree;
} trees[] = {
	{"all", "(all)"},
	{"SEEN", "(and(flag 1))"},
	{"unseen", "(and-(flag 1))"},
	{"not unseen", "(and(flag 1))"},
	{"answered", "(and(flag 2))"},
	{"unanswered", "(and-(flag 2))"},
	{"flagged", "(and(flag 4))"},
	{"unflagged", "(and-(flag 4))"},
	{"deleted", "(and(flag 8))"},
	{"undeleted", "(and-(flag 8))"},
	{"draft", "(and(flag 16))"},
	{"undraft", "(and-(flag 16))"},
	{"recent", "(and(flag 32))"},
	{"old", "(and-(flag 32))"},
	{"new", "(and(and(flag 32)-(flag 1)))"},
	{"keyword $Junk", "(and(keyword $Junk))"},
	{"unkeyword $Junk", "(and-(keyword $Junk))"},
	{"from a", "(and(address from: a))"},
	{"to a", "(and(address to: a))"},
	{"cc a", "(and(address cc: a))"},
	{"bcc a", "(and(address bcc: a))"},
	{"subject a_b", "(and(header subject: a b))"},
	{"header X-Foo bar", "(and(header X-Foo: bar))"},
	{"body x", "(and(body x))"},
	{"text x", "(and(text x))"},
	{"fuzzy text x", "(and(text x))"},
	{"guid x", "(and(guid x))"},
	{"x-guid x", "(and(guid x))"},
	{"larger 5", "(and(larger 5))"},
	{"larger 2k", "(and(larger 2048))"},
	{"smaller 3M", "(and(smaller 3145728))"},
	{"smaller 1G", "(and(smaller 1073741824))"},
	{"smaller 1T", "(and(smaller 1099511627776))"},
	{"smaller 7B", "(and(smaller 7))"},
	{"uid 1:3,7", "(and(uid 1:3,7))"},
	{"uid 3:1", "(and(uid 1:3))"},
	{"uid *", "(and(uid 9))"},
	{"uid 1,*", "(and(uid 1,9))"},
	{"uid 5:*", "(and(uid 5:4294967294))"},
	{"uid *:5", "(and(uid 5:4294967294))"},
	{"uid 100:*", "(and(uid 100:4294967294))"},
	{"1:3", "(and(seq 1:3))"},
	{"*", "(and(seq 6))"},
	{"100:*", "(and(seq 6,100:4294967294))"},
	{"$", "(and(seq ))"},
	{"modseq 12", "(and(modseq 12))"},
	{"modseq /flags/\\Seen all 12", "(and(modseq 12))"},
	{"older 60", "(and(older 1599999940))"},
	{"younger 60", "(and(younger 1599999940))"},
	{"before 2007-04-13", "(and(before 1176422400))"},
	{"on 13-Apr-2007", "(and(on 1176422400))"},
	{"since 1176418800", "(and(since @1176418800))"},
	{"since 1w", "(and(since @1599395200))"},
	{"since 7days", "(and(since @1599395200))"},
	{"since 7_days", "(and(since @1599395200))"},
	{"sentbefore 2hours", "(and(sentbefore @1599992800))"},
	{"senton 5mins", "(and(senton @1599999700))"},
	{"sentsince 5secs", "(and(sentsince @1599999995))"},
	{"savedbefore 2007-04-13", "(and(savedbefore 1176422400))"},
	{"savedon 2007-04-13", "(and(savedon 1176422400))"},
	{"savedsince 1d", "(and(savedsince @1599913600))"},
	{"x-savedsince 1d", "(and(savedsince @1599913600))"},
	/* lists */
	{"seen flagged", "(and(flag 1)(flag 4))"},
	{"seen or flagged", "(or(flag 1)(flag 4))"},
	{"seen or flagged or draft", "(or(flag 1)(flag 4)(flag 16))"},
	{"or seen", "(or(flag 1))"},
	{"( seen or flagged ) draft", "(and(or(flag 1)(flag 4))(flag 16))"},
	{"not ( seen flagged )", "(and-(and(flag 1)(flag 4)))"},
	{"not not seen", "(and(flag 1))"},
	{"seen all", "(and(flag 1))"},
	{"seen or all", "(all)"},
	{"seen not all", "none"},
	/* mailboxes */
	{"mailbox INBOX seen", "(and(flag 1))"},
	{"mailbox inbox", "(all)"},
	{"mailbox Work seen", "none"},
	{"not mailbox Work", "(all)"},
	{"not mailbox INBOX", "none"},
	{"mailbox INBOX mailbox Work", "none"},
	{"mailbox I* seen", "(and(flag 1))"},
	{"mailbox % seen", "(and(flag 1))"},
	{"( mailbox INBOX seen ) or ( mailbox Work draft )",
	 "(or(and(flag 1)))"},
	{"mailbox-guid abcd0000000000000000000000000000 seen", "(and(flag 1))"},
	{"mailbox-guid ABCD0000000000000000000000000000", "(all)"},
	{"mailbox-guid abce0000000000000000000000000000 seen", "none"},
};

static void test_words_become_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++)
		expect_tree(trees[i].query, trees[i].tree);
}

static const struct {
	const char *query, *text;
} errors[] = {
	{"foo", "Unknown argument FOO"},
	{"seen bar", "Unknown argument BAR"},
	{"()", "Unknown argument ()"},
	{"mailbox", "Missing parameter for search key "
		    "(for search key: MAILBOX)"},
	{"header x", "Missing parameter for search key "
		     "(for search key: HEADER)"},
	{"uid", "Missing parameter for search key (for search key: UID)"},
	{"uid 0", "Invalid UID messageset"},
	{"uid 1,,2", "Invalid UID messageset"},
	{"uid x", "Invalid UID messageset"},
	{"0", "Invalid messageset"},
	{"3:", "Invalid messageset"},
	{"4294967296", "Invalid messageset"},
	{"since foo", "Invalid search date parameter: foo"},
	{"since 4-March-2020", "Invalid search date parameter: 4-March-2020"},
	{"since 2020-3-3", "Invalid search date parameter: 2020-3-3"},
	{"since 2020-02-31", "Invalid search date parameter: 2020-02-31"},
	{"since 31-Feb-2020", "Invalid search date parameter: 31-Feb-2020"},
	{"since 2020-13-01", "Invalid search date parameter: 2020-13-01"},
	{"since 4ms", "Invalid search date parameter: 4ms"},
	{"since 1w1d", "Invalid search date parameter: 1w1d"},
	{"since -1", "Invalid search date parameter: -1"},
	{"larger 1x", "Invalid size: 1x"},
	{"larger +5", "Invalid size: +5"},
	{"larger 99999999T", "Size is too large: 99999999T"},
	{"older 0", "Invalid search interval parameter"},
	{"older 4w", "Invalid search interval parameter"},
	{"modseq x", "Invalid MODSEQ value"},
	{"modseq /a", "Missing MODSEQ value"},
	{"(", "Missing ')'"},
	{"( seen", "Missing ')'"},
	{"seen )", "Unexpected ')'"},
	{"( )", "No search parameters inside list"},
	{"not", "Missing argument"},
	{"or", "Missing argument"},
	{"seen or", "Missing argument"},
	{"seen or flagged draft", "Use parenthesis when mixing ANDs and ORs"},
	{"or seen flagged", "Use parenthesis when mixing ANDs and ORs"},
	/* Dovecot takes all three for alternatives. */
	{"mailbox INBOX seen or flagged",
	 "Use parenthesis when mixing ANDs and ORs"},
};

static void test_errors_name_the_word(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
		struct query *query;
		struct err err;

		if (parse(ctx, errors[i].query, &query, &err) == 0)
			fail_msg("%s is understood", errors[i].query);
		assert_string_equal(err.text, errors[i].text);
	}
}

static int nested(unsigned depth, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	static char open[] = "(", close[] = ")", seen[] = "seen";
	char **words = mem_array(ctx, char *, 2 * (size_t)depth + 1);
	struct query *query;

	for (unsigned i = 0; i < depth; i++) {
		words[i] = open;
		words[depth + 1 + i] = close;
	}
	words[depth] = seen;
	return query_parse(ctx, 2 * (int)depth + 1, words, NOW, &query, err);
}

static void test_depth_is_bounded(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(nested(100, &err), 0);
	assert_int_equal(nested(101, &err), -1);
	assert_string_equal(err.text, "Query is nested too deep");
	assert_int_equal(nested(1000, &err), -1);
}

/* "" for none; patterns with blanks between. */
static const struct {
	const char *query, *mailbox, *patterns;
} boxes[] = {
	{"seen", "", "*"},
	{"mailbox A seen", "A", "A"},
	{"seen ( mailbox A )", "A", "A"},
	{"mailbox A* seen", "", "A*"},
	{"not mailbox A", "", "*"},
	{"mailbox A or mailbox B", "", "A B"},
	{"mailbox A or seen", "", "*"},
	{"( mailbox A or mailbox B* ) seen", "", "A B*"},
	{"( mailbox A seen ) or ( mailbox B draft )", "", "A B"},
	{"mailbox-guid 00 seen", "", "*"},
};

static void test_a_query_tells_its_mailboxes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++) {
		CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
		CLEANUP(buf_free) struct buf out = buf_init(1000);
		const char *const *patterns, *mailbox;
		struct query *query;
		struct err err;

		assert_int_equal(parse(ctx, boxes[i].query, &query, &err), 0);
		mailbox = query_mailbox(query);
		assert_string_equal(mailbox != NULL ? mailbox : "",
				    boxes[i].mailbox);
		patterns = query_patterns(ctx, query);
		for (size_t n = 0; patterns[n] != NULL; n++)
			buf_printf(&out, "%s%s", n > 0 ? " " : "", patterns[n]);
		assert_string_equal(out.data, boxes[i].patterns);
	}
}

static const struct {
	const char *query;
	bool allowed;
} guards[] = {
	{"all", false},
	{"mailbox A", false},
	{"mailbox A all", true},
	{"mailbox-guid A all", true},
	{"mailbox A or mailbox B", false},
	{"( mailbox A or mailbox B ) seen", true},
	{"( mailbox A or seen ) draft", false},
	{"( mailbox A seen ) or ( mailbox B draft )", true},
	{"( mailbox A seen ) or draft", false},
	{"not mailbox A", false},
};

static void test_what_destroys_needs_a_mailbox_and_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(guards) / sizeof(guards[0]); i++) {
		CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
		struct query *query;
		struct err err;

		assert_int_equal(parse(ctx, guards[i].query, &query, &err), 0);
		if ((query_guard(query, "expunge", &err) == 0) !=
		    guards[i].allowed)
			fail_msg("%s", guards[i].query);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_become_keys),
		cmocka_unit_test(test_errors_name_the_word),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_a_query_tells_its_mailboxes),
		cmocka_unit_test(test_what_destroys_needs_a_mailbox_and_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
