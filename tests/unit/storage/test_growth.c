/* SPDX-License-Identifier: MIT */
/*
 * What is done to one mail must not cost more in a larger mailbox. Time says
 * little on a machine that does other things, so this counts what was read of
 * directories and files, and what was written; bench_storage measures time.
 */
#include "fixture.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

enum { SMALL = 300, LARGE = 4000, TIMES = 20 };

static const char text[] = "From: a@example.com\nSubject: x\n\ntext\n";
static unsigned entries_read;

/* Instead of libc's. */
struct dirent *readdir(DIR *dir)
{
	static struct dirent *(*real)(DIR * dir);

	if (real == NULL) {
		void *symbol = dlsym(RTLD_NEXT, "readdir");

		memcpy(&real, &symbol, sizeof(real));
	}
	entries_read++;
	return real(dir);
}

/* Octets that this process has read and written; 0 if the kernel does not
 * tell. */
static uint64_t octets_moved(void)
{
	CLEANUP(file_close) FILE *fp = fopen("/proc/self/io", "re");
	unsigned long long octets, sum = 0;
	char line[128];

	while (fp != NULL && fgets(line, sizeof(line), fp) != NULL) {
		if (sscanf(line, "wchar: %llu", &octets) == 1 ||
		    sscanf(line, "rchar: %llu", &octets) == 1)
			sum += octets;
	}
	return sum;
}

static struct mailbox *fill(struct fixture *f, unsigned count)
{
	struct mailbox *box = open_box(f, "INBOX", 0);

	for (unsigned i = 0; i < count; i++) {
		char *path = mem_printf(
			f->ctx, "%s/Maildir/cur/%u.M1P1.host,S=%zu,W=%zu:2,S",
			f->dir, 1600000000 + i, strlen(text), strlen(text) + 4);
		FILE *fp = fopen(path, "we");

		assert_non_null(fp);
		fputs(text, fp);
		fclose(fp);
		mem_free(path);
	}
	mailbox_close(&box);
	box = open_box(f, "INBOX", 0);
	assert_int_equal(mailbox_messages(box), count);
	return box;
}

static void one_round(struct fixture *f, struct mailbox *box, uint32_t i)
{
	uint32_t seq = 1 + i * 7919U % (SMALL - 1), last;
	struct mailbox *again;
	struct range_set uids;
	struct err err;

	store_flags(box, one(f, seq, seq), STORE_ADD, MAIL_FLAGGED);
	sync_box(f, box, 0);
	save_text(box, text, i % 2 == 0 ? MAIL_SEEN : 0, NULL);
	sync_box(f, box, 0);
	last = mailbox_messages(box);
	uids = one(f, mailbox_uid_of(box, last), mailbox_uid_of(box, last));
	store_flags(box, one(f, last, last), STORE_ADD, MAIL_DELETED);
	assert_ok(mailbox_expunge(box, &uids, &err));
	sync_box(f, box, 0);
	again = open_box(f, "INBOX", 0);
	mailbox_close(&again);
}

struct cost {
	unsigned entries;
	uint64_t octets;
};

static struct cost cost_with(unsigned count)
{
	struct cost cost;
	struct mailbox *box;
	struct fixture *f;
	void *state;

	fixture_open(&state, "mail_fsync = never\n");
	f = state;
	box = fill(f, count);
	for (uint32_t i = 0; i < TIMES; i++)
		one_round(f, box, i);
	cost.entries = entries_read;
	cost.octets = octets_moved();
	for (uint32_t i = 0; i < TIMES; i++)
		one_round(f, box, TIMES + i);
	cost.entries = entries_read - cost.entries;
	cost.octets = octets_moved() - cost.octets;
	mailbox_close(&box);
	fixture_teardown(&state);
	return cost;
}

static void test_one_mail_costs_the_same_in_a_large_mailbox(void **state)
{
	struct cost small = cost_with(SMALL), large = cost_with(LARGE);

	(void)state;
	/* new/ with its few mails, and never cur/. */
	if (large.entries > small.entries || large.entries > TIMES * 10)
		fail_msg("%u and %u directory entries were read", small.entries,
			 large.entries);
	if (large.octets * 10 > small.octets * 12)
		fail_msg("%ju and %ju octets were moved",
			 (uintmax_t)small.octets, (uintmax_t)large.octets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_one_mail_costs_the_same_in_a_large_mailbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
