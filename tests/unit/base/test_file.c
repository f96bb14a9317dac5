/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test_file.XXXXXX");
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int remove_dir(void **state)
{
	struct err err;

	(void)state;
	return dir_remove(dir, &err);
}

static char *path(const char *name)
{
	static char text[256];

	snprintf(text, sizeof(text), "%s/%s", dir, name);
	return text;
}

static void test_replace_puts_a_whole_file(void **state)
{
	CLEANUP(buf_free) struct buf out = buf_init(100);
	struct err err;
	struct stat st;

	(void)state;
	assert_int_equal(file_replace(path("f"), "one", 3, 0600, &err), 0);
	assert_int_equal(file_replace(path("f"), "two!", 4, 0640, &err), 0);
	assert_int_equal(file_read(path("f"), &out, &err), 0);
	assert_string_equal(out.data, "two!");
	assert_int_equal(stat(path("f"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(file_replace(path("no/f"), "x", 1, 0600, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void test_reading_stops_at_the_limit(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(file_replace(path("g"), "12345", 5, 0600, &err), 0);
	for (size_t max = 4; max <= 6; max++) {
		CLEANUP(buf_free) struct buf out = buf_init(max);
		int ret = file_read(path("g"), &out, &err);

		assert_int_equal(ret, max < 5 ? -1 : 0);
		if (max < 5)
			assert_int_equal(err.code, ERR_LIMIT);
		else
			assert_string_equal(out.data, "12345");
	}
	assert_int_equal(file_read(path("none"), &(struct buf){0}, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void test_directories_are_made_and_removed(void **state)
{
	struct err err;
	struct stat st;

	(void)state;
	assert_int_equal(dir_create(path("a/b/c"), 0755, &err), 0);
	assert_int_equal(dir_create(path("a/b/c/"), 0755, &err), 0);
	assert_int_equal(file_replace(path("a/b/f"), "x", 1, 0600, &err), 0);
	assert_int_equal(dir_create(path("a/b/f"), 0755, &err), -1);
	assert_int_equal(symlink(dir, path("a/link")), 0);
	assert_int_equal(dir_remove(path("a"), &err), 0);
	assert_int_equal(stat(path("a"), &st), -1);
	/* The link was removed, not what it points to. */
	assert_int_equal(stat(dir, &st), 0);
}

static void expands(const char *in, const char *home, const char *wanted)
{
	char *out = path_expand(NULL, in, home);

	assert_string_equal(out, wanted);
	mem_free(out);
}

static void test_paths(void **state)
{
	(void)state;
	expands("~/Maildir", "/home/a", "/home/a/Maildir");
	expands("~", "/home/a", "/home/a");
	expands("mail/./x//y", "/home/a/", "/home/a/mail/x/y");
	expands("/a/../b", "/home/a", "/b");
	expands("../../../..", "/home/a", "/");
	expands("/", "/home/a", "/");
	expands("~user/x", "/h", "/h/~user/x");
}

static void test_cleanups_keep_errno(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), none = -1;
	FILE *fp = NULL;

	(void)state;
	errno = EDOM;
	fd_close(&fd);
	fd_close(&none);
	file_close(&fp);
	assert_int_equal(fd, -1);
	assert_int_equal(errno, EDOM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replace_puts_a_whole_file),
		cmocka_unit_test(test_reading_stops_at_the_limit),
		cmocka_unit_test(test_directories_are_made_and_removed),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_cleanups_keep_errno),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
