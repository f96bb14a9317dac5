/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/cleanup.h"
#include "fixture.h"

static const char latin[] =
	"From: =?iso-8859-1?Q?J=F6rg?= <joerg@example.org>\r\n"
	"Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n"
	"Date: Sat, 1 Jan 2022 00:30:00 +0200\r\n"
	"X-Rare: treasure\r\n"
	"Content-Type: text/plain; charset=iso-8859-1\r\n"
	"Content-Transfer-Encoding: quoted-printable\r\n"
	"\r\n"
	"Das M=E4dchen\r\n";

static struct mailbox *fill(struct fixture *f)
{
	static const char *const keywords[] = {"$Work", NULL};
	struct mailbox *box = open_box(f, "INBOX", 0);

	save_mail(box, "apples");
	save_text(box, latin, MAIL_SEEN, keywords);
	save_mail(box, "pears");
	sync_box(f, box, 0);
	return box;
}

static char *search(struct fixture *f, struct mailbox *box,
		    const struct search_node *root)
{
	struct search *search = search_begin(f->ctx, box, root);
	char *text;
	struct err err;
	int done;

	/* No time at all: it must get there all the same. */
	do {
		done = search_run(search, 0, &err);
		assert_ok(done);
	} while (done == 0);
	text = set_text(f, search_result(search));
	mem_free(search);
	return text;
}

static char *search_text(struct fixture *f, struct mailbox *box,
			 enum search_kind kind, const char *field,
			 const char *text)
{
	struct search_node node = {.kind = kind, .field = field, .text = text};

	return search(f, box, &node);
}

static void test_text_is_found_in_any_case_and_charset(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = fill(f);

	assert_string_equal(
		search_text(f, box, SEARCH_HEADER, "Subject", "APPLE"), "1");
	assert_string_equal(search_text(f, box, SEARCH_HEADER, "Subject",
					"gr\303\234\303\237e"),
			    "2");
	assert_string_equal(
		search_text(f, box, SEARCH_ADDRESS, "From", "j\303\226rg"),
		"2");
	assert_string_equal(
		search_text(f, box, SEARCH_ADDRESS, "From", "example"), "1:3");
	assert_string_equal(
		search_text(f, box, SEARCH_BODY, NULL, "m\303\204dchen"), "2");
	assert_string_equal(search_text(f, box, SEARCH_BODY, NULL, "text of"),
			    "1,3");
	assert_string_equal(search_text(f, box, SEARCH_TEXT, NULL, "pears"),
			    "3");
	assert_string_equal(search_text(f, box, SEARCH_BODY, NULL, "bob@"), "");
}

static void test_any_header_can_be_asked_for(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = fill(f);

	for (unsigned round = 0; round < 2; round++) {
		assert_string_equal(
			search_text(f, box, SEARCH_HEADER, "X-Rare", "treas"),
			"2");
		assert_string_equal(
			search_text(f, box, SEARCH_HEADER, "X-Rare", ""), "2");
	}
	assert_string_equal(search_text(f, box, SEARCH_HEADER, "X-None", ""),
			    "");
}

static void test_flags_and_keywords(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = fill(f);
	struct search_node seen = {.kind = SEARCH_FLAG, .flags = MAIL_SEEN};
	struct search_node recent = {.kind = SEARCH_FLAG, .flags = MAIL_RECENT};
	struct search_node both = {.kind = SEARCH_AND};

	assert_string_equal(search(f, box, &seen), "2");
	seen.negate = true;
	assert_string_equal(search(f, box, &seen), "1,3");
	assert_string_equal(search(f, box, &recent), "1:3");
	both.children = &seen;
	seen.next = &recent;
	assert_string_equal(search(f, box, &both), "1,3");
	recent.flags = MAIL_SEEN; /* and not */
	assert_string_equal(search(f, box, &both), "");
	recent.flags = MAIL_DELETED;
	recent.negate = true;
	assert_string_equal(search(f, box, &both), "1,3");
	assert_string_equal(search_text(f, box, SEARCH_KEYWORD, NULL, "$work"),
			    "2");
	assert_string_equal(search_text(f, box, SEARCH_KEYWORD, NULL, "none"),
			    "");
}

static void test_trees_of_keys(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = fill(f);
	struct search_node pears = {
		.kind = SEARCH_BODY,
		.text = "pears",
	};
	struct search_node seen = {
		.kind = SEARCH_FLAG,
		.flags = MAIL_SEEN,
		.next = &pears,
	};
	struct search_node either = {.kind = SEARCH_OR, .children = &seen};
	struct search_node uids = {
		.kind = SEARCH_UIDS,
		.set = one(f, 3, UINT32_MAX),
		.next = &either,
	};
	struct search_node both = {.kind = SEARCH_AND, .children = &uids};

	assert_string_equal(search(f, box, &either), "2:3");
	assert_string_equal(search(f, box, &both), "3");
	either.negate = true;
	assert_string_equal(search(f, box, &either), "1");
	assert_string_equal(search(f, box, &both), "");
	uids.next = NULL;
	assert_string_equal(search(f, box, &both), "3");
}

/* The day is that of the Date field's own zone. */
static void test_sent_dates(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = fill(f);
	struct search_node node = {
		.kind = SEARCH_SENT_ON, .time = 1640995200, /* 2022-01-01 */
	};

	assert_string_equal(search(f, box, &node), "2");
	node.kind = SEARCH_SENT_BEFORE;
	assert_string_equal(search(f, box, &node), "1,3");
	node.kind = SEARCH_SENT_SINCE;
	assert_string_equal(search(f, box, &node), "2");
}

static void test_sizes(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = fill(f);
	struct search_node node = {
		.kind = SEARCH_LARGER,
		.number = strlen(latin) - 1,
	};

	assert_string_equal(search(f, box, &node), "2");
	node.number++;
	assert_string_equal(search(f, box, &node), "");
	node.kind = SEARCH_SMALLER;
	assert_string_equal(search(f, box, &node), "1,3");
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_text_is_found_in_any_case_and_charset),
		TEST(test_any_header_can_be_asked_for),
		TEST(test_flags_and_keywords),
		TEST(test_trees_of_keys),
		TEST(test_sent_dates),
		TEST(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
