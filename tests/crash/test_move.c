/* SPDX-License-Identifier: MIT */
/*
 * A MOVE is answered by what became of it: mails that went although the index
 * could not be written were moved, and one that can't be taken away leaves no
 * copy.
 */
#include <errno.h>
#include <string.h>

#include "../unit/storage/fixture.h"
#include "base/cleanup.h"
#include "calls.h"

static const char *fails = ""; /* a call */
static int error;
static bool only_mails; /* in new/ or cur/; else once a mail is gone */
static bool gone;

static int before(void *ctx, const char *call, const char *path)
{
	bool mail = path != NULL && strstr(path, ",S=") != NULL;

	(void)ctx;
	if (strcmp(call, "unlink") == 0 && mail)
		gone = true;
	if (strcmp(call, fails) != 0 || !(only_mails ? mail : gone))
		return 0;
	if (only_mails) /* the first one */
		fails = "";
	return error;
}

static const struct calls calls = {.before = before};

static void expect(struct fixture *f, const char *name, unsigned messages)
{
	struct mailbox_status status;
	struct err err;

	assert_ok(mailbox_status(f->user, name, &status, &err));
	assert_int_equal(status.messages, messages);
}

static int move(struct fixture *f, const char *to, const char *call, int code,
		bool mails, struct copy_result *result)
{
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	struct range_set some = one(f, 1, 2);
	struct err err;
	int ret;

	for (unsigned i = 0; i < 3; i++)
		save_mail(box, "x");
	assert_ok(mailbox_create(f->user, to, NULL, &err));
	sync_box(f, box, 0);
	error = code;
	only_mails = mails;
	gone = false;
	fails = call;
	calls_watch(&calls, NULL);
	ret = mailbox_copy(f->ctx, box, &some, to, true, result, &err);
	calls_watch(NULL, NULL);
	return ret;
}

static void moved_without_the_index(struct fixture *f, const char *to)
{
	struct copy_result result;

	assert_int_equal(move(f, to, "writev", ENOSPC, false, &result), 0);
	assert_true(gone);
	assert_string_equal(set_text(f, &result.to_uids), "1:2");
	expect(f, "INBOX", 1);
	expect(f, to, 2);
}

static void not_moved_at_all(struct fixture *f, const char *to)
{
	struct copy_result result;

	assert_int_equal(move(f, to, "unlink", EACCES, true, &result), -1);
	expect(f, "INBOX", 3);
	expect(f, to, 0);
}

static void test_the_index_fails(void **state)
{
	moved_without_the_index(*state, "to");
}

static void test_originals_stay(void **state)
{
	not_moved_at_all(*state, "to");
}

static const char other[] = "namespace inbox {\n inbox = yes\n}\n"
			    "namespace other {\n prefix = other.\n"
			    " location = maildir:~/other\n}\n";

static int with_other(void **state)
{
	return fixture_open(state, other);
}

static void test_the_index_fails_between_two(void **state)
{
	moved_without_the_index(*state, "other.to");
}

static void test_originals_stay_between_two(void **state)
{
	not_moved_at_all(*state, "other.to");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_the_index_fails, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_originals_stay, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_the_index_fails_between_two, with_other,
			fixture_teardown),
		cmocka_unit_test_setup_teardown(test_originals_stay_between_two,
						with_other, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
