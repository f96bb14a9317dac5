/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "fixture.h"

static void make(struct fixture *f, const char *name)
{
	struct err err;

	assert_ok(mailbox_create(f->user, name, NULL, &err));
}

static void subscribe(struct fixture *f, const char *name)
{
	struct err err;

	assert_ok(mailbox_subscribe(f->user, name, true, &err));
}

static void add_flags(struct buf *out, unsigned flags)
{
	static const struct {
		unsigned flag;
		const char *text;
	} names[] = {
		{ENTRY_NOSELECT, "n"},    {ENTRY_HAS_CHILDREN, "+"},
		{ENTRY_SUBSCRIBED, "s"},  {ENTRY_CHILD_SUBSCRIBED, "c"},
		{ENTRY_NONEXISTENT, "x"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((flags & names[i].flag) != 0)
			buf_add(out, names[i].text);
	}
}

/* "INBOX:+ a:nx ..." */
static char *list(struct fixture *f, const char *pattern, unsigned flags)
{
	CLEANUP(buf_free) struct buf out = buf_init(65536);
	const char *const patterns[] = {pattern, NULL};
	struct list_entry *entries;
	size_t count;
	struct err err;

	assert_ok(mailbox_list(f->ctx, f->user, patterns, flags, &entries,
			       &count, &err));
	for (size_t i = 0; i < count; i++) {
		buf_printf(&out, "%s%s:", i == 0 ? "" : " ", entries[i].name);
		add_flags(&out, entries[i].flags);
		if (entries[i].special_use != NULL)
			buf_add(&out, entries[i].special_use);
	}
	return buf_steal(f->ctx, &out);
}

static void test_missing_parents_are_not_selectable(void **state)
{
	struct fixture *f = *state;

	make(f, "a.b.c");
	make(f, "d");
	assert_string_equal(list(f, "*", 0), "INBOX: a:n+x a.b:n+x a.b.c: d:");
	assert_string_equal(list(f, "%", 0), "INBOX: a:n+x d:");
	assert_string_equal(list(f, "a.%", 0), "a.b:n+x");
	assert_string_equal(list(f, "inbox", 0), "INBOX:");
}

static void test_lsub_shows_parents_of_subscribed_ones(void **state)
{
	struct fixture *f = *state;

	make(f, "a.b");
	subscribe(f, "a.b");
	subscribe(f, "gone");
	assert_string_equal(list(f, "%", LIST_LSUB), "a:n+ gone:s");
	assert_string_equal(list(f, "*", LIST_LSUB), "a.b:s gone:s");
}

static void test_subscribed_selection(void **state)
{
	struct fixture *f = *state;

	make(f, "a.b");
	make(f, "c");
	subscribe(f, "a.b");
	subscribe(f, "c");
	subscribe(f, "gone.sub");
	assert_string_equal(list(f, "*", LIST_SELECT_SUBSCRIBED),
			    "a.b:s c:s gone.sub:nsx");
	assert_string_equal(
		list(f, "%", LIST_SELECT_SUBSCRIBED | LIST_RECURSIVE_MATCH),
		"a:n+cx c:s gone:ncx");
	/* Nothing is hidden from this pattern. */
	assert_string_equal(
		list(f, "*", LIST_SELECT_SUBSCRIBED | LIST_RECURSIVE_MATCH),
		"a.b:s c:s gone.sub:nsx");
	assert_string_equal(list(f, "*", LIST_RETURN_SUBSCRIBED),
			    "INBOX: a:n+x a.b:s c:s");
}

static void test_rename_takes_children_along(void **state)
{
	struct fixture *f = *state;
	struct mailbox *box;
	struct err err;

	make(f, "a");
	make(f, "a.b");
	box = open_box(f, "a.b", 0);
	save_mail(box, "x");
	mailbox_close(&box);
	assert_ok(mailbox_rename(f->user, "a", "z", &err));
	assert_string_equal(list(f, "*", 0), "INBOX: z:+ z.b:");
	box = open_box(f, "z.b", 0);
	assert_int_equal(mailbox_messages(box), 1);
	mailbox_close(&box);
	assert_int_equal(mailbox_rename(f->user, "z", "z.q", &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	make(f, "y");
	assert_int_equal(mailbox_rename(f->user, "z", "y", &err), -1);
	assert_int_equal(err.code, ERR_EXISTS);
	assert_int_equal(mailbox_rename(f->user, "nothere", "q", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void test_rename_of_inbox_moves_its_mails(void **state)
{
	struct fixture *f = *state;
	struct mailbox *box = open_box(f, "INBOX", 0);
	struct mailbox_status status;
	struct err err;

	save_mail(box, "x");
	mailbox_close(&box);
	assert_ok(mailbox_rename(f->user, "inbox", "old", &err));
	assert_ok(mailbox_status(f->user, "old", &status, &err));
	assert_int_equal(status.messages, 1);
	assert_ok(mailbox_status(f->user, "INBOX", &status, &err));
	assert_int_equal(status.messages, 0);
}

static void test_delete_leaves_children(void **state)
{
	struct fixture *f = *state;
	struct err err;

	make(f, "a");
	make(f, "a.b");
	assert_ok(mailbox_delete(f->user, "a", &err));
	assert_string_equal(list(f, "*", 0), "INBOX: a:n+x a.b:");
	assert_int_equal(mailbox_delete(f->user, "a", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(mailbox_delete(f->user, "Inbox", &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
}

static void test_names_that_cannot_be(void **state)
{
	static const char *const bad[] = {
		"",     ".a", "a..b",     "a/b",   "~a",
		"a\nb", "..", "\377\376", "a\177",
	};
	struct fixture *f = *state;
	char *deep = mem_printf(f->ctx, "%0300d", 1);
	struct err err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(mailbox_create(f->user, bad[i], NULL, &err),
				 -1);
		assert_int_equal(err.code, ERR_INVALID);
	}
	assert_int_equal(mailbox_create(f->user, deep, NULL, &err), -1);
	assert_int_equal(mailbox_create(f->user, "inbox", NULL, &err), -1);
	assert_int_equal(err.code, ERR_EXISTS);
}

static void test_last_separator_does_not_count(void **state)
{
	struct fixture *f = *state;
	struct err err;

	make(f, "a.");
	assert_ok(mailbox_exists(f->user, "a", &err));
}

/* What Dovecot's file looks like. */
static void test_subscriptions_keep_their_form(void **state)
{
	struct fixture *f = *state;
	char *path = mem_printf(f->ctx, "%s/Maildir/subscriptions", f->dir);
	CLEANUP(buf_free) struct buf text = buf_init(65536);
	struct err err;

	subscribe(f, "a.\303\244");
	subscribe(f, "INBOX");
	assert_ok(file_read(path, &text, &err));
	assert_string_equal(text.data, "V\t2\n\na\t&AOQ-\nINBOX\n");
	assert_ok(file_replace(path, "a.b\n&AOQ-\n", 10, 0600, &err));
	assert_string_equal(list(f, "*", LIST_LSUB), "a.b:s \303\244:s");
	subscribe(f, "c.d");
	assert_ok(mailbox_subscribe(f->user, "\303\244", false, &err));
	buf_reset(&text);
	assert_ok(file_read(path, &text, &err));
	assert_string_equal(text.data, "a.b\nc.d\n");
}

static int setup_specials(void **state)
{
	return fixture_open(state, "namespace inbox {\n"
				   "  inbox = yes\n"
				   "  separator = /\n"
				   "  prefix = INBOX/\n"
				   "  mailbox Trash {\n"
				   "    auto = subscribe\n"
				   "    special_use = \\Trash\n"
				   "  }\n"
				   "  mailbox Sent {\n"
				   "    special_use = \\Sent\n"
				   "  }\n"
				   "}\n");
}

static void test_auto_mailboxes_are_there_before_they_are_made(void **state)
{
	struct fixture *f = *state;
	struct mailbox *box;
	struct err err;

	assert_string_equal(list(f, "*", LIST_RETURN_SUBSCRIBED),
			    "INBOX:+ INBOX/Trash:s\\Trash");
	assert_ok(mailbox_exists(f->user, "INBOX/Trash", &err));
	box = open_box(f, "INBOX/Trash", 0);
	mailbox_close(&box);
	make(f, "INBOX/Sent");
	assert_string_equal(list(f, "*", LIST_SELECT_SPECIAL_USE),
			    "INBOX/Sent:\\Sent INBOX/Trash:s\\Trash");
	assert_int_equal(mailbox_create(f->user, "Outside", NULL, &err), -1);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_missing_parents_are_not_selectable),
		TEST(test_lsub_shows_parents_of_subscribed_ones),
		TEST(test_subscribed_selection),
		TEST(test_rename_takes_children_along),
		TEST(test_rename_of_inbox_moves_its_mails),
		TEST(test_delete_leaves_children),
		TEST(test_names_that_cannot_be),
		TEST(test_last_separator_does_not_count),
		TEST(test_subscriptions_keep_their_form),
		cmocka_unit_test_setup_teardown(
			test_auto_mailboxes_are_there_before_they_are_made,
			setup_specials, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
