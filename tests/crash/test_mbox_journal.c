/* SPDX-License-Identifier: MIT */
/*
 * kill -9 before each call of a write to an mbox: who comes next finds the file
 * as it was, or as it was to become, and behind it what others appended.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/storage/fixture.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "calls.h"
#include "storage/mbox/mbox.h"
#include "storage/user.h"

enum { SIZE = 6000, FILE_MAX = 1 << 20 };

static const struct mail_settings settings = {.mail_fsync = "optimized"};

struct journal_test {
	struct location location;
	struct driver_box box;
	char dir[64], path[96], control[96];
	char before[SIZE];
};

typedef void write_fn(struct driver_box *box, int fd);

/* the writes */

static struct mbox_journal *begin(struct driver_box *box,
				  enum mbox_journal_kind kind, int fd,
				  uint64_t start, uint64_t from)
{
	struct mbox_journal *journal;
	struct err err;

	assert_ok(mbox_journal_begin(NULL, box, kind, fd, start, from, &journal,
				     &err));
	return journal;
}

static void copy(struct mbox_journal *journal, uint64_t from, uint64_t to)
{
	struct err err;

	assert_ok(mbox_journal_copy(journal, from, to - from, &err));
}

static void add(struct mbox_journal *journal, char c, size_t len)
{
	char *text = mem_array(journal, char, len);
	struct err err;

	memset(text, c, len);
	text[len - 1] = '\n';
	assert_ok(mbox_journal_add(journal, text, len, &err));
}

static void commit(struct mbox_journal *journal)
{
	struct err err;

	assert_ok(mbox_journal_commit(journal, &err));
	mem_free(journal);
}

static void shorter(struct driver_box *box, int fd)
{
	struct mbox_journal *journal =
		begin(box, MBOX_JOURNAL_TEXT, fd, 1000, 0);

	copy(journal, 1500, SIZE);
	commit(journal);
}

static void longer(struct driver_box *box, int fd)
{
	struct mbox_journal *journal =
		begin(box, MBOX_JOURNAL_TEXT, fd, 1000, 0);

	add(journal, 'x', 700);
	copy(journal, 1000, SIZE);
	commit(journal);
}

static void appended(struct driver_box *box, int fd)
{
	struct mbox_journal *journal =
		begin(box, MBOX_JOURNAL_APPEND, fd, SIZE, 0);

	mbox_journal_expect(journal, 3000);
	add(journal, 'x', 3000);
	commit(journal);
}

/* More than one write, and NULs in it. */
static void appended_much(struct driver_box *box, int fd)
{
	static const char nuls[2000];
	struct mbox_journal *journal =
		begin(box, MBOX_JOURNAL_APPEND, fd, SIZE, 0);
	struct err err;

	mbox_journal_expect(journal, 600000 + sizeof(nuls));
	add(journal, 'x', 300000);
	assert_ok(mbox_journal_add(journal, nuls, sizeof(nuls), &err));
	add(journal, 'y', 300000);
	commit(journal);
}

static void patched(struct driver_box *box, int fd)
{
	struct mbox_journal *journal = begin(box, MBOX_JOURNAL_PATCH, fd, 0, 0);
	char old[100];
	struct err err;

	for (off_t at = 500; at < SIZE; at += 1024) {
		assert_int_equal(pread(fd, old, 100, at), 100);
		assert_ok(mbox_journal_patch(
			journal, (uint64_t)at, str_n(old, 100),
			STR("1234567890123456789012345678901234567890123456789"
			    "012345678901234567890123456789012345678901234567"
			    "890"),
			&err));
	}
	commit(journal);
}

/* Two gaps, the first one at the front. */
static void shifted(struct driver_box *box, int fd)
{
	struct mbox_journal *journal =
		begin(box, MBOX_JOURNAL_SHIFT, fd, 0, 400);

	copy(journal, 400, 2000);
	copy(journal, 2600, SIZE);
	commit(journal);
}

/* A header that comes in place of a longer one. */
static void shifted_with_header(struct driver_box *box, int fd)
{
	struct mbox_journal *journal =
		begin(box, MBOX_JOURNAL_SHIFT, fd, 0, 400);

	copy(journal, 400, 430);
	assert_true(mbox_journal_fits(journal, 430, 300));
	assert_false(mbox_journal_fits(journal, 430, 430));
	add(journal, 'h', 300);
	mbox_journal_skip(journal, 600);
	copy(journal, 600, SIZE);
	commit(journal);
}

/* the file */

static void put_file(const struct journal_test *test)
{
	int fd = open(test->path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, test->before, SIZE), SIZE);
	close(fd);
}

static void read_file(const struct journal_test *test, struct buf *out)
{
	struct err err;

	buf_reset(out);
	assert_ok(file_read(test->path, out, &err));
}

static void run(struct journal_test *test, write_fn *fn)
{
	int fd = open(test->path, O_RDWR);

	assert_true(fd >= 0);
	fn(&test->box, fd);
	close(fd);
}

static const char foreign[] = "From x  Sat Nov 28 20:15:24 2026\n\nForeign\n";

static void append_foreign(const struct journal_test *test)
{
	int fd = open(test->path, O_WRONLY | O_APPEND);

	assert_int_equal(write(fd, foreign, strlen(foreign)), strlen(foreign));
	close(fd);
}

static void recover(struct journal_test *test)
{
	int fd = open(test->path, O_RDWR);
	struct err err;

	if (mbox_journal_exists(&test->box))
		assert_ok(mbox_journal_recover(&test->box, fd, &err));
	assert_false(mbox_journal_exists(&test->box));
	close(fd);
}

/* the kills */

struct countdown {
	unsigned left;
};

static int before(void *ctx, const char *call, const char *path)
{
	struct countdown *countdown = ctx;

	(void)call;
	(void)path;
	if (--countdown->left == 0)
		raise(SIGKILL);
	return 0;
}

static const struct calls calls = {.before = before};

/* Returns whether it was killed. */
static bool kill_at(struct journal_test *test, write_fn *fn, unsigned call)
{
	struct countdown countdown = {call};
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		calls_watch(&calls, &countdown);
		if (fn == NULL)
			recover(test);
		else
			run(test, fn);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

static bool is(const struct buf *now, const char *text, size_t len)
{
	return now->len == len && memcmp(now->data, text, len) == 0;
}

static void check(const struct journal_test *test, const struct buf *after,
		  bool others, unsigned call)
{
	CLEANUP(buf_free) struct buf now = buf_init(FILE_MAX);
	size_t more = others ? strlen(foreign) : 0;

	read_file(test, &now);
	if (now.len < more ||
	    memcmp(now.data + now.len - more, foreign, more) != 0)
		fail_msg("call %u: others' mail is gone", call);
	now.len -= more;
	/* Of a shift, its first step may be all: the first gap is gone. */
	if (!is(&now, test->before, SIZE) &&
	    !is(&now, after->data, after->len) &&
	    !is(&now, test->before + 400, SIZE - 400))
		fail_msg("call %u: neither as before nor as after", call);
}

static void check_kills(struct journal_test *test, write_fn *fn, bool others)
{
	CLEANUP(buf_free) struct buf after = buf_init(FILE_MAX);
	unsigned call = 0;
	bool killed = true;

	put_file(test);
	run(test, fn);
	read_file(test, &after);
	while (killed) {
		put_file(test);
		killed = kill_at(test, fn, ++call);
		/* Who recovers may be killed, too. */
		if (others) {
			append_foreign(test);
			kill_at(test, NULL, 1 + call % 9);
		}
		recover(test);
		check(test, &after, others, call);
	}
	assert_true(call > 5);
}

static int setup(void **state)
{
	struct journal_test *test = mem_new(NULL, struct journal_test);
	const char *tmp = getenv("TMPDIR");

	snprintf(test->dir, sizeof(test->dir), "%s/journal-XXXXXX",
		 tmp == NULL ? "/tmp" : tmp);
	assert_non_null(mkdtemp(test->dir));
	snprintf(test->path, sizeof(test->path), "%s/mbox", test->dir);
	snprintf(test->control, sizeof(test->control), "%s/c", test->dir);
	for (size_t i = 0; i < SIZE; i++)
		test->before[i] = i % 50 == 49 ? '\n' : (char)('a' + i % 23);
	test->location =
		(struct location){.root = test->dir,
				  .settings = &settings,
				  .rights = {0700, 0600, (gid_t)-1, test->dir}};
	test->box = (struct driver_box){.location = &test->location,
					.name = "mbox",
					.path = test->path,
					.control = test->control};
	*state = test;
	return 0;
}

static int teardown(void **state)
{
	struct journal_test *test = *state;
	struct err err;

	assert_ok(dir_remove(test->dir, &err));
	mem_free(test);
	return 0;
}

static void test_killed(void **state)
{
	static write_fn *const fns[] = {
		shorter,
		longer,
		appended,
		appended_much,
		patched,
		shifted,
		shifted_with_header,
	};

	for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
		check_kills(*state, fns[i], false);
		check_kills(*state, fns[i], true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
	};

	calls_skip_sync();
	log_open("test_mbox_journal", LOG_TO_NOWHERE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
