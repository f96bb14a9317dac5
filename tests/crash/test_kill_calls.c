/* SPDX-License-Identifier: MIT */
/*
 * kill -9 before every call that changes the disk, and at moments in between:
 * all that was acknowledged is there, once, and nothing else.
 *
 * $KILLS says how often.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "calls.h"
#include "index/index.h"
#include "told_work.h"

enum { KILLS = 50, SEED = 20261128, LIFE_US = 20000 };

/* Shared with the process that is killed. */
struct shared {
	struct told told;
	unsigned calls;
	bool ended;
};

struct kill {
	struct shared *shared;
	unsigned at; /* which call; 0: a timer does it */
};

static int before(void *ctx, const char *call, const char *path)
{
	struct kill *kill = ctx;

	(void)call;
	(void)path;
	kill->shared->calls++;
	if (kill->shared->calls == kill->at)
		raise(SIGKILL);
	return 0;
}

static const struct calls calls = {.before = before};

static void failed(void *ctx, const struct err *err)
{
	(void)ctx;
	fprintf(stderr, "%s\n", err->text);
	_exit(1);
}

static void live(struct fixture *f, struct kill *kill, unsigned life_us)
{
	struct told_work work = {
		.f = f,
		.told = &kill->shared->told,
		.failed = failed,
	};
	struct itimerval timer = {.it_value = {.tv_usec = life_us}};

	index_after_fork();
	f->user = fixture_user(f);
	calls_watch(&calls, kill);
	/* Its signal ends the process, and nothing is run for it; ITIMER_REAL's
	 * is taken by the index. */
	if (kill->at == 0)
		setitimer(ITIMER_PROF, &timer, NULL);
	told_run(&work);
	kill->shared->ended = true;
	_exit(0);
}

static void run_once(const char *more, struct shared *shared, unsigned at,
		     unsigned life_us)
{
	struct kill kill = {.shared = shared, .at = at};
	struct told_work work = {.told = &shared->told, .failed = failed};
	char where[64];
	int status;
	void *state;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	/* What the kernel has it keeps. */
	shared->told.all_synced = true;
	fixture_open(&state, more);
	work.f = state;
	told_prepare(&work, at % 2 == 1);
	mem_free(work.f->user);
	index_keep_open(0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		live(work.f, &kill, life_us);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || shared->ended);
	work.f->user = fixture_user(work.f);
	snprintf(where, sizeof(where), "at call %u (%u us)", shared->calls,
		 life_us);
	told_check(work.f, work.f->user, &shared->told, where);
	fixture_teardown(&state);
}

static void run_all(const char *more)
{
	const char *text = getenv("KILLS");
	unsigned kills =
		text == NULL ? KILLS : (unsigned)strtoul(text, NULL, 10);
	struct shared *shared =
		mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned seed = SEED, made;

	assert_true(shared != MAP_FAILED);
	run_once(more, shared, UINT32_MAX, 0);
	made = shared->calls;
	assert_true(made > 100);
	for (unsigned i = 0; i < kills; i++) {
		unsigned dice = (unsigned)rand_r(&seed);

		if (i % 3 == 2)
			run_once(more, shared, 0, 1 + dice % LIFE_US);
		else
			run_once(more, shared, 1 + dice % made, 0);
	}
	munmap(shared, sizeof(*shared));
}

static void test_maildir(void **state)
{
	(void)state;
	run_all("");
}

static void test_maildir_fs(void **state)
{
	(void)state;
	run_all("mail_location = maildir:~/Maildir:LAYOUT=fs");
}

static void test_mbox(void **state)
{
	(void)state;
	run_all(MBOX);
}

static void test_mbox_written_at_once(void **state)
{
	(void)state;
	run_all(MBOX "mbox_lazy_writes = no\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_maildir),
		cmocka_unit_test(test_maildir_fs),
		cmocka_unit_test(test_mbox),
		cmocka_unit_test(test_mbox_written_at_once),
	};

	calls_skip_sync();
	log_open("test_kill_calls", LOG_TO_NOWHERE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
