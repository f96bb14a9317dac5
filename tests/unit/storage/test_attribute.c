/* SPDX-License-Identifier: MIT */
#include "storage/attribute.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "fixture.h"

static const char with_dict[] = "mail_attribute_dict = file:%h/attributes\n"
				"mail_attribute_max_size = 1 k\n"
				"mail_attribute_max_value_size = 100\n"
				"mail_server_admin = mailto:a@x.example\n"
				"namespace inbox {\n"
				"  inbox = yes\n"
				"  mailbox Sent {\n"
				"    auto = create\n"
				"    special_use = \\Sent\n"
				"    comment = what was sent\n"
				"  }\n"
				"}\n";

static int setup(void **state)
{
	return fixture_open(state, with_dict);
}

static int set(struct fixture *f, const char *mailbox, const char *entry,
	       const char *value, struct err *err)
{
	struct attribute one = {entry, value};

	return attribute_set(f->user, mailbox, &one, 1, err);
}

/* "" if there is none. */
static const char *get(struct fixture *f, const char *mailbox,
		       const char *entry)
{
	const char *value;
	struct err err;

	assert_ok(attribute_get(f->ctx, f->user, mailbox, entry, &value, &err));
	return value == NULL ? "" : value;
}

/* "entry=value ..." */
static char *all(struct fixture *f, const char *mailbox, const char *entry)
{
	struct attribute *found;
	char *text = mem_strdup(f->ctx, "");
	struct err err;
	size_t count;

	assert_ok(attribute_list(f->ctx, f->user, mailbox, entry, &found,
				 &count, &err));
	for (size_t i = 0; i < count; i++)
		text = mem_printf(f->ctx, "%s%s=%s;", text, found[i].entry,
				  found[i].value);
	return text;
}

static char *file_text(struct fixture *f)
{
	CLEANUP(buf_free) struct buf text = buf_init(65536);
	struct err err;

	assert_ok(file_read(
		mem_printf(f->ctx, "%s/attributes", user_home(f->user)), &text,
		&err));
	return buf_steal(f->ctx, &text);
}

static void test_what_is_set_is_there_for_all_who_ask(void **state)
{
	struct fixture *f = *state;
	struct err err;

	assert_ok(set(f, "INBOX", "/private/Comment", "tab\tline\nend", &err));
	assert_ok(set(f, "INBOX", "/shared/comment", "", &err));
	assert_string_equal(get(f, "INBOX", "/private/comment"),
			    "tab\tline\nend");
	assert_string_equal(all(f, "INBOX", ""),
			    "/private/comment=tab\tline\nend;"
			    "/shared/comment=;");
	assert_non_null(strstr(file_text(f), "/comment\ntab\001tline\001nend"));
	assert_ok(set(f, "INBOX", "/private/comment", NULL, &err));
	assert_string_equal(get(f, "INBOX", "/private/comment"), "");
	assert_null(strstr(file_text(f), "priv"));
}

static void test_lists_what_is_below(void **state)
{
	struct fixture *f = *state;
	struct err err;

	assert_ok(set(f, "INBOX", "/private/a", "1", &err));
	assert_ok(set(f, "INBOX", "/private/a/b", "2", &err));
	assert_ok(set(f, "INBOX", "/private/ab", "3", &err));
	assert_string_equal(all(f, "INBOX", "/private/a"),
			    "/private/a=1;/private/a/b=2;");
	assert_string_equal(all(f, "INBOX", "/shared"), "");
}

static void test_configuration_gives_presets(void **state)
{
	struct fixture *f = *state;
	struct err err;

	assert_string_equal(all(f, "Sent", ""),
			    "/private/comment=what was sent;"
			    "/private/specialuse=\\Sent;"
			    "/shared/comment=what was sent;");
	assert_string_equal(get(f, "", "/shared/admin"), "mailto:a@x.example");
	assert_int_equal(set(f, "Sent", "/private/specialuse", "x", &err), -1);
	assert_int_equal(err.code, ERR_DENIED);
	assert_int_equal(set(f, "", "/shared/admin", "x", &err), -1);
	assert_ok(set(f, "Sent", "/private/comment", "mine", &err));
	assert_string_equal(get(f, "Sent", "/private/comment"), "mine");
	assert_ok(set(f, "Sent", "/private/comment", NULL, &err));
	assert_string_equal(get(f, "Sent", "/private/comment"),
			    "what was sent");
}

static void test_the_server_has_its_own(void **state)
{
	struct fixture *f = *state;
	struct err err;

	assert_ok(set(f, "", "/private/x", "server's", &err));
	assert_string_equal(get(f, "INBOX", "/private/x"), "");
	assert_string_equal(get(f, "", "/private/x"), "server's");
	assert_true(attribute_is_internal(
		"/private/vendor/vendor.dovecot/pvt/server/x"));
	assert_string_equal(
		get(f, "INBOX", "/private/vendor/vendor.dovecot/pvt/server/x"),
		"server's");
}

static void test_goes_with_its_mailbox(void **state)
{
	struct fixture *f = *state;
	struct err err;

	assert_ok(mailbox_create(f->user, "Old", NULL, &err));
	assert_ok(set(f, "Old", "/private/x", "old", &err));
	assert_ok(set(f, "INBOX", "/private/x", "inbox", &err));
	assert_ok(mailbox_rename(f->user, "Old", "New", &err));
	assert_string_equal(get(f, "New", "/private/x"), "old");
	assert_ok(mailbox_delete(f->user, "New", &err));
	assert_null(strstr(file_text(f), "old"));
	assert_string_equal(get(f, "INBOX", "/private/x"), "inbox");
}

static void test_limits_hold_and_all_or_none_is_set(void **state)
{
	struct fixture *f = *state;
	char value[102] = {0};
	struct attribute two[2] = {{"/private/a", "1"}, {"/private/b", value}};
	struct err err;

	memset(value, 'x', 101);
	assert_int_equal(attribute_set(f->user, "INBOX", two, 2, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_string_equal(get(f, "INBOX", "/private/a"), "");
	value[100] = '\0';
	assert_ok(attribute_set(f->user, "INBOX", two, 2, &err));
	for (unsigned i = 0; i < 5; i++)
		assert_ok(set(f, "INBOX", mem_printf(f->ctx, "/shared/%u", i),
			      value, &err));
	assert_int_equal(set(f, "INBOX", "/shared/6", value, &err), -1);
	assert_int_equal(err.code, ERR_QUOTA);
	assert_string_equal(get(f, "INBOX", "/private/b"), value);
	assert_ok(set(f, "INBOX", "/shared/0", NULL, &err));
	assert_ok(set(f, "INBOX", "/shared/6", value, &err));
}

static void test_names_are_checked(void **state)
{
	static const char *const bad[] = {
		"",
		"private/x",
		"/private//x",
		"/private/x/",
		"/private/a*b",
		"/private/%",
		"/privatex/y",
		"/comment",
	};
	struct fixture *f = *state;
	struct err err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(attribute_check(bad[i], &err), -1);
	assert_int_equal(attribute_check("/PRIVATE/x", &err), 0);
	assert_int_equal(set(f, "INBOX", "/private", "1", &err), -1);
	assert_int_equal(set(f, "Missing", "/private/x", "1", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void test_half_a_file_is_read_as_far_as_it_goes(void **state)
{
	struct fixture *f = *state;
	char *text, *path;
	struct err err;

	assert_ok(set(f, "INBOX", "/private/a", "1", &err));
	assert_ok(set(f, "INBOX", "/private/b", "2", &err));
	text = file_text(f);
	path = mem_printf(f->ctx, "%s/attributes", user_home(f->user));
	for (size_t len = strlen(text) + 1; len-- > 0;) {
		assert_ok(file_replace(path, text, len, 0600, &err));
		assert_string_equal(
			all(f, "INBOX", ""),
			len == strlen(text) ? "/private/a=1;/private/b=2;"
			: len > strlen(text) / 2 - 1 ? "/private/a=1;"
						     : "");
	}
}

static void test_nowhere_to_keep_them(void **state)
{
	struct fixture *f = *state;
	struct attribute *found;
	const char *value;
	struct err err;
	size_t count;

	assert_int_equal(set(f, "INBOX", "/private/x", "1", &err), -1);
	assert_int_equal(err.code, ERR_UNSUPPORTED);
	assert_int_equal(attribute_get(f->ctx, f->user, "INBOX", "/private/x",
				       &value, &err),
			 -1);
	assert_int_equal(err.code, ERR_UNSUPPORTED);
	assert_ok(attribute_list(f->ctx, f->user, "INBOX", "", &found, &count,
				 &err));
	assert_int_equal(count, 0);
}

int main(void)
{
#define WITH_DICT(fn)                                                          \
	cmocka_unit_test_setup_teardown(fn, setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		WITH_DICT(test_what_is_set_is_there_for_all_who_ask),
		WITH_DICT(test_lists_what_is_below),
		WITH_DICT(test_configuration_gives_presets),
		WITH_DICT(test_the_server_has_its_own),
		WITH_DICT(test_goes_with_its_mailbox),
		WITH_DICT(test_limits_hold_and_all_or_none_is_set),
		WITH_DICT(test_names_are_checked),
		WITH_DICT(test_half_a_file_is_read_as_far_as_it_goes),
		cmocka_unit_test_setup_teardown(test_nowhere_to_keep_them,
						fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
