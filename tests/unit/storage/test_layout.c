/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "fixture.h"
#include "storage/driver.h"
#include "storage/layout.h"

static char *path(struct fixture *f, const char *name)
{
	return mem_printf(f->ctx, "%s/%s", f->dir, name);
}

/* A link that an ordinary user could have made. */
static void make_link(struct fixture *f, const char *to, const char *name)
{
	char *link = path(f, name);

	assert_return_code(symlink(to, link), 0);
	if (geteuid() == 0)
		assert_return_code(lchown(link, 65534, 65534), 0);
}

static void make_dir(struct fixture *f, const char *name, uid_t uid)
{
	assert_return_code(mkdir(path(f, name), 0700), 0);
	if (geteuid() == 0)
		assert_return_code(chown(path(f, name), uid, uid), 0);
}

static void test_links_to_own_directories_are_followed(void **state)
{
	struct fixture *f = *state;
	struct err err;

	make_dir(f, "own", 65534);
	make_link(f, path(f, "own"), "link");
	assert_ok(layout_check_links(f->dir, path(f, "link"), &err));
	assert_ok(layout_check_links(f->dir, path(f, "link/cur"), &err));
	assert_ok(layout_check_links(f->dir, path(f, "missing/cur"), &err));
	assert_ok(layout_check_links(f->dir, f->dir, &err));
}

static void test_links_to_what_is_not_ones_own_are_not(void **state)
{
	static const char *const foreign[] = {"/usr", "/etc/passwd",
					      "/nowhere/at/all"};
	struct fixture *f = *state;
	struct err err;

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		make_link(f, foreign[i], "link");
		assert_int_equal(
			layout_check_links(f->dir, path(f, "link"), &err), -1);
		assert_int_equal(err.code, ERR_DENIED);
		assert_int_equal(
			layout_check_links(f->dir, path(f, "link/a"), &err),
			-1);
		assert_return_code(unlink(path(f, "link")), 0);
	}
}

static void test_links_of_the_administrator_are_followed(void **state)
{
	struct fixture *f = *state;
	struct err err;

	if (geteuid() != 0)
		skip();
	make_dir(f, "bob", 65534);
	assert_return_code(symlink(path(f, "bob"), path(f, "link")), 0);
	assert_ok(layout_check_links(f->dir, path(f, "link"), &err));
}

static void test_listing_follows_the_same_links(void **state)
{
	struct fixture *f = *state;
	struct dirent entry = {.d_type = DT_LNK, .d_name = "foreign"};
	CLEANUP(fd_close)
	int fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	make_dir(f, "own", 65534);
	make_link(f, path(f, "own"), "link");
	make_link(f, "/usr", "foreign");
	assert_false(layout_entry_is(fd, &entry, S_IFDIR));
	memcpy(entry.d_name, "link", 5);
	assert_true(layout_entry_is(fd, &entry, S_IFDIR));
	assert_false(layout_entry_is(fd, &entry, S_IFREG));
	memcpy(entry.d_name, "own", 4);
	entry.d_type = DT_UNKNOWN;
	assert_true(layout_entry_is(fd, &entry, S_IFDIR));
	memcpy(entry.d_name, "none", 5);
	assert_false(layout_entry_is(fd, &entry, S_IFDIR));
}

static void check_name(bool utf8, const char *name, const char *disk)
{
	struct location location = {.utf8 = utf8, .layout = "fs"};
	CLEANUP(buf_free) struct buf out = buf_init(LAYOUT_PATH_MAX);
	CLEANUP(buf_free) struct buf back = buf_init(LAYOUT_PATH_MAX);
	struct err err;

	assert_ok(layout_encode_level(&location, str_of(name), &out, &err));
	assert_string_equal(out.data, disk);
	assert_true(layout_decode_level(&location, str_of(disk), &back));
	assert_string_equal(back.data, name);
}

static void test_names_on_disk(void **state)
{
	struct location location = {.layout = "fs"};
	CLEANUP(buf_free) struct buf out = buf_init(LAYOUT_PATH_MAX);
	char longest[LAYOUT_COMPONENT_MAX + 2];
	struct err err;

	(void)state;
	check_name(false, "Entw\xc3\xbcrfe", "Entw&APw-rfe");
	check_name(true, "Entw\xc3\xbcrfe", "Entw\xc3\xbcrfe");
	check_name(false, "a&b", "a&-b");
	check_name(true, "a&b", "a&b");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(
		layout_encode_level(&location, str_of(longest), &out, &err),
		-1);
	assert_false(layout_decode_level(&location, str_of(longest), &out));
	longest[sizeof(longest) - 2] = '\0';
	check_name(false, longest, longest);
	/* "/" in modified UTF-7, and what is none. */
	assert_false(layout_decode_level(&location, str_of("a&AC8-"), &out));
	assert_false(layout_decode_level(&location, str_of("a&b"), &out));
	assert_int_equal(
		layout_encode_level(&location, str_of("a\nb"), &out, &err), -1);
}

static void check_broken(bool utf8, const char *disk, const char *name)
{
	struct location location = {
		.utf8 = utf8, .broken_char = '~', .layout = "fs"};
	CLEANUP(buf_free) struct buf out = buf_init(LAYOUT_PATH_MAX);
	CLEANUP(buf_free) struct buf back = buf_init(LAYOUT_PATH_MAX);
	struct err err;

	assert_true(layout_decode_level(&location, str_of(disk), &out));
	assert_string_equal(out.data, name);
	assert_ok(layout_encode_level(&location, str_of(name), &back, &err));
	assert_string_equal(back.data, disk);
}

/* The names that Dovecot 2.3.19 has for them. */
static void test_broken_names(void **state)
{
	(void)state;
	check_broken(false, "Entw\xc3\xbcrfe", "Entw~c3~bcrfe");
	check_broken(false, "gr\xfc\xdf", "gr~fc~df");
	check_broken(false, "a&b", "a~26b");
	check_broken(false, "a&-b", "a&b");
	check_broken(false, "x&", "x~26");
	check_broken(false, "x&ACY-", "x~26ACY-");
	check_broken(false, "&AGE-", "~26AGE-");
	check_broken(false, "&2D3-", "~262D3-");
	check_broken(false, "&AC8-", "~26AC8-");
	check_broken(false, "&AOQ-x", "\xc3\xa4x");
	check_broken(false, "&AOQ-\xff", "\xc3\xa4~ff");
	check_broken(false, "&AOQ-~", "\xc3\xa4~7e");
	check_broken(false, "&AOQ-x&AOQ", "\xc3\xa4x~26AOQ");
	check_broken(false, "&AOQ-&AOQ-", "~26AOQ-\xc3\xa4");
	check_broken(false, "&AOQ-&-", "\xc3\xa4&");
	check_broken(false, "&ZeVnLIqe-&x", "~26ZeVnLIqe-~26x");
	check_broken(false, "ctl\001x\x7f", "ctl~01x~7f");
	check_broken(false, "foo~", "foo~7e");
	check_broken(false, "a~7eb", "a~7e7eb");
	/* A line end in a name: Dovecot decodes it, and nobody can say it. */
	check_broken(false, "&AAo-z", "~26AAo-z");
	check_broken(true, "Entw\xc3\xbcrfe", "Entw\xc3\xbcrfe");
	check_broken(true, "gr\xfc\xdf", "gr~fc~df");
	check_broken(true, "a&b", "a&b");
	check_broken(true, "foo~", "foo~7e");
}

/* Or else ".." and the names of files of ours could be had. */
static void test_names_have_one_spelling(void **state)
{
	static const char *const other[] = {
		"~2e~2e", "~2e.", "~2f", "a~2fb", "c~75r", "~00",  "a~0ab",
		"a~FF",   "a~4",  "a~",  "~~",    "~zz",   "a~41", "a~26-",
	};
	struct location location = {.broken_char = '~', .layout = "fs"};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		CLEANUP(buf_free) struct buf out = buf_init(LAYOUT_PATH_MAX);

		assert_int_equal(layout_encode_level(&location,
						     str_of(other[i]), &out,
						     &err),
				 -1);
		assert_int_equal(err.code, ERR_INVALID);
	}
	CLEANUP(buf_free) struct buf out = buf_init(LAYOUT_PATH_MAX);
	assert_false(layout_decode_level(&location, str_of("a\nb"), &out));
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_links_to_own_directories_are_followed),
		TEST(test_links_to_what_is_not_ones_own_are_not),
		TEST(test_links_of_the_administrator_are_followed),
		TEST(test_listing_follows_the_same_links),
		TEST(test_names_on_disk),
		TEST(test_broken_names),
		TEST(test_names_have_one_spelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
