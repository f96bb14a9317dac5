/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "config/config.h"
#include "fixture.h"

static const char several[] = "namespace inbox {\n"
			      "  inbox = yes\n"
			      "  prefix = INBOX.\n"
			      "  separator = .\n"
			      "}\n"
			      "namespace compat {\n"
			      "  alias_for = INBOX.\n"
			      "  separator = .\n"
			      "  hidden = yes\n"
			      "  list = no\n"
			      "}\n"
			      "namespace archive {\n"
			      "  prefix = Old.\n"
			      "  separator = .\n"
			      "  location = maildir:~/old:LAYOUT=fs\n"
			      "  list = children\n"
			      "  order = 1\n"
			      "}\n"
			      "namespace off {\n"
			      "  prefix = Off.\n"
			      "  disabled = yes\n"
			      "}\n";

static int setup_several(void **state)
{
	return fixture_open(state, several);
}

static void make(struct fixture *f, const char *name)
{
	struct err err;

	assert_ok(mailbox_create(f->user, name, NULL, &err));
}

static char *list(struct fixture *f, const char *pattern, unsigned flags)
{
	CLEANUP(buf_free) struct buf out = buf_init(65536);
	const char *const patterns[] = {pattern, NULL};
	struct list_entry *entries;
	size_t count;
	struct err err;

	assert_ok(mailbox_list(f->ctx, f->user, patterns, flags, &entries,
			       &count, &err));
	for (size_t i = 0; i < count; i++)
		buf_printf(&out, "%s%s", i == 0 ? "" : " ", entries[i].name);
	return buf_steal(f->ctx, &out);
}

static void test_names_go_to_the_longest_prefix(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(namespace_find(f->user, "inbox")->name, "inbox");
	assert_string_equal(namespace_find(f->user, "INBOX.a")->name, "inbox");
	assert_string_equal(namespace_find(f->user, "a")->name, "compat");
	assert_string_equal(namespace_find(f->user, "Old.a")->name, "archive");
	assert_string_equal(namespace_find(f->user, "Off.a")->name, "compat");
}

static void test_namespaces_come_in_order(void **state)
{
	static const char *const order[] = {"compat", "inbox", "archive"};
	struct fixture *f = *state;
	const struct namespace *at = NULL;

	for (size_t i = 0; i < 3; i++) {
		at = namespace_next(f->user, at);
		assert_string_equal(at->name, order[i]);
	}
	assert_null(namespace_next(f->user, at));
}

static void test_alias_shows_the_same_mailboxes(void **state)
{
	struct fixture *f = *state;
	struct mailbox_status status;
	struct mailbox *box;
	struct err err;

	make(f, "INBOX.a");
	box = open_box(f, "a", 0);
	save_mail(box, "x");
	mailbox_close(&box);
	assert_ok(mailbox_status(f->user, "INBOX.a", &status, &err));
	assert_int_equal(status.messages, 1);
	assert_ok(mailbox_subscribe(f->user, "a", true, &err));
	assert_string_equal(list(f, "*", 0), "INBOX INBOX.a");
	assert_string_equal(list(f, "*", LIST_LSUB), "INBOX.a");
}

static void test_prefix_shows_up_with_its_mailboxes(void **state)
{
	struct fixture *f = *state;
	struct err err;

	assert_string_equal(list(f, "%", 0), "INBOX");
	make(f, "Old.a.b");
	assert_string_equal(list(f, "*", 0), "INBOX Old Old.a Old.a.b");
	assert_string_equal(list(f, "%", 0), "INBOX Old");
	assert_ok(mailbox_subscribe(f->user, "Old.a.b", true, &err));
	assert_string_equal(list(f, "*", LIST_LSUB), "Old.a.b");
	assert_int_equal(mailbox_exists(f->user, "Old", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void test_rename_goes_to_other_namespaces(void **state)
{
	struct fixture *f = *state;
	struct err err;

	make(f, "INBOX.a");
	assert_ok(mailbox_rename(f->user, "INBOX.a", "Old.a", &err));
	assert_int_equal(mailbox_exists(f->user, "INBOX.a", &err), -1);
	assert_ok(mailbox_rename(f->user, "Old.a", "b", &err));
	assert_ok(mailbox_exists(f->user, "INBOX.b", &err));
}

static int refuse(struct fixture *f, const char *blocks, char *text)
{
	CLEANUP(buf_free) struct buf errors = buf_init(65536);
	CLEANUP(buf_free) struct buf warnings = buf_init(65536);
	static const struct user_context context = {.service = "imap"};
	char *path = mem_printf(f->ctx, "%s/other.conf", f->dir);
	FILE *file = fopen(path, "we");
	struct config *config;
	struct user *user;
	struct err err;

	assert_non_null(file);
	fprintf(file, "mail_location = maildir:~/m\n%s", blocks);
	fclose(file);
	assert_ok(config_load(f->ctx, path, 0, &errors, &warnings, &config,
			      &err));
	if (user_open(f->ctx, config, &f->account, &context, &user, &err) ==
	    0) {
		mem_free(user);
		return 0;
	}
	snprintf(text, sizeof(err.text), "%s", err.text);
	return -1;
}

static void test_namespaces_that_cannot_be(void **state)
{
	struct fixture *f = *state;
	char text[512];

	assert_int_equal(refuse(f, "namespace a {\n}\n", text), -1);
	assert_non_null(strstr(text, "inbox=yes namespace missing"));
	assert_int_equal(refuse(f,
				"namespace a {\ninbox=yes\n}\n"
				"namespace b {\ninbox=yes\nprefix=b.\n}\n",
				text),
			 -1);
	assert_non_null(strstr(text, "only one"));
	assert_int_equal(refuse(f,
				"namespace a {\ninbox=yes\n}\n"
				"namespace b {\n}\n",
				text),
			 -1);
	assert_non_null(strstr(text, "Duplicate namespace prefix"));
	assert_int_equal(
		refuse(f, "namespace a {\ninbox=yes\nprefix=x\n}\n", text), -1);
	assert_non_null(strstr(text, "must end with the separator"));
	assert_int_equal(refuse(f,
				"namespace a {\ninbox=yes\n}\n"
				"namespace b {\nprefix=b.\nlocation=odd:/x\n"
				"ignore_on_failure=yes\n}\n",
				text),
			 0);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, setup_several, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names_go_to_the_longest_prefix),
		TEST(test_namespaces_come_in_order),
		TEST(test_alias_shows_the_same_mailboxes),
		TEST(test_prefix_shows_up_with_its_mailboxes),
		TEST(test_rename_goes_to_other_namespaces),
		TEST(test_namespaces_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
