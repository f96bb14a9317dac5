/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "fixture.h"
#include "storage/guid_names.h"

static char *control_of(struct fixture *f, const char *name)
{
	char *path, *control;
	struct err err;

	OK(maildir_driver.paths(f, &f->location, name, &path, &control, &err));
	return control + strlen(f->root);
}

static char *path_of(struct fixture *f, const char *name)
{
	char *path = NULL, *control;
	struct err err;

	if (maildir_driver.paths(f, &f->location, name, &path, &control, &err) <
	    0)
		return NULL;
	return path + strlen(f->root);
}

static int compare(const void *a, const void *b)
{
	const struct driver_entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* "INBOX a b/c" - in order of names; what cannot be selected in brackets. */
static char *listed(struct fixture *f)
{
	CLEANUP(buf_free) struct buf out = buf_init(65536);
	struct driver_entry *entries = NULL;
	size_t count;
	struct err err;

	OK(maildir_driver.list(f, &f->location, &entries, &count, &err));
	qsort(entries, count, sizeof(*entries), compare);
	for (size_t i = 0; i < count; i++)
		buf_printf(&out, entries[i].selectable ? "%s%s" : "%s(%s)",
			   i > 0 ? " " : "", entries[i].name);
	return buf_steal(f, &out);
}

static void create(struct fixture *f, const char *name)
{
	struct err err;

	OK(maildir_driver.create(&f->location, name, &err));
}

static void test_names_become_dovecots_directories(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(path_of(f, "INBOX"), "");
	assert_string_equal(path_of(f, "Archive/2020"), "/.Archive.2020");
	assert_string_equal(path_of(f, "Entw\303\274rfe"), "/.Entw&APw-rfe");
	assert_string_equal(path_of(f, "a&b"), "/.a&-b");
	f->location.utf8 = true;
	assert_string_equal(path_of(f, "Entw\303\274rfe"), "/.Entw\303\274rfe");
	f->location.layout = "fs";
	assert_string_equal(path_of(f, "Archive/2020"), "/Archive/2020");
	assert_string_equal(path_of(f, "a/.b"), "/a/.b");
	f->location.dirname = "mail";
	assert_string_equal(path_of(f, "Archive/a.b"), "/Archive/a.b/mail");
	assert_string_equal(path_of(f, "a/cur"), "/a/cur/mail");
	assert_string_equal(path_of(f, "INBOX"), "/INBOX/mail");
	assert_null(path_of(f, "a/mail"));
}

static void test_names_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const bad[] = {
		"",     "/",      "a/", "/a",  "a//b", "..",
		"../a", "a/../b", ".",  "a/.", "a\nb", "..DOVECOT-TRASHED"};
	struct fixture *f = *state;
	char name[600];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(path_of(f, bad[i]));
	assert_null(path_of(f, "a.b"));
	assert_null(path_of(f, "a/.b"));
	assert_null(path_of(f, "bad\377utf8"));
	memset(name, 'x', sizeof(name) - 1);
	name[599] = '\0';
	assert_null(path_of(f, name));
	f->location.layout = "fs";
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(path_of(f, bad[i]));
	assert_null(path_of(f, "a/cur"));
	assert_null(path_of(f, name));
}

static void test_list_shows_what_was_created(void **state)
{
	struct fixture *f = *state;
	struct err err;

	create(f, "Archive/2020");
	create(f, "Entw\303\274rfe");
	assert_int_equal(
		maildir_driver.create(&f->location, "Archive/2020", &err), -1);
	assert_int_equal(err.code, ERR_EXISTS);
	/* What is no mailbox. */
	assert_int_equal(mkdir(mem_printf(f, "%s/..x", f->root), 0700), 0);
	assert_int_equal(mkdir(mem_printf(f, "%s/.bad&x", f->root), 0700), 0);
	assert_int_equal(mkdir(mem_printf(f, "%s/other", f->root), 0700), 0);
	fixture_file(f, ".file", "");
	assert_string_equal(listed(f), "Archive/2020 Entw\303\274rfe INBOX");
	assert_true(fixture_has(f, ".Archive.2020/maildirfolder"));
	assert_true(fixture_has(f, ".Archive.2020/dovecot-uidlist"));
}

static void test_fs_lists_levels_and_parents(void **state)
{
	struct fixture *f = *state;

	f->location.layout = "fs";
	create(f, "a/b/c");
	create(f, "d");
	assert_string_equal(listed(f), "INBOX (a) (a/b) a/b/c d");
}

static void rename_and_remove(struct fixture *f)
{
	struct err err;

	create(f, "a");
	create(f, "a/b");
	create(f, "ab");
	OK(maildir_driver.rename(&f->location, "a", "x", &err));
	assert_string_equal(listed(f), "INBOX ab x x/b");
	assert_int_equal(maildir_driver.rename(&f->location, "x", "ab", &err),
			 -1);
	assert_int_equal(err.code, ERR_EXISTS);
	OK(maildir_driver.rename(&f->location, "x/b", "ab/c", &err));
	assert_string_equal(listed(f), "INBOX ab ab/c x");
	OK(maildir_driver.remove(&f->location, "x", &err));
	assert_int_equal(maildir_driver.remove(&f->location, "x", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(maildir_driver.remove(&f->location, "INBOX", &err),
			 -1);
	OK(maildir_driver.remove(&f->location, "ab", &err));
	assert_int_equal(maildir_driver.exists(&f->location, "ab/c", &err), 0);
}

static void test_rename_and_remove(void **state)
{
	struct fixture *f = *state;

	rename_and_remove(f);
	assert_string_equal(listed(f), "INBOX ab/c");
}

static void test_rename_and_remove_in_layout_fs(void **state)
{
	struct fixture *f = *state;

	f->location.layout = "fs";
	rename_and_remove(f);
	assert_string_equal(listed(f), "INBOX (ab) ab/c");
}

static void test_control_files_have_their_own_place(void **state)
{
	struct fixture *f = *state;
	struct err err;

	f->location.control = mem_printf(f, "%s/control", f->root);
	create(f, "a");
	assert_true(fixture_has(f, "control/.a/dovecot-uidlist"));
	assert_true(fixture_has(f, "control/dovecot-uidvalidity"));
	assert_false(fixture_has(f, ".a/dovecot-uidlist"));
	OK(maildir_driver.rename(&f->location, "a", "b", &err));
	assert_true(fixture_has(f, "control/.b/dovecot-uidlist"));
	OK(maildir_driver.remove(&f->location, "b", &err));
	assert_false(fixture_has(f, "control/.b"));
}

/* As Dovecot 2.3 lays them. */
static void test_control_files_of_inbox_are_in_a_directory_too(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(control_of(f, "INBOX"), "");
	f->location.control = mem_printf(f, "%s/c", f->root);
	assert_string_equal(control_of(f, "INBOX"), "/c/.INBOX");
	f->location.inbox = mem_printf(f, "%s/in", f->root);
	assert_string_equal(control_of(f, "INBOX"), "/c/.INBOX");
	f->location.layout = "fs";
	assert_string_equal(control_of(f, "INBOX"), "/c/INBOX");
	f->location.dirname = "d";
	assert_string_equal(control_of(f, "INBOX"), "/c/INBOX");
	assert_string_equal(control_of(f, "a/b"), "/c/a/b");
	f->location.full_dirname = true;
	assert_string_equal(control_of(f, "INBOX"), "/c/INBOX/d");
	assert_string_equal(control_of(f, "a/b"), "/c/a/b/d");
	f->location.control = NULL;
	assert_string_equal(control_of(f, "a"), "/a/d");
	assert_string_equal(control_of(f, "INBOX"), "/in");
}

static void test_rename_takes_control_files_of_children_along(void **state)
{
	struct fixture *f = *state;
	struct err err;

	f->location.layout = "fs";
	f->location.root = mem_printf(f, "%s/root", f->root);
	f->location.control = mem_printf(f, "%s/c", f->root);
	f->location.dirname = "d";
	f->location.full_dirname = true;
	create(f, "x/a");
	create(f, "b");
	OK(maildir_driver.rename(&f->location, "x", "b/y", &err));
	assert_true(fixture_has(f, "root/b/y/a/d/cur"));
	assert_true(fixture_has(f, "c/b/y/a/d/dovecot-uidlist"));
	assert_false(fixture_has(f, "c/x"));
}

static void test_dirname_keeps_levels_and_mailboxes_apart(void **state)
{
	struct fixture *f = *state;
	struct err err;

	f->location.layout = "fs";
	f->location.root = mem_printf(f, "%s/root", f->root);
	f->location.dirname = "d";
	create(f, "INBOX");
	create(f, "a/cur");
	create(f, "a");
	assert_string_equal(listed(f), "INBOX a a/cur");
	assert_true(fixture_has(f, "root/a/cur/d/dovecot-uidlist"));
	OK(maildir_driver.rename(&f->location, "a", "b", &err));
	assert_string_equal(listed(f), "INBOX b b/cur");
	OK(maildir_driver.remove(&f->location, "b", &err));
	assert_string_equal(listed(f), "INBOX (b) b/cur");
	OK(maildir_driver.remove(&f->location, "b/cur", &err));
	assert_string_equal(listed(f), "INBOX (b)");
}

/* A user can make links, but not with mail. */
static void test_links_make_no_tree_without_end(void **state)
{
	struct fixture *f = *state;
	char *dir;

	f->location.layout = "fs";
	create(f, "a/b");
	create(f, "z");
	assert_int_equal(symlink("..", mem_printf(f, "%s/a/up", f->root)), 0);
	assert_int_equal(symlink(".", mem_printf(f, "%s/here", f->root)), 0);
	assert_int_equal(symlink("a", mem_printf(f, "%s/other", f->root)), 0);
	assert_string_equal(listed(f), "INBOX (a) a/b a/up here (other) "
				       "other/b other/up z");
	/* Directories that link to each other all over. */
	for (int i = 0; i < 12; i++) {
		dir = mem_printf(f, "%s/d%d", f->root, i);
		assert_int_equal(mkdir(dir, 0700), 0);
		for (int j = 0; j < 12; j++)
			assert_int_equal(
				symlink(mem_printf(f, "../d%d", j),
					mem_printf(f, "%s/l%d", dir, j)),
				0);
	}
	assert_true(strlen(listed(f)) < 65536);
}

static void test_removing_a_link_leaves_what_it_leads_to(void **state)
{
	struct fixture *f = *state;
	struct err err;

	create(f, "a");
	assert_int_equal(symlink(".a", mem_printf(f, "%s/.link", f->root)), 0);
	assert_string_equal(listed(f), "INBOX a link");
	OK(maildir_driver.remove(&f->location, "link", &err));
	assert_string_equal(listed(f), "INBOX a");
	assert_true(fixture_has(f, ".a/cur"));
}

static void test_files_are_no_place_for_mailboxes(void **state)
{
	struct fixture *f = *state;
	struct err err;

	f->location.layout = "fs";
	fixture_file(f, "subscriptions", "");
	assert_int_equal(
		maildir_driver.create(&f->location, "subscriptions", &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_int_equal(
		maildir_driver.create(&f->location, "subscriptions/a", &err),
		-1);
	assert_int_equal(err.code, ERR_INVALID);
}

static void test_names_by_guid(void **state)
{
	struct fixture *f = *state;
	struct err err;
	char *a;

	f->location.layout = "index";
	f->location.names = guid_names_new(f);
	create(f, "INBOX");
	create(f, "a/b");
	create(f, "x . / \001 &");
	a = mem_strdup(f, path_of(f, "a/b"));
	assert_int_equal(strlen(a), 33);
	assert_true(fixture_has(f, mem_printf(f, "%s/cur", a + 1)));
	assert_string_equal(listed(f), "INBOX a/b x . / \001 &");
	assert_null(path_of(f, "a"));
	OK(maildir_driver.rename(&f->location, "a", "z/y", &err));
	assert_string_equal(path_of(f, "z/y/b"), a);
	assert_int_equal(maildir_driver.create(&f->location, "z/y/b", &err),
			 -1);
	assert_int_equal(err.code, ERR_EXISTS);
	OK(maildir_driver.remove(&f->location, "z/y/b", &err));
	assert_false(fixture_has(f, a + 1));
	assert_int_equal(maildir_driver.exists(&f->location, "z/y/b", &err),
			 -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void test_names_by_guid_of_another_process(void **state)
{
	struct fixture *f = *state;
	struct location other;
	struct err err;

	f->location.layout = "index";
	f->location.names = guid_names_new(f);
	other = f->location;
	other.names = guid_names_new(f);
	create(f, "a");
	OK(maildir_driver.exists(&other, "a", &err));
	OK(maildir_driver.rename(&other, "a", "b", &err));
	OK(maildir_driver.exists(&f->location, "b", &err));
	/* Lines that make no sense do no harm. */
	fixture_file(f, "dovetail.names",
		     "V\t1\nnonsense\n../../../etc\tx\n"
		     "0123456789abcdef0123456789abcdef\tgone\n"
		     "0123456789abcdef0123456789abcdeF\tupper\n");
	assert_string_equal(listed(f), "gone");
	assert_int_equal(maildir_driver.exists(&f->location, "gone", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void test_names_that_dovecot_keeps_are_not_overlooked(void **state)
{
	struct fixture *f = *state;
	struct err err;

	f->location.layout = "index";
	f->location.names = guid_names_new(f);
	fixture_file(f, "dovecot.list.index.log", "");
	assert_int_equal(maildir_driver.create(&f->location, "INBOX", &err),
			 -1);
	assert_int_equal(err.code, ERR_TEMPORARY);
}

static void test_every_mailbox_gets_another_uidvalidity(void **state)
{
	struct fixture *f = *state;
	uint32_t last = 0, next;
	struct err err;

	for (int i = 0; i < 5; i++) {
		OK(uid_validity_next(&f->location, &next, &err));
		assert_true(next > last);
		last = next;
	}
	/* Its memory is lost, the marker file is not. */
	fixture_file(f, "dovecot-uidvalidity", "garbage");
	OK(uid_validity_next(&f->location, &next, &err));
	assert_int_equal(next, last + 1);
}

static void test_group_may_read_what_the_root_lets_it(void **state)
{
	struct fixture *f = *state;
	mode_t mask = umask(077);
	struct stat st;

	f->location.rights.dir_mode = 0770;
	f->location.rights.file_mode = 0660;
	create(f, "a");
	assert_int_equal(stat(mem_printf(f, "%s/.a/cur", f->root), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0770);
	assert_int_equal(
		stat(mem_printf(f, "%s/.a/dovecot-uidlist", f->root), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	umask(mask);
}

static void test_what_can_not_be_made_whole_is_not_there(void **state)
{
	struct fixture *f = *state;
	struct err err;
	struct stat st;

	f->location.control = mem_printf(f, "%s/control", f->root);
	assert_int_equal(mkdir(f->location.control, 0700), 0);
	fixture_file(f, "control/.a", "not a directory");
	assert_int_equal(maildir_create(&f->location, "a", &err), -1);
	assert_int_equal(maildir_exists(&f->location, "a", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(stat(mem_printf(f, "%s/.a", f->root), &st), -1);
}

#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_names_become_dovecots_directories),
		T(test_names_that_lead_elsewhere_are_refused),
		T(test_list_shows_what_was_created),
		T(test_fs_lists_levels_and_parents),
		T(test_rename_and_remove),
		T(test_rename_and_remove_in_layout_fs),
		T(test_control_files_have_their_own_place),
		T(test_control_files_of_inbox_are_in_a_directory_too),
		T(test_rename_takes_control_files_of_children_along),
		T(test_dirname_keeps_levels_and_mailboxes_apart),
		T(test_links_make_no_tree_without_end),
		T(test_removing_a_link_leaves_what_it_leads_to),
		T(test_files_are_no_place_for_mailboxes),
		T(test_names_by_guid),
		T(test_names_by_guid_of_another_process),
		T(test_names_that_dovecot_keeps_are_not_overlooked),
		T(test_every_mailbox_gets_another_uidvalidity),
		T(test_group_may_read_what_the_root_lets_it),
		T(test_what_can_not_be_made_whole_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
