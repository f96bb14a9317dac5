/* SPDX-License-Identifier: MIT */
/*
 * What a Maildir of N mails costs: CPU time of making its index, of opening it
 * again, and of what is done to one mail. Not a test; run it by hand, with room
 * for N names in a tmpfs:
 *
 *	TMPDIR=/dev/shm bench_storage [N]
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

enum { SINGLES = 500, OPENS = 20 };

static const char text[] = "From: a@example.com\nSubject: x\n\ntext\n";

static double cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void report(const char *what, double start, double times)
{
	printf("%-40s %12.2f us\n", what, (cpu_us() - start) / times);
}

/* Memory that is this process's alone, in KiB. Not the pages of the index: they
 * are the kernel's, and go when it wants them. */
static unsigned long private_kib(void)
{
	CLEANUP(file_close)
	FILE *fp = fopen("/proc/self/smaps_rollup", "re");
	unsigned long sum = 0, kib;
	char line[256];

	while (fp != NULL && fgets(line, sizeof(line), fp) != NULL) {
		if (sscanf(line, "Private_Dirty: %lu", &kib) == 1)
			sum += kib;
	}
	return sum;
}

/* Names of one file, as many as it takes: it has but so many links. */
static void fill(struct fixture *f, unsigned count)
{
	char *cur = mem_printf(f->ctx, "%s/Maildir/cur", f->dir);
	char *file = mem_printf(f->ctx, "%s/mail", f->dir);
	struct err err;

	mailbox_close(&(struct mailbox *){open_box(f, "INBOX", 0)});
	for (unsigned i = 0; i < count; i++) {
		char name[4096];

		if (i % 30000 == 0) {
			unlink(file);
			assert_ok(file_replace(file, text, strlen(text), 0600,
					       &err));
		}
		snprintf(name, sizeof(name),
			 "%s/%u.M%06uP1.host,S=%zu,W=%zu:2,S", cur,
			 1600000000 + i, i % 1000000, strlen(text),
			 strlen(text) + 4);
		if (link(file, name) < 0)
			fail_msg("link(%s)", name);
	}
}

static void opens(struct fixture *f)
{
	struct mailbox *box;
	double start;

	index_keep_open(4);
	start = cpu_us();
	for (int i = 0; i < OPENS; i++) {
		box = open_box(f, "INBOX", 0);
		mailbox_close(&box);
	}
	report("open, the index is open", start, OPENS);
}

static void singles(struct fixture *f, struct mailbox *box)
{
	uint32_t count = mailbox_messages(box);
	double start = cpu_us();
	struct err err;

	for (uint32_t i = 0; i < SINGLES; i++) {
		uint32_t seq = 1 + i * 7919U % count;

		store_flags(box, one(f, seq, seq), STORE_ADD, MAIL_FLAGGED);
		sync_box(f, box, 0);
	}
	report("store and sync", start, SINGLES);
	start = cpu_us();
	for (int i = 0; i < SINGLES; i++) {
		save_text(box, text, MAIL_SEEN, NULL);
		sync_box(f, box, 0);
	}
	report("append and sync", start, SINGLES);
	start = cpu_us();
	for (uint32_t i = 0; i < SINGLES; i++) {
		struct range_set uids = one(f, count + 1 + i, count + 1 + i);

		store_flags(box, uids, STORE_ADD, MAIL_DELETED);
		assert_ok(mailbox_expunge(box, &uids, &err));
	}
	report("store \\Deleted and expunge", start, SINGLES);
}

int main(int argc, char **argv)
{
	unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 500;
	struct rusage usage;
	struct mailbox *box;
	unsigned long before;
	struct fixture *f;
	void *state;
	double start;

	fixture_open(&state, "mail_fsync = never\n");
	f = state;
	fill(f, count);
	start = cpu_us();
	box = open_box(f, "INBOX", 0);
	report("first open, each mail", start, count);
	getrusage(RUSAGE_SELF, &usage);
	printf("%-40s %12ld KiB\n", "memory at most", usage.ru_maxrss);
	mailbox_close(&box);
	mem_free(f->user);
	index_keep_open(0);
	mem_trim();
	before = private_kib();
	start = cpu_us();
	f->user = fixture_user(f);
	box = open_box(f, "INBOX", 0);
	report("open, the index is there", start, 1);
	printf("%-40s %12lu KiB\n", "private memory of that",
	       private_kib() - before);
	singles(f, box);
	mailbox_close(&box);
	opens(f);
	return fixture_teardown(&state);
}
