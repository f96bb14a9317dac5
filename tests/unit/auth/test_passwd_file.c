/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/passwd_file.h"
#include "auth/request.h"
#include "auth/settings.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

static const struct auth_settings settings = {
	.auth_username_chars = "",
	.auth_username_format = "%Lu",
	.auth_username_translation = "",
	.auth_master_user_separator = "",
	.auth_default_realm = "",
	.auth_verbose_passwords = "no",
};

static char path[64];

static int make_dir(void **state)
{
	static char dir[] = "/tmp/test-passwd-XXXXXX";

	*state = mkdtemp(dir);
	snprintf(path, sizeof(path), "%s/users", dir);
	return *state == NULL ? -1 : 0;
}

static int remove_dir(void **state)
{
	struct err err;

	return dir_remove(*state, &err);
}

static void write_file(const char *text)
{
	struct err err;

	assert_int_equal(file_replace(path, text, strlen(text), 0600, &err), 0);
}

static void test_fields_of_a_line(void **state)
{
	char line[] = "alice:{PLAIN}a\\:b:1000:100:Al:/home/al:/bin/sh:"
		      "userdb_mail=maildir:~/M allow_nets=::1";
	struct passwd_entry entry;

	(void)state;
	assert_true(passwd_line_parse(line, &entry));
	assert_string_equal(entry.user, "alice");
	assert_string_equal(entry.password, "{PLAIN}a:b");
	assert_string_equal(entry.uid, "1000");
	assert_string_equal(entry.gid, "100");
	assert_string_equal(entry.home, "/home/al");
	assert_string_equal(entry.extra,
			    "userdb_mail=maildir:~/M allow_nets=::1");
}

static void test_short_lines_lack_fields(void **state)
{
	char one[] = "bob", two[] = "bob:pw";
	struct passwd_entry entry;

	(void)state;
	assert_true(passwd_line_parse(one, &entry));
	assert_string_equal(entry.user, "bob");
	assert_null(entry.password);
	assert_null(entry.extra);
	assert_true(passwd_line_parse(two, &entry));
	assert_string_equal(entry.password, "pw");
	assert_null(entry.uid);
}

static void test_comments_are_no_users(void **state)
{
	char comment[] = "# alice:x", empty[] = "", none[] = ":x:1:1";
	struct passwd_entry entry;

	(void)state;
	assert_false(passwd_line_parse(comment, &entry));
	assert_false(passwd_line_parse(empty, &entry));
	assert_false(passwd_line_parse(none, &entry));
}

static void test_args(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct passwd_file_args args;
	struct err err;

	(void)state;
	assert_int_equal(passwd_file_args(ctx,
					  "scheme=SHA256 username_format=%n "
					  "/etc/a b/%d",
					  &args, &err),
			 0);
	assert_string_equal(args.scheme, "SHA256");
	assert_string_equal(args.username_format, "%n");
	assert_string_equal(args.path, "/etc/a b/%d");
	assert_int_equal(passwd_file_args(ctx, "scheme=PLAIN", &args, &err),
			 -1);
}

static const char *password_of(const char *user)
{
	static char password[64];
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct request *request = request_new(ctx, &settings);
	const struct passwd_file_args args = {path, "PLAIN", "%u"};
	const struct passwd_entry *entry;
	struct err err;

	assert_int_equal(request_set_user(request, user, &err), 0);
	if (passwd_file_find(&args, request, &entry) != 1)
		return NULL;
	snprintf(password, sizeof(password), "%s", entry->password);
	return password;
}

static void test_a_changed_file_is_read_again(void **state)
{
	(void)state;
	write_file("alice:one\r\nbob:two\n");
	assert_string_equal(password_of("Alice"), "one");
	assert_string_equal(password_of("bob"), "two");
	assert_null(password_of("carol"));
	write_file("alice:new\ncarol:three");
	assert_string_equal(password_of("alice"), "new");
	assert_null(password_of("bob"));
	assert_string_equal(password_of("carol"), "three");
}

static void test_a_file_that_is_gone_leaves_its_users(void **state)
{
	(void)state;
	write_file("alice:one\n");
	assert_string_equal(password_of("alice"), "one");
	assert_int_equal(unlink(path), 0);
	assert_string_equal(password_of("alice"), "one");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_of_a_line),
		cmocka_unit_test(test_short_lines_lack_fields),
		cmocka_unit_test(test_comments_are_no_users),
		cmocka_unit_test(test_args),
		cmocka_unit_test(test_a_changed_file_is_read_again),
		cmocka_unit_test(test_a_file_that_is_gone_leaves_its_users),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
