/* SPDX-License-Identifier: MIT */
/*
 * Every call that changes the disk fails in turn: what was acknowledged stays,
 * nothing is doubled, and the mailbox works on when the disk does.
 *
 * The calls are replaced here, in the program, and so also for LMDB.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../unit/storage/fixture.h"
#include "base/cleanup.h"

static unsigned calls, fail_at; /* 0: nothing fails */
static int fail_errno;
static bool fail_on; /* from then on all do: the disk stays full */

static bool fails(void)
{
	calls++;
	if (fail_at == 0 || calls < fail_at || (!fail_on && calls > fail_at))
		return false;
	errno = fail_errno;
	return true;
}

/* The C library's function of that name. */
static void *real(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	if (function == NULL)
		abort();
	return function;
}

#define REPLACE(type, name, params, args)                                      \
	type name params;                                                      \
	type name params                                                       \
	{                                                                      \
		static type(*next) params;                                     \
		if (next == NULL)                                              \
			*(void **)&next = real(#name);                         \
		return fails() ? -1 : next args;                               \
	}

/* clang-format off */
REPLACE(ssize_t, write, (int fd, const void *data, size_t len),
	(fd, data, len))
REPLACE(ssize_t, pwrite, (int fd, const void *data, size_t len, off_t at),
	(fd, data, len, at))
REPLACE(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
REPLACE(int, fdatasync, (int fd), (fd))
REPLACE(int, fsync, (int fd), (fd))
REPLACE(int, ftruncate, (int fd, off_t len), (fd, len))
REPLACE(int, rename, (const char *from, const char *to), (from, to))
REPLACE(int, link, (const char *from, const char *to), (from, to))
REPLACE(int, mkdir, (const char *path, mode_t mode), (path, mode))
REPLACE(int, utimensat,
	(int fd, const char *path, const struct timespec t[2], int flags),
	(fd, path, t, flags))
/* clang-format on */

/* A full disk lets files go, and a lock that stays is another test. */
int unlink(const char *path);
int unlink(const char *path)
{
	static int (*next)(const char *);
	size_t len = strlen(path);

	if (next == NULL)
		*(void **)&next = real("unlink");
	if (fail_errno == ENOSPC ||
	    (len > 5 && strcmp(path + len - 5, ".lock") == 0))
		return next(path);
	return fails() ? -1 : next(path);
}

/* what is done */

enum { SUBJECTS = 16 };

/* What the client was told. */
struct told {
	bool saved[SUBJECTS]; /* by subject */
	bool seen;            /* mail 0 */
	bool copied;          /* mail 0 to "to", as well */
	bool moved;           /* mail 1 to "to" */
	bool expunged;        /* mail 2 */
	bool renamed;         /* "to" to "away" */
};

static int try_save(struct mailbox *box, unsigned subject)
{
	CLEANUP(save_rollback) struct save *save = save_begin(NULL, box);
	struct save_options options = {0};
	char text[100];
	struct err err;

	snprintf(text, sizeof(text), "X-Id: %u\r\n\r\ntext\r\n", subject);
	if (save_mail_begin(save, &options, &err) < 0 ||
	    save_mail_write(save, text, strlen(text), &err) < 0 ||
	    save_mail_finish(save, &err) < 0)
		return -1;
	return save_commit(&save, NULL, NULL, &err);
}

static int try_sync(struct fixture *f, struct mailbox *box)
{
	struct mailbox_changes changes;
	struct err err;

	return mailbox_sync(f->ctx, box, 0, &changes, &err);
}

/* SUBJECTS when its file is gone, for an expunge failed half way. */
static unsigned subject_of(const struct mail *mail)
{
	unsigned subject;
	struct str header;
	struct err err;
	char line[64];

	if (mail_header(mail, &header, &err) < 0) {
		assert_int_equal(err.code, ERR_EXPUNGED);
		return SUBJECTS;
	}
	snprintf(line, sizeof(line), "%.*s", STR_FMT(header));
	assert_int_equal(sscanf(line, "X-Id: %u", &subject), 1);
	assert_true(subject < SUBJECTS);
	return subject;
}

/* 0 if it is not in the view. */
static uint32_t seq_of(struct fixture *f, struct mailbox *box, unsigned subject)
{
	struct range_set all = one(f, 1, mailbox_messages(box));
	struct mail_reader *reader = mail_reader_begin(f->ctx, box, &all);
	const struct mail *mail;
	uint32_t seq = 0;
	struct err err;

	while (seq == 0 && mail_reader_next(reader, &mail, &err) == 1) {
		if (subject_of(mail) == subject)
			seq = mail->seq;
	}
	mail_reader_end(&reader);
	return seq;
}

static int try_store(struct fixture *f, struct mailbox *box, uint32_t seq,
		     uint8_t flags)
{
	struct range_set seqs = one(f, seq, seq);
	struct store store = {
		.mode = STORE_ADD,
		.flags = flags,
		.unchanged_since = UINT64_MAX,
	};
	struct err err;

	if (seq == 0)
		return -1;
	return mailbox_store(NULL, box, &seqs, &store, NULL, &err);
}

static int try_copy(struct fixture *f, struct mailbox *box, uint32_t seq,
		    bool move)
{
	struct range_set seqs = one(f, seq, seq);
	struct copy_result result;
	struct err err;

	if (seq == 0)
		return -1;
	return mailbox_copy(f->ctx, box, &seqs, "to", move, &result, &err);
}

static void work(struct fixture *f, struct mailbox *box, struct told *told)
{
	struct err err;
	uint32_t seq;

	for (unsigned i = 4; i < 7; i++)
		told->saved[i] = try_save(box, i) == 0;
	try_sync(f, box);
	seq = seq_of(f, box, 0);
	told->seen = try_store(f, box, seq, MAIL_SEEN) == 0;
	told->copied = try_copy(f, box, seq, false) == 0;
	told->moved = try_copy(f, box, seq_of(f, box, 1), true) == 0;
	if (try_store(f, box, seq_of(f, box, 2), MAIL_DELETED) == 0)
		told->expunged = mailbox_expunge(box, NULL, &err) == 0;
	told->renamed = mailbox_rename(f->user, "to", "away", &err) == 0;
}

/* what must be true afterwards */

static void count(struct fixture *f, const char *name, unsigned found[SUBJECTS],
		  uint8_t flags[SUBJECTS])
{
	struct mailbox *box = open_box(f, name, 0);
	struct range_set all = one(f, 1, mailbox_messages(box));
	struct mail_reader *reader;
	const struct mail *mail;
	struct err err;

	sync_box(f, box, SYNC_FULL);
	reader = mail_reader_begin(f->ctx, box, &all);
	while (mailbox_messages(box) > 0 &&
	       mail_reader_next(reader, &mail, &err) == 1) {
		unsigned subject = subject_of(mail);

		assert_true(subject < SUBJECTS);
		found[subject]++;
		flags[subject] = mail->flags;
	}
	mail_reader_end(&reader);
	mailbox_close(&box);
}

static void check(struct fixture *f, const struct told *told)
{
	unsigned inbox[SUBJECTS] = {0}, to[SUBJECTS] = {0};
	uint8_t flags[SUBJECTS], to_flags[SUBJECTS];
	struct err err;

	count(f, "INBOX", inbox, flags);
	if (told->renamed || mailbox_exists(f->user, "to", &err) < 0)
		count(f, "away", to, to_flags);
	else
		count(f, "to", to, to_flags);
	for (unsigned i = 4; i < 7; i++) {
		assert_true(inbox[i] <= 1);
		assert_true(!told->saved[i] || inbox[i] == 1);
	}
	assert_int_equal(inbox[0], 1);
	assert_int_equal(inbox[3], 1);
	assert_true(!told->seen || (flags[0] & MAIL_SEEN) != 0);
	assert_true(to[0] <= 1 && (!told->copied || to[0] == 1));
	/* Never lost; when the move failed, it may be in both. */
	assert_true(to[1] <= 1 && inbox[1] <= 1 && to[1] + inbox[1] >= 1);
	assert_true(!told->moved || (to[1] == 1 && inbox[1] == 0));
	assert_true(!told->expunged || inbox[2] == 0);
}

/* Returns how many calls there were. */
static unsigned run_once(unsigned at, int error, bool on)
{
	struct told told = {.seen = false};
	struct mailbox *box;
	struct fixture *f;
	struct err err;
	unsigned made;
	void *state;

	fixture_open(&state, "");
	f = state;
	assert_ok(mailbox_create(f->user, "to", NULL, &err));
	box = open_box(f, "INBOX", 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(try_save(box, i), 0);
	sync_box(f, box, 0);
	calls = 0;
	fail_at = at;
	fail_errno = error;
	fail_on = on;
	work(f, box, &told);
	made = calls;
	fail_at = 0;
	mailbox_close(&box);
	check(f, &told);
	/* And once more with nothing in memory. */
	mem_free(f->user);
	f->user = fixture_user(f);
	check(f, &told);
	fixture_teardown(&state);
	return made;
}

static void run_all(int error, bool on)
{
	unsigned made = run_once(0, 0, false);

	assert_true(made > 50);
	for (unsigned at = 1; at <= made; at++)
		run_once(at, error, on);
}

static void test_full_disk_loses_nothing(void **state)
{
	(void)state;
	run_all(ENOSPC, true);
}

static void test_failing_disk_loses_nothing(void **state)
{
	(void)state;
	run_all(EIO, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_disk_loses_nothing),
		cmocka_unit_test(test_failing_disk_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
