/* SPDX-License-Identifier: MIT */
/*
 * The power goes at any moment: all that was acknowledged is on the disk then,
 * byte for byte, under its UID, which no other mail ever gets.
 *
 * The index is from before the cut, of another boot, and may be torn. $CUTS
 * says how often the power goes in each test, $ONLY which configurations: those
 * with that text in them.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "calls.h"
#include "disk.h"
#include "index/index.h"
#include "told_work.h"

enum { CUTS = 80, ROUND_CUTS = 40 };

struct cut {
	struct told told;
	unsigned event;
};

struct power {
	struct fixture *f;
	const char *cuts_dir;
	struct told told;
	struct cut cuts[ROUND_CUTS];
	unsigned count, event, seed, step;
};

/* the cuts of one round */

static char *home_of(struct power *power, unsigned cut)
{
	return mem_printf(power->f->ctx, "%s/%u", power->cuts_dir, cut);
}

static void on_event(void *ctx)
{
	struct power *power = ctx;
	struct cut *cut = &power->cuts[power->count];
	char *home;

	if (++power->event % power->step != power->seed % power->step ||
	    power->count == ROUND_CUTS)
		return;
	*cut = (struct cut){.told = power->told, .event = power->event};
	home = home_of(power, power->count++);
	assert_int_equal(mkdir(home, 0755), 0);
	disk_cut(mem_printf(power->f->ctx, "%s/Maildir", home),
		 power->seed + power->event);
}

/* Locks, and what they lock, have an age by now. */
static int age_file(const char *path, const struct stat *st, int type,
		    struct FTW *ftw)
{
	const struct timespec times[2] = {{.tv_sec = st->st_mtime - 3600},
					  {.tv_sec = st->st_mtime - 3600}};

	(void)ftw;
	if (type == FTW_F)
		utimensat(AT_FDCWD, path, times, 0);
	return 0;
}

static void check_cut(struct power *power, unsigned number)
{
	static const struct user_context context = {.service = "imap"};
	const struct cut *cut = &power->cuts[number];
	struct account account = power->f->account;
	struct user *user;
	struct err err;
	char where[64];

	snprintf(where, sizeof(where), "seed %u, event %u, in %u", power->seed,
		 cut->event, number);
	account.home = home_of(power, number);
	nftw(account.home, age_file, 10, FTW_PHYS);
	index_boot_id_set("00000000-1111-2222-3333-444444444444");
	assert_ok(user_open(power->f->ctx, power->f->config, &account, &context,
			    &user, &err));
	told_check(power->f, user, &cut->told, where);
	mem_free(user);
	index_keep_open(0);
	index_boot_id_set(NULL);
	assert_ok(dir_remove(account.home, &err));
}

static void failed(void *ctx, const struct err *err)
{
	(void)ctx;
	fail_msg("%s", err->text);
}

/* Returns how many events there were. */
static unsigned run_round(struct power *power, const char *more, unsigned seed)
{
	struct told_work work = {.told = &power->told, .failed = failed};
	void *state;

	fixture_open(&state, more);
	power->f = work.f = state;
	power->cuts_dir = mem_printf(power->f->ctx, "%s/cuts", power->f->dir);
	assert_int_equal(mkdir(power->cuts_dir, 0755), 0);
	memset(&power->told, 0, sizeof(power->told));
	power->told.all_synced = strstr(more, "always") != NULL;
	power->seed = seed;
	power->count = power->event = 0;
	work.settle = seed % 3 == 1;
	told_prepare(&work, seed % 2 == 1);
	disk_begin(mem_printf(power->f->ctx, "%s/Maildir", power->f->dir),
		   on_event, power);
	told_run(&work);
	on_event(power);
	disk_end();
	for (unsigned i = 0; i < power->count; i++)
		check_cut(power, i);
	fixture_teardown(&state);
	return power->event;
}

static void run_rounds(const char *more)
{
	const char *text = getenv("CUTS"), *only = getenv("ONLY");
	unsigned cuts = text == NULL ? CUTS : (unsigned)strtoul(text, NULL, 10);
	struct power *power;
	unsigned done = 0, events;

	if (only != NULL && strstr(more, only) == NULL)
		return;
	power = mem_new(NULL, struct power);
	power->step = 10000;
	events = run_round(power, more, 0);
	power->step = events / ROUND_CUTS + 1;
	for (unsigned seed = 1; done < cuts; seed++) {
		run_round(power, more, seed);
		done += power->count;
	}
	mem_free(power);
}

static void test_maildir(void **state)
{
	(void)state;
	run_rounds("");
}

static void test_maildir_fs(void **state)
{
	(void)state;
	run_rounds("mail_location = maildir:~/Maildir:LAYOUT=fs");
}

static void test_maildir_all_synced(void **state)
{
	(void)state;
	run_rounds("mail_fsync = always");
}

static void test_mbox(void **state)
{
	(void)state;
	run_rounds(MBOX);
}

static void test_mbox_all_synced(void **state)
{
	(void)state;
	run_rounds(MBOX "mail_fsync = always\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_maildir),
		cmocka_unit_test(test_maildir_fs),
		cmocka_unit_test(test_maildir_all_synced),
		cmocka_unit_test(test_mbox),
		cmocka_unit_test(test_mbox_all_synced),
	};

	calls_skip_sync();
	log_open("test_power", LOG_TO_NOWHERE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
