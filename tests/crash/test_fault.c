/* SPDX-License-Identifier: MIT */
/*
 * Every call that changes the disk fails in turn, or all do from then on: what
 * was acknowledged stays, nothing is doubled, whoever is refused is told why,
 * and the mailbox works on when the disk does.
 *
 * $FAULTS says how many calls in each test; all of them when it is not less.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "calls.h"
#include "index/index.h"
#include "told_work.h"

enum { FAULTS = 24 };

struct fault {
	unsigned calls, at; /* which one fails; 0: none */
	int error;
	bool stays; /* all from then on, as on a full disk */
	unsigned refused;
	char where[64];
};

static int before(void *ctx, const char *call, const char *path)
{
	struct fault *fault = ctx;
	size_t len = path == NULL ? 0 : strlen(path);

	/* A full disk lets files go, and a lock that stays is another test. */
	if (strcmp(call, "unlink") == 0 &&
	    (fault->stays || (len > 5 && strcmp(path + len - 5, ".lock") == 0)))
		return 0;
	fault->calls++;
	if (fault->at == 0 || fault->calls < fault->at ||
	    (!fault->stays && fault->calls > fault->at))
		return 0;
	return fault->error;
}

static const struct calls calls = {.before = before};

/* The reason is in what the log is told. */
static void refused(void *ctx, const struct err *err)
{
	struct fault *fault = ctx;

	if (fault->at == 0)
		fail_msg("without a fault: %s", err->text);
	if (fault->refused++ == 0 && strlen(err->text) < 10)
		fail_msg("%s: \"%s\" says nothing", fault->where, err->text);
}

static void check_all(struct fixture *f, const struct told *told,
		      const char *where)
{
	told_check(f, f->user, told, where);
	/* And once more with nothing in memory. */
	mem_free(f->user);
	index_keep_open(0);
	f->user = fixture_user(f);
	told_check(f, f->user, told, where);
}

/* Returns how many calls there were. */
static unsigned run_once(const char *more, struct fault fault)
{
	struct told told = {.all_synced = true};
	struct told_work work = {
		.told = &told, .failed = refused, .ctx = &fault};
	void *state;

	snprintf(fault.where, sizeof(fault.where), "call %u, %s", fault.at,
		 strerror(fault.error));
	fixture_open(&state, more);
	work.f = state;
	told_prepare(&work, fault.at % 2 == 1);
	calls_watch(&calls, &fault);
	told_run(&work);
	calls_watch(NULL, NULL);
	check_all(work.f, &told, fault.where);
	fixture_teardown(&state);
	return fault.calls;
}

static void run_all(const char *more, int error, bool stays)
{
	const char *text = getenv("FAULTS");
	unsigned faults =
		text == NULL ? FAULTS : (unsigned)strtoul(text, NULL, 10);
	unsigned made = run_once(more, (struct fault){.error = 0});
	unsigned step = faults >= made ? 1 : made / faults;

	assert_true(made > 100);
	for (unsigned at = 1 + (unsigned)error % step; at <= made; at += step)
		run_once(more, (struct fault){
				       .at = at,
				       .error = error,
				       .stays = stays,
			       });
}

static void test_full_disk(void **state)
{
	(void)state;
	run_all("", ENOSPC, true);
}

static void test_full_quota(void **state)
{
	(void)state;
	run_all("mail_location = maildir:~/Maildir:LAYOUT=fs", EDQUOT, true);
}

static void test_failing_disk(void **state)
{
	(void)state;
	run_all("", EIO, false);
}

static void test_failing_disk_all_synced(void **state)
{
	(void)state;
	run_all("mail_fsync = always", EIO, false);
}

static void test_mbox_full_disk(void **state)
{
	(void)state;
	run_all(MBOX, ENOSPC, true);
}

static void test_mbox_failing_disk(void **state)
{
	(void)state;
	run_all(MBOX, EIO, false);
}

static void test_mbox_failing_disk_all_synced(void **state)
{
	(void)state;
	run_all(MBOX "mail_fsync = always\n", EIO, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_full_quota),
		cmocka_unit_test(test_failing_disk),
		cmocka_unit_test(test_failing_disk_all_synced),
		cmocka_unit_test(test_mbox_full_disk),
		cmocka_unit_test(test_mbox_failing_disk),
		cmocka_unit_test(test_mbox_failing_disk_all_synced),
	};

	calls_skip_sync();
	log_open("test_fault", LOG_TO_NOWHERE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
