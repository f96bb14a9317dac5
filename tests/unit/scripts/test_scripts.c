/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "scripts/scripts.h"
#include "sieve/sieve.h"
#include "tests/unit/storage/fixture.h"

static unsigned errors, warnings;
static struct err err;

static void count_line(void *ctx, enum log_level level, const char *where,
		       const char *text)
{
	(void)ctx;
	(void)where;
	(void)text;
	errors += level == LOG_LEVEL_ERROR;
	warnings += level == LOG_LEVEL_WARNING;
}

static const struct sieve_log counting = {.line = count_line};

static struct scripts *scripts_of(struct fixture *f)
{
	struct scripts *scripts;

	errors = warnings = 0;
	assert_ok(scripts_new(f->ctx, f->user, "+", NULL, &scripts, &err));
	return scripts;
}

static struct scripts *open_with(void **state, const char *settings)
{
	char more[1000];

	snprintf(more, sizeof(more), "plugin {\n%s}\n", settings);
	log_open("test", LOG_TO_STDERR);
	fixture_open(state, more);
	return scripts_of(*state);
}

static char *path(struct fixture *f, const char *name)
{
	return mem_printf(f->ctx, "%s/%s", user_home(f->user), name);
}

static void write_file(struct fixture *f, const char *name, const char *text)
{

	assert_ok(file_replace(path(f, name), text, strlen(text), 0600, &err));
}

static void put(struct scripts *scripts, const char *name, const char *text)
{

	assert_ok(scripts_put(scripts, str_of(name), str_of(text), false,
			      &counting, &err));
}

static void assert_get(struct scripts *scripts, const char *name,
		       const char *text)
{
	struct str got;

	assert_ok(scripts_get(scripts, scripts, str_of(name), &got, &err));
	assert_string_equal(got.data, text);
}

/* "a b* ": names, the active one with a star. */
static void assert_list(struct scripts *scripts, const char *expected)
{
	struct script_entry *entries;
	char text[1000] = "";
	size_t count, len = 0;

	assert_ok(scripts_list(scripts, scripts, &entries, &count, &err));
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s ",
					entries[i].name,
					entries[i].active ? "*" : "");
	assert_string_equal(text, expected);
}

static bool activate(struct scripts *scripts, const char *name)
{
	bool changed;

	assert_ok(scripts_activate(scripts, str_of(name), &counting, &changed,
				   &err));
	return changed;
}

static void assert_link(struct fixture *f, const char *target)
{
	char text[1000];
	ssize_t len = readlink(path(f, ".dovecot.sieve"), text, sizeof(text));

	if (target == NULL) {
		assert_int_equal(len, -1);
		return;
	}
	assert_int_equal(len, strlen(target));
	assert_memory_equal(text, target, strlen(target));
}

#define assert_fails(call, kind)                                               \
	do {                                                                   \
		assert_int_equal(call, -1);                                    \
		assert_int_equal(err.code, kind);                              \
	} while (0)

static void test_names(void **state)
{
	char longest[251];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	assert_true(script_name_valid(str_n(longest, 249)));
	assert_false(script_name_valid(str_n(longest, 250)));
	assert_true(script_name_valid(STR("d\xc3\xa9j\xc3\xa0 vu.x")));
	assert_true(script_name_valid(STR("..")));
	assert_false(script_name_valid(STR("")));
	assert_false(script_name_valid(STR("a/b")));
	assert_false(script_name_valid(STR("a\nb")));
	assert_false(script_name_valid(STR("a\0b")));
	assert_false(script_name_valid(STR("\x7f")));
	assert_false(script_name_valid(STR("\xc2\x85")));
	assert_false(script_name_valid(STR("\xe2\x80\xa8")));
	assert_false(script_name_valid(STR("\xff")));
}

static void test_put_and_get(void **state)
{
	struct scripts *scripts = open_with(state, "");
	struct fixture *f = *state;
	struct stat st;

	assert_list(scripts, "");
	put(scripts, "b", "keep;");
	put(scripts, "a", "discard;\r\n");
	put(scripts, "b", "stop;");
	assert_list(scripts, "a b ");
	assert_get(scripts, "a", "discard;\r\n");
	assert_get(scripts, "b", "stop;");
	assert_int_equal(stat(path(f, "sieve/b.sieve"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_fails(
		scripts_get(f->ctx, scripts, STR("x"), &(struct str){0}, &err),
		ERR_NOT_FOUND);
	assert_fails(scripts_put(scripts, STR("b"), STR("foo; bar;"), false,
				 &counting, &err),
		     ERR_CORRUPT);
	assert_int_equal(errors, 3);
	assert_get(scripts, "b", "stop;");
	assert_fails(scripts_put(scripts, STR("a/b"), STR(""), false, &counting,
				 &err),
		     ERR_INVALID);
}

static void test_active(void **state)
{
	struct scripts *scripts = open_with(state, "");
	struct fixture *f = *state;

	put(scripts, "a", "keep;");
	put(scripts, "b", "keep;");
	assert_true(activate(scripts, "a"));
	assert_false(activate(scripts, "a"));
	assert_link(f, "sieve/a.sieve");
	assert_list(scripts, "a* b ");
	assert_fails(scripts_delete(scripts, STR("a"), &err), ERR_IN_USE);
	assert_fails(scripts_rename(scripts, STR("a"), STR("b"), &err),
		     ERR_EXISTS);
	assert_ok(scripts_rename(scripts, STR("a"), STR("c"), &err));
	assert_link(f, "sieve/c.sieve");
	assert_list(scripts, "b c* ");
	assert_ok(scripts_rename(scripts, STR("b"), STR("a"), &err));
	assert_link(f, "sieve/c.sieve");
	assert_true(activate(scripts, ""));
	assert_false(activate(scripts, ""));
	assert_link(f, NULL);
	write_file(f, "sieve/c.svbin", "");
	assert_ok(scripts_delete(scripts, STR("c"), &err));
	assert_int_equal(access(path(f, "sieve/c.svbin"), F_OK), -1);
	assert_list(scripts, "a ");
	write_file(f, "sieve/bad.sieve", "foo;");
	assert_fails(scripts_activate(scripts, STR("bad"), &counting,
				      &(bool){false}, &err),
		     ERR_CORRUPT);
	assert_link(f, NULL);
}

/* However it is written, it leads to the directory or it does not. */
static void test_links(void **state)
{
	struct scripts *scripts = open_with(state, "");
	struct fixture *f = *state;
	char *link_path = path(f, ".dovecot.sieve");
	const struct {
		const char *target, *list;
	} cases[] = {
		{"sieve/../sieve/a.sieve", "a* "},
		{path(f, "sieve/a.sieve"), "a* "},
		{"sieve/gone.sieve", "a "},
		{"other/a.sieve", "a "},
		{"sieve/a.txt", "a "},
		{"a.sieve", "a "},
	};

	put(scripts, "a", "keep;");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(symlink(cases[i].target, link_path), 0);
		assert_list(scripts, cases[i].list);
		assert_true(activate(scripts, ""));
	}
	assert_int_equal(symlink("other/a.sieve", link_path), 0);
	assert_true(activate(scripts, "a"));
	assert_link(f, "sieve/a.sieve");
}

/* What was written by hand is never lost, however often. */
static void test_file_in_place_of_link(void **state)
{
	struct scripts *scripts = open_with(state, "");
	struct fixture *f = *state;

	put(scripts, "a", "keep;");
	write_file(f, ".dovecot.sieve", "# one\n");
	assert_list(scripts, "a ");
	assert_true(activate(scripts, "a"));
	assert_list(scripts, "a* dovecot.orig ");
	assert_int_equal(unlink(path(f, ".dovecot.sieve")), 0);
	write_file(f, ".dovecot.sieve", "# two\n");
	assert_true(activate(scripts, ""));
	assert_link(f, NULL);
	assert_get(scripts, "dovecot.orig", "# one\n");
	assert_get(scripts, "dovecot.orig2", "# two\n");
}

static void test_hostile_files(void **state)
{
	struct scripts *scripts = open_with(state, "");
	struct fixture *f = *state;
	struct str text;

	put(scripts, "a", "keep;");
	write_file(f, "secret", "secret");
	assert_int_equal(symlink("a.sieve", path(f, "sieve/in.sieve")), 0);
	assert_int_equal(symlink("../secret", path(f, "sieve/out.sieve")), 0);
	assert_int_equal(symlink(path(f, "secret"), path(f, "sieve/abs.sieve")),
			 0);
	assert_int_equal(symlink("loop.sieve", path(f, "sieve/loop.sieve")), 0);
	assert_int_equal(mkfifo(path(f, "sieve/fifo.sieve"), 0600), 0);
	assert_int_equal(mkdir(path(f, "sieve/dir.sieve"), 0700), 0);
	assert_get(scripts, "in", "keep;");
	static const char *const bad[] = {"out", "abs", "loop", "fifo", "dir"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(scripts_get(f->ctx, scripts, str_of(bad[i]),
					     &text, &err),
				 -1);
		assert_int_equal(err.code, ERR_TEMPORARY);
		assert_int_equal(scripts_activate(scripts, str_of(bad[i]),
						  &counting, &(bool){false},
						  &err),
				 -1);
	}
	/* Written through none of them. */
	put(scripts, "out", "stop;");
	assert_get(scripts, "out", "stop;");
	assert_int_equal(access(path(f, "sieve/out.sieve"), F_OK), 0);
	assert_int_equal(rename(path(f, "sieve/tmp"), path(f, "elsewhere")), 0);
	assert_int_equal(symlink("../elsewhere", path(f, "sieve/tmp")), 0);
	assert_int_equal(
		scripts_put(scripts, STR("b"), STR(""), false, &counting, &err),
		-1);
}

static void assert_space(struct scripts *scripts, const char *name,
			 uint64_t size, const char *expected)
{
	const char *quota = "";
	int ret = scripts_has_space(scripts, str_of(name), size, &quota, &err);

	if (expected == NULL) {
		assert_int_equal(ret, 0);
		return;
	}
	assert_int_equal(ret, -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_string_equal(quota, expected);
}

static void test_quota(void **state)
{
	struct scripts *scripts =
		open_with(state, "sieve_quota_max_scripts = 2\n"
				 "sieve_quota_max_storage = 50\n"
				 "sieve_max_script_size = 40\n");

	assert_space(scripts, "a", 40, NULL);
	assert_space(scripts, "a", 41, "QUOTA/MAXSIZE");
	put(scripts, "a", "# 34567\r\n\r\n");
	assert_space(scripts, "b", 39, NULL);
	assert_space(scripts, "b", 40, "QUOTA/MAXSTORAGE");
	assert_space(scripts, "a", 40, NULL);
	put(scripts, "b", "# 34567\r\n");
	assert_space(scripts, "c", 1, "QUOTA/MAXSCRIPTS");
	assert_space(scripts, "b", 39, NULL);
	assert_space(scripts, "b", UINT64_MAX, "QUOTA/MAXSIZE");
}

static void test_default_script(void **state)
{
	char settings[200], name[] = "/tmp/test_scriptsXXXXXX";
	CLEANUP(fd_close) int fd = mkstemp(name);
	struct scripts *scripts;
	struct fixture *f;

	assert_int_equal(write(fd, "stop;", 5), 5);
	snprintf(settings, sizeof(settings),
		 "sieve_default = %s\nsieve_default_name = main\n", name);
	scripts = open_with(state, settings);
	f = *state;
	assert_list(scripts, "main* ");
	assert_get(scripts, "main", "stop;");
	assert_fails(scripts_delete(scripts, STR("main"), &err), ERR_IN_USE);
	put(scripts, "a", "keep;");
	assert_true(activate(scripts, "a"));
	assert_fails(scripts_delete(scripts, STR("main"), &err), ERR_DENIED);
	assert_list(scripts, "a* main ");
	assert_true(activate(scripts, "main"));
	assert_link(f, NULL);
	assert_list(scripts, "a main* ");
	assert_ok(scripts_rename(scripts, STR("main"), STR("own"), &err));
	assert_get(scripts, "own", "stop;");
	assert_list(scripts, "a own* main ");
	put(scripts, "main", "discard;");
	assert_get(scripts, "main", "discard;");
	assert_list(scripts, "a main own* ");
	/* Where it is at work, what takes its place is. */
	assert_true(activate(scripts, ""));
	assert_ok(scripts_delete(scripts, STR("main"), &err));
	put(scripts, "main", "stop;");
	assert_list(scripts, "a main* own ");
	unlink(name);
}

static void test_includes_may_be_missing_at_upload(void **state)
{
	struct scripts *scripts = open_with(state, "");

	put(scripts, "a", "require \"include\"; include \"b\";");
	assert_int_equal(warnings, 1);
	assert_int_equal(errors, 0);
	assert_fails(scripts_activate(scripts, STR("a"), &counting,
				      &(bool){false}, &err),
		     ERR_CORRUPT);
	put(scripts, "b", "keep;");
	assert_true(activate(scripts, "a"));
}

static void test_locations(void **state)
{
	struct scripts *scripts =
		open_with(state, "sieve = ~/.mine\nsieve_dir = ~/sv\n");
	struct fixture *f = *state;
	char text[100];

	put(scripts, "a", "keep;");
	assert_true(activate(scripts, "a"));
	assert_int_equal(readlink(path(f, ".mine"), text, sizeof(text)), 10);
	assert_memory_equal(text, "sv/a.sieve", 10);
}

static void test_old_temporary_files_go(void **state)
{
	const struct timespec long_ago[2] = {{1000, 0}, {1000, 0}};
	struct scripts *scripts = open_with(state, "");
	struct fixture *f = *state;

	put(scripts, "a", "keep;");
	write_file(f, "sieve/tmp/old", "x");
	write_file(f, "sieve/tmp/new", "x");
	assert_int_equal(
		utimensat(AT_FDCWD, path(f, "sieve/tmp/old"), long_ago, 0), 0);
	put(scripts, "a", "stop;");
	assert_int_equal(access(path(f, "sieve/tmp/old"), F_OK), -1);
	assert_int_equal(access(path(f, "sieve/tmp/new"), F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test_teardown(test_put_and_get, fixture_teardown),
		cmocka_unit_test_teardown(test_active, fixture_teardown),
		cmocka_unit_test_teardown(test_links, fixture_teardown),
		cmocka_unit_test_teardown(test_file_in_place_of_link,
					  fixture_teardown),
		cmocka_unit_test_teardown(test_hostile_files, fixture_teardown),
		cmocka_unit_test_teardown(test_quota, fixture_teardown),
		cmocka_unit_test_teardown(test_default_script,
					  fixture_teardown),
		cmocka_unit_test_teardown(
			test_includes_may_be_missing_at_upload,
			fixture_teardown),
		cmocka_unit_test_teardown(test_locations, fixture_teardown),
		cmocka_unit_test_teardown(test_old_temporary_files_go,
					  fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
