/* SPDX-License-Identifier: MIT */
#include <pwd.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "fixture.h"
#include "storage/core.h"

static struct location parse(struct fixture *f, const char *text)
{
	struct location location;
	struct err err;

	assert_ok(location_parse(f->ctx, text, f->user, &location, &err));
	return location;
}

static void test_all_options_are_understood(void **state)
{
	struct fixture *f = *state;
	struct location l =
		parse(f, "maildir:~/m:INDEX=/i/%u:CONTROL=/c/%1n:INBOX=/in:"
			 "LAYOUT=fs:SUBSCRIPTIONS=subs:DIRNAME=d:UTF-8:"
			 "VOLATILEDIR=/v");

	assert_string_equal(l.root, mem_printf(f->ctx, "%s/m", f->dir));
	assert_string_equal(l.index, "/i/alice");
	assert_string_equal(l.environment, "/i/alice/dovetail.index");
	assert_string_equal(l.control, "/c/a");
	assert_string_equal(l.inbox, "/in");
	assert_string_equal(l.layout, "fs");
	assert_string_equal(l.subscriptions, "subs");
	assert_string_equal(l.dirname, "d");
	assert_false(l.full_dirname);
	assert_string_equal(l.volatile_dir, "/v");
	assert_true(
		parse(f, "maildir:/m:LAYOUT=fs:FULLDIRNAME=d").full_dirname);
	assert_true(parse(f, "maildir:/m:NO-NOSELECT").no_noselect);
	parse(f, "maildir:/m:ITERINDEX:LISTINDEX=x:INDEXCACHE=/y");
	parse(f, "maildir:/m:LISTINDEX=");
	assert_int_equal(parse(f, "maildir:/m:BROKENCHAR=~").broken_char, '~');
	assert_true(l.utf8);
	assert_true(parse(f, "maildir:/m:INDEX=MEMORY").index_memory);
	assert_true(parse(f, "maildir:/m:INDEX=").index_memory);
}

static void test_homes_of_system_users(void **state)
{
	const struct passwd *pw = getpwuid(0);
	struct fixture *f = *state;
	struct location location;
	struct err err;

	location = parse(f, mem_printf(f->ctx, "maildir:~%s/m:INDEX=~%s",
				       pw->pw_name, pw->pw_name));
	assert_string_equal(location.root,
			    mem_printf(f->ctx, "%s/m", pw->pw_dir));
	assert_string_equal(location.index, pw->pw_dir);
	assert_int_equal(location_parse(f->ctx, "maildir:~no.such/m", f->user,
					&location, &err),
			 -1);
	assert_non_null(strstr(err.text, "No home directory for system user. "
					 "Can't expand ~no.such for"));
}

static void test_presets(void **state)
{
	struct location l = parse(*state, "maildir:/x");

	assert_string_equal(l.index, "/x");
	assert_string_equal(l.environment, "/x/dovetail.index");
	assert_string_equal(l.layout, "maildir++");
	assert_string_equal(l.subscriptions, "subscriptions");
	assert_null(l.control);
	assert_null(l.inbox);
}

/* Where Dovecot does not take it for a level of names. */
static void test_index_is_hidden_in_layout_fs(void **state)
{
	assert_string_equal(parse(*state, "maildir:/x:LAYOUT=fs").environment,
			    "/x/tmp/.dovetail.index");
	assert_string_equal(
		parse(*state, "maildir:/x:LAYOUT=fs:DIRNAME=d").environment,
		"/x/d/.dovetail.index");
	assert_string_equal(parse(*state, "mbox:/x").environment,
			    "/x/.imap/dovetail.index");
}

static void test_colons_in_paths_and_variables(void **state)
{
	struct fixture *f = *state;
	struct location l = parse(f, "maildir:/a::b:INDEX=/%{sha1:user}");

	assert_string_equal(l.root, "/a:b");
	assert_int_equal(strlen(l.index), 41);
}

/* A user's name is text, not syntax. */
static void test_variables_bring_no_options(void **state)
{
	struct fixture *f = *state;
	struct location l;

	f->account.name = "a:INDEX=MEMORY";
	mem_free(f->user);
	f->user = fixture_user(f);
	l = parse(f, "maildir:/m/%u");
	assert_string_equal(l.root, "/m/a:INDEX=MEMORY");
	assert_false(l.index_memory);
}

static void test_what_cannot_be_is_named(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"nofs:~/mail", "Unknown mail storage driver nofs"},
		{"maildir:/m:LAYOUT=odd", "LAYOUT=odd"},
		{"maildir:/m:ALT=/x", "dbox"},
		{"maildir:/m:MAILBOXDIR=x", "location of its own"},
		{"maildir:/m:BROKENCHAR=~~", "must be a single character"},
		{"maildir:/m:BROKENCHAR=.", "must be a single character"},
		{"maildir:/m:NO-FS-VALIDATION", "whatever the layout"},
		{"maildir:/m:INDX=/x", "INDX=/x is not known (did you mean "
				       "INDEX?)"},
		{"maildir:/m:layuot=fs", "did you mean LAYOUT?"},
		{"maildir:/m:NOTHINGLIKEIT", "NOTHINGLIKEIT is not known"},
		{"maildir:/m:CONTROL", "CONTROL has no value"},
		{"maildir:/m:CONTROL=", "CONTROL has no value"},
		{"maildir:/m:UTF-8=yes", "takes no value"},
		{"maildir:/m:SUBSCRIPTIONS=a/b", "not a path"},
		{"maildir:/m:SUBSCRIPTIONS=..", "not a path"},
		{"maildir:/m:DIRNAME=x", "needs LAYOUT=fs"},
		{"mbox:/m:LAYOUT=index", "LAYOUT=index is not for mbox"},
		{"mbox:/m:LAYOUT=maildir++:DIRNAME=x", "needs LAYOUT=fs"},
		{"/nowhere/at/all", "can't tell the format"},
	};
	struct fixture *f = *state;
	struct location location;
	struct err err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(location_parse(f->ctx, bad[i].text, f->user,
						&location, &err),
				 -1);
		assert_int_equal(err.code, ERR_INVALID);
		assert_non_null(strstr(err.text, bad[i].says));
	}
}

static void make(struct fixture *f, const char *path, bool dir)
{
	char *full = mem_printf(f->ctx, "%s/%s", f->dir, path);
	struct err err;

	if (dir)
		assert_ok(dir_create(full, 0700, &err));
	else
		assert_ok(file_replace(full, "", 0, 0600, &err));
}

static char *detect(struct fixture *f)
{
	struct err err;
	char *text;

	if (location_detect(f->ctx, f->user, &text, &err) < 0)
		return mem_strdup(f->ctx, err.text);
	return text;
}

/* In the opposite order of that in which they are looked for. */
static void test_empty_location_is_found_out(void **state)
{
	struct fixture *f = *state;

	assert_non_null(strstr(detect(f), "autodetection failed"));
	make(f, "Mail", true);
	make(f, "Mail/mbox", false);
	assert_string_equal(detect(f), "mbox:~/Mail");
	make(f, "mail/.imap", true);
	assert_string_equal(detect(f), "mbox:~/mail");
	make(f, "Maildir", true);
	assert_string_equal(detect(f), "maildir:~/Maildir");
	make(f, "sdbox", true);
	assert_non_null(strstr(detect(f), "sdbox is in a format"));
}

static void test_missing_home_is_no_root_directory(void **state)
{
	static const char *const needing[] = {"maildir:~/m", "maildir:%h/m",
					      "maildir:m",
					      "maildir:/m:INDEX=%{home}/i"};
	struct fixture *f = *state;
	struct location location;
	struct err err;

	f->account.home = NULL;
	f->account.mail = "maildir:/nowhere";
	mem_free(f->user);
	f->user = fixture_user(f);
	for (size_t i = 0; i < sizeof(needing) / sizeof(needing[0]); i++) {
		assert_int_equal(location_parse(f->ctx, needing[i], f->user,
						&location, &err),
				 -1);
		assert_non_null(strstr(err.text, "Home directory not set"));
	}
}

static void test_userdb_goes_over_the_settings(void **state)
{
	static const char *const fields[] = {
		"mail_fsync=never", "mail_max_keyword_length=7",
		"namespace/inbox/prefix=mail.", "quota_rule=x", NULL};
	struct fixture *f = *state;

	f->account.fields = fields;
	f->account.mail = "maildir:~/other";
	mem_free(f->user);
	f->user = fixture_user(f);
	assert_string_equal(user_settings(f->user)->mail_fsync, "never");
	assert_int_equal(user_settings(f->user)->mail_max_keyword_length, 7);
	assert_string_equal(namespace_find(f->user, "INBOX")->location,
			    "maildir:~/other");
	f->account.fields = NULL;
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_options_are_understood),
		TEST(test_homes_of_system_users),
		TEST(test_presets),
		TEST(test_index_is_hidden_in_layout_fs),
		TEST(test_colons_in_paths_and_variables),
		TEST(test_variables_bring_no_options),
		TEST(test_what_cannot_be_is_named),
		TEST(test_empty_location_is_found_out),
		TEST(test_missing_home_is_no_root_directory),
		TEST(test_userdb_goes_over_the_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
