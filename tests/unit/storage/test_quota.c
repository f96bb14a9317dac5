/* SPDX-License-Identifier: MIT */
#include "storage/quota.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "fixture.h"

static const char limits[] = "mail_plugins = quota\n"
			     "plugin {\n"
			     "  quota = count:User quota\n"
			     "  quota_rule = *:bytes=1000:messages=20\n"
			     "  quota_rule2 = Trash:bytes=+50%%\n"
			     "  quota_rule3 = Junk*:ignore\n"
			     "  quota_rule4 = Off:bytes=-100%%\n"
			     "  quota2 = count:Seen:noenforcing\n"
			     "  quota2_rule = *:bytes=10\n"
			     "}\n";

/* A mail of so many octets, with CRLF. */
static int begin_save(struct mailbox *box, unsigned octets, struct save **save,
		      struct err *err)
{
	char text[4096];

	assert_in_range(octets, 10, sizeof(text));
	memset(text, 'x', octets);
	memcpy(text, "A: b\r\n\r\n", 8);
	memcpy(text + octets - 2, "\r\n", 2);
	*save = save_begin(box, box);
	if (save_mail_begin(*save, &(struct save_options){0}, err) < 0 ||
	    save_mail_write(*save, text, octets, err) < 0)
		return -1;
	return save_mail_finish(*save, err);
}

static int save_in(struct user *user, const char *name, unsigned octets,
		   struct err *err)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	struct save *save;

	if (mailbox_open(user, name, MAILBOX_SAVE_ONLY | MAILBOX_CREATE, &box,
			 err) < 0 ||
	    begin_save(box, octets, &save, err) < 0)
		return -1;
	return save_commit(&save, NULL, NULL, err);
}

static void saved(struct fixture *f, const char *name, unsigned octets)
{
	struct err err;

	assert_ok(save_in(f->user, name, octets, &err));
}

static void refused(struct fixture *f, const char *name, unsigned octets)
{
	struct err err;

	assert_int_equal(save_in(f->user, name, octets, &err), -1);
	assert_int_equal(err.code, ERR_QUOTA);
	assert_string_equal(quota_told(&err),
			    "Quota exceeded (mailbox for user is full)");
}

static struct quota_state state_of(struct fixture *f, struct user *user)
{
	struct quota_state *states;
	struct err err;
	size_t count;

	assert_ok(quota_states(f->ctx, user, NULL, &states, &count, &err));
	assert_true(count >= 1);
	return states[0];
}

static void assert_used(struct fixture *f, uint64_t bytes, uint64_t messages)
{
	struct user *other = fixture_user(f);
	struct quota_state mine = state_of(f, f->user);
	struct quota_state theirs = state_of(f, other);

	assert_int_equal(mine.bytes, bytes);
	assert_int_equal(mine.messages, messages);
	assert_int_equal(theirs.bytes, bytes);
	assert_int_equal(theirs.messages, messages);
	mem_free(other);
}

static void test_the_sum_follows(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	struct user *other = fixture_user(f);
	struct range_set first = one(f, 1, 1);
	struct copy_result result;
	struct err err;

	assert_used(f, 0, 0);
	saved(f, "INBOX", 100);
	saved(f, "a", 50);
	assert_used(f, 150, 2);
	assert_ok(save_in(other, "a", 30, &err));
	saved(f, "a", 20);
	assert_used(f, 200, 4);
	saved(f, "Junk mail", 4000);
	assert_used(f, 200, 4);
	box = open_box(f, "INBOX", 0);
	assert_ok(mailbox_copy(f->ctx, box, &first, "a", false, &result, &err));
	assert_used(f, 300, 5);
	store_flags(box, first, STORE_ADD, MAIL_DELETED);
	assert_ok(mailbox_expunge(box, NULL, &err));
	assert_used(f, 200, 4);
	assert_ok(mailbox_delete(f->user, "a", &err));
	assert_used(f, 0, 0);
	mem_free(other);
}

static void test_limits_hold(void **state)
{
	struct fixture *f = *state;
	struct err err;

	saved(f, "INBOX", 900);
	refused(f, "INBOX", 101);
	saved(f, "INBOX", 100);
	refused(f, "INBOX", 10);
	refused(f, "a", 10);
	assert_int_equal(quota_test(f->user, "INBOX", 0, &err), 0);
	assert_int_equal(quota_test(f->user, "INBOX", 1, &err), -1);
	saved(f, "Trash", 500);
	refused(f, "Trash", 10);
	assert_int_equal(quota_test(f->user, "INBOX", 0, &err), -1);
	assert_int_equal(err.code, ERR_QUOTA);
	saved(f, "Junk", 3000);
	refused(f, "Off", 10);
	assert_used(f, 1500, 3);
}

static void test_mails_are_counted(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 20; i++)
		saved(f, "INBOX", 20);
	refused(f, "INBOX", 20);
	assert_used(f, 400, 20);
}

static void test_a_move_needs_no_room(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	struct range_set first = one(f, 1, 1);
	struct copy_result result;
	struct err err;

	saved(f, "INBOX", 1000);
	assert_ok(mailbox_create(f->user, "a", NULL, &err));
	box = open_box(f, "INBOX", 0);
	assert_int_equal(
		mailbox_copy(f->ctx, box, &first, "a", false, &result, &err),
		-1);
	assert_int_equal(err.code, ERR_QUOTA);
	assert_ok(mailbox_copy(f->ctx, box, &first, "a", true, &result, &err));
	assert_used(f, 1000, 1);
}

/* Both have room when they look. */
static void test_two_at_once_cannot_exceed(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	CLEANUP(mailbox_close) struct mailbox *same = NULL;
	struct user *other = fixture_user(f);
	struct save *mine, *theirs;
	struct err err;
	char *path;

	assert_ok(mailbox_open(other, "INBOX", MAILBOX_SAVE_ONLY, &same, &err));
	assert_ok(begin_save(box, 600, &mine, &err));
	assert_ok(begin_save(same, 600, &theirs, &err));
	assert_ok(save_commit(&mine, NULL, NULL, &err));
	assert_int_equal(save_commit(&theirs, NULL, NULL, &err), -1);
	assert_int_equal(err.code, ERR_QUOTA);
	assert_used(f, 600, 1);
	/* Nothing of it is left. */
	path = mem_printf(f->ctx,
			  "rmdir %s/Maildir/tmp && mkdir %s/Maildir/tmp",
			  f->dir, f->dir);
	assert_int_equal(system(path), 0);
	mailbox_close(&same);
	mem_free(other);
}

static void test_pending_mails_count(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mailbox_close) struct mailbox *box = open_box(f, "INBOX", 0);
	CLEANUP(mailbox_close)
	struct mailbox *to = open_box(f, "a", MAILBOX_CREATE);
	struct save *first, *second, *third;
	struct err err;

	assert_ok(begin_save(box, 600, &first, &err));
	assert_int_equal(begin_save(to, 600, &second, &err), -1);
	assert_int_equal(err.code, ERR_QUOTA);
	save_rollback(&second);
	assert_ok(begin_save(to, 400, &third, &err));
	assert_ok(save_commit(&first, NULL, NULL, &err));
	assert_ok(save_commit(&third, NULL, NULL, &err));
	assert_used(f, 1000, 2);
}

static void drop(struct fixture *f, const char *dir, const char *name)
{
	char *path =
		mem_printf(f->ctx, "%s/Maildir/%s/new/%s", f->dir, dir, name);
	FILE *out = fopen(path, "we");

	assert_non_null(out);
	fputs("Subject: dropped\n\n", out); /* 20 with CRLF */
	fclose(out);
}

static void test_what_others_did_counts(void **state)
{
	struct fixture *f = *state;
	struct err err;
	char *command;

	saved(f, "INBOX", 100);
	saved(f, "a", 100);
	saved(f, "b", 100);
	assert_used(f, 300, 3);
	drop(f, "", "1.x.y");
	drop(f, ".a", "2.x.y,S=18");
	assert_used(f, 340, 5);
	command = mem_printf(f->ctx,
			     "cd %s/Maildir && rm -r .b && mkdir -p .c/cur "
			     ".c/new .c/tmp",
			     f->dir);
	assert_int_equal(system(command), 0);
	drop(f, ".c", "3.x.y");
	assert_used(f, 260, 5);
	/* Without the index all of it is found again. */
	mem_free(f->user);
	command = mem_printf(f->ctx, "%s/Maildir/dovetail.index", f->dir);
	assert_ok(dir_remove(command, &err));
	f->user = fixture_user(f);
	refused(f, "d", 750);
	saved(f, "d", 740);
	assert_used(f, 1000, 6);
	assert_ok(quota_recalc(f->user, &err));
	assert_used(f, 1000, 6);
}

static void test_states_are_of_a_mailbox(void **state)
{
	struct fixture *f = *state;
	struct quota_state *states;
	struct err err;
	size_t count;

	saved(f, "INBOX", 100);
	assert_ok(quota_states(f->ctx, f->user, "no.such", &states, &count,
			       &err));
	assert_int_equal(count, 2);
	assert_string_equal(states[0].name, "User quota");
	assert_int_equal(states[0].bytes_limit, 1000);
	assert_int_equal(states[0].messages_limit, 20);
	/* Over its limit, but nobody minds. */
	assert_string_equal(states[1].name, "Seen");
	assert_int_equal(states[1].bytes, 100);
	assert_int_equal(states[1].bytes_limit, 10);
	assert_int_equal(quota_kilo(states[1].bytes), 1);
}

static int setup_limits(void **state)
{
	return fixture_open(state, limits);
}

static int setup_bounds(void **state)
{
	return fixture_open(state, "mail_plugins = quota\n"
				   "plugin {\n"
				   "  quota_max_mail_size = 300\n"
				   "  quota = count:x\n"
				   "  quota_mailbox_count = 3\n"
				   "  quota_mailbox_message_count = 2\n"
				   "}\n");
}

static void test_other_bounds(void **state)
{
	struct fixture *f = *state;
	struct err err;

	saved(f, "INBOX", 300);
	assert_int_equal(save_in(f->user, "INBOX", 301, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	saved(f, "INBOX", 300);
	assert_int_equal(save_in(f->user, "INBOX", 20, &err), -1);
	assert_int_equal(err.code, ERR_QUOTA);
	assert_ok(mailbox_create(f->user, "a", NULL, &err));
	assert_ok(mailbox_create(f->user, "b", NULL, &err));
	assert_int_equal(mailbox_create(f->user, "c", NULL, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
}

static int setup_off(void **state)
{
	return fixture_open(state, "plugin {\n"
				   "  quota = count:x\n"
				   "  quota_rule = *:bytes=10\n"
				   "}\n");
}

static void test_only_the_plugin_switches_it_on(void **state)
{
	struct fixture *f = *state;

	assert_false(quota_wanted(f->user));
	saved(f, "INBOX", 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define LIMITED(test)                                                          \
	cmocka_unit_test_setup_teardown(test, setup_limits, fixture_teardown)
		LIMITED(test_the_sum_follows),
		LIMITED(test_limits_hold),
		LIMITED(test_mails_are_counted),
		LIMITED(test_a_move_needs_no_room),
		LIMITED(test_two_at_once_cannot_exceed),
		LIMITED(test_pending_mails_count),
		LIMITED(test_what_others_did_counts),
		LIMITED(test_states_are_of_a_mailbox),
		cmocka_unit_test_setup_teardown(test_other_bounds, setup_bounds,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_only_the_plugin_switches_it_on, setup_off,
			fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
