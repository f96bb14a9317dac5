/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>

#include "base/err.h"
#include "fixture.h"

/* Instead of libc's: there is no inotify; and somebody else is just quicker or
 * just slower than we are. */
static bool no_inotify;
static const char *intruder_from, *intruder_to;
static bool intruder_first;

static void *real(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	assert_non_null(function);
	return function;
}

int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	int (*next)(int, const char *, uint32_t);

	*(void **)&next = real("inotify_add_watch");
	if (!no_inotify)
		return next(fd, path, mask);
	errno = ENOSPC;
	return -1;
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	int (*next)(int, const char *, int, const char *), ret = 0;
	const char *intruder = intruder_from;

	*(void **)&next = real("renameat");
	intruder_from = NULL;
	if (intruder == NULL || !intruder_first)
		ret = next(from_fd, from, to_fd, to);
	if (intruder != NULL)
		assert_int_equal(next(to_fd, intruder, to_fd, intruder_to), 0);
	if (intruder != NULL && intruder_first)
		ret = next(from_fd, from, to_fd, to);
	return ret;
}

static void own_changes_need_no_scan(struct fixture *f)
{
	struct maildir_state before, after;
	struct index_box row;

	fixture_sync(f);
	for (int i = 0; i < 5; i++) {
		struct dir_times now;
		struct err err;

		fixture_save(f, "x", i % 2 == 0 ? 0 : MAIL_SEEN, 0);
		row = fixture_row(f);
		state_get(&row, &before);
		OK(dir_times_get(f->box, &now, &err));
		assert_true(file_time_same(now.new_time, before.new_time));
		assert_true(file_time_same(now.cur_time, before.cur_time));
	}
	fixture_flags(f, 1, MAIL_FLAGGED, 1);
	fixture_expunge(f, 2);
	row = fixture_row(f);
	state_get(&row, &before);
	uint64_t generation = index_generation(f->index);

	fixture_sync(f);
	assert_int_equal(generation, index_generation(f->index));
	fixture_file(f, "cur/1600000001.a:2,", "a");
	fixture_sync(f);
	row = fixture_row(f);
	state_get(&row, &after);
	assert_int_equal(before.own_changes > 0, no_inotify);
	assert_int_equal(after.own_changes, 0);
}

static void test_own_changes_need_no_scan(void **state)
{
	own_changes_need_no_scan(*state);
}

static void test_own_changes_without_inotify_need_none_soon(void **state)
{
	no_inotify = true;
	own_changes_need_no_scan(*state);
	no_inotify = false;
}

static void test_change_between_the_looks_is_seen(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "cur/1600000001.a:2,", "a");
	fixture_file(f, "cur/1600000002.b:2,", "b");
	fixture_sync(f);
	for (int i = 0; i < 2; i++) {
		intruder_first = i == 1;
		intruder_from = "1600000001.a:2,";
		intruder_to = "1600000001.a:2,F";
		fixture_flags(f, 2, MAIL_SEEN, 0);
		assert_null(intruder_from);
		fixture_sync(f);
		assert_string_equal(fixture_mails(f), "1:F 2:S");
		intruder_from = "1600000001.a:2,F";
		intruder_to = "1600000001.a:2,";
		fixture_flags(f, 2, 0, 0);
		fixture_sync(f);
		assert_string_equal(fixture_mails(f), "1: 2:");
	}
}

/* As if cur/ had been read two hours ago. */
static void read_long_ago(struct fixture *f)
{
	struct index_box row = fixture_row(f);
	struct maildir_state state;
	struct index_txn *txn;
	struct err err;

	state_get(&row, &state);
	state.cur_read -= 7200;
	state_put(&row, &state);
	OK(index_begin(f->index, INDEX_WRITE, &txn, &err));
	OK(index_box_put(txn, &row, &err));
	OK(index_commit(&txn, &err));
}

/* A rename whose trace, the directory's mtime, is overwritten by our own. */
static void rename_unseen(struct fixture *f, const char *from, const char *to)
{
	struct index_box row = fixture_row(f);
	char *cur = mem_printf(f->box, "%s/cur", f->root);
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
	struct maildir_state state;

	fixture_move(f, from, to);
	state_get(&row, &state);
	times[1].tv_sec = (time_t)state.cur_time.sec;
	times[1].tv_nsec = state.cur_time.nsec;
	assert_int_equal(utimensat(AT_FDCWD, cur, times, 0), 0);
}

static void test_change_behind_an_own_one_is_seen_in_time(void **state)
{
	struct fixture *f = *state;

	no_inotify = true;
	fixture_file(f, "cur/1600000001.a:2,", "a");
	fixture_file(f, "cur/1600000002.b:2,", "b");
	fixture_sync(f);
	/* Without own changes there is nothing to hide behind. */
	read_long_ago(f);
	rename_unseen(f, "cur/1600000001.a:2,", "cur/1600000001.a:2,F");
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "1: 2:");
	fixture_flags(f, 2, MAIL_SEEN, 0);
	f->settings.maildir_very_dirty_syncs = true;
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "1: 2:S");
	f->settings.maildir_very_dirty_syncs = false;
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "1:F 2:S");
	/* It was read just now. */
	rename_unseen(f, "cur/1600000001.a:2,F", "cur/1600000001.a:2,");
	fixture_flags(f, 2, 0, 0);
	fixture_sync(f);
	assert_string_equal(fixture_mails(f), "1:F 2:");
	no_inotify = false;
}

#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_own_changes_need_no_scan),
		T(test_own_changes_without_inotify_need_none_soon),
		T(test_change_between_the_looks_is_seen),
		T(test_change_behind_an_own_one_is_seen_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
