/* SPDX-License-Identifier: MIT */
/*
 * What the index costs: CPU time per operation with N mails, one transaction
 * each where it is one for a client, too. Not a test; run it by hand:
 * bench_index [N]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "index/index.h"

enum { SINGLES = 2000, BATCH = 10000 };

static char dir[128];

static void check(int ret, const struct err *err)
{
	if (ret < 0) {
		fprintf(stderr, "%s\n", err->text);
		exit(1);
	}
}

static double cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void report(const char *what, double start, double times)
{
	printf("%-44s %10.3f us\n", what, (cpu_us() - start) / times);
}

static struct index_record record_of(uint32_t uid)
{
	return (struct index_record){
		.uid = uid,
		.received = 1700000000,
		.size_physical = 4000,
		.size_virtual = 4100,
		.driver =
			STR("c1700000000.M123456P12345.host,S=4000,W=4100:2,S"),
	};
}

static struct index *open_index(void)
{
	struct index *index;
	struct err err;

	check(index_open(dir, 0600, &index, &err), &err);
	return index;
}

static struct index_txn *begin(struct index *index, enum index_mode mode,
			       uint32_t id, struct index_box *box)
{
	struct index_txn *txn;
	struct err err;

	check(index_begin(index, mode, &txn, &err), &err);
	if (id != 0)
		check(index_box_get(txn, id, box, &err), &err);
	return txn;
}

static void append(struct index_txn *txn, struct index_box *box, bool cache)
{
	static char text[600];
	struct index_record record = record_of(box->uid_next);
	struct err err;

	check(index_record_append(txn, box, &record, &err), &err);
	if (cache)
		check(index_cache_put(txn, box->id, record.uid, INDEX_ENVELOPE,
				      str_n(text, sizeof(text)), &err),
		      &err);
}

static void commit(struct index_txn *txn)
{
	struct err err;

	check(index_commit(&txn, &err), &err);
}

static uint32_t fill(struct index *index, uint32_t count)
{
	struct index_box box = {.uid_validity = 1};
	struct index_txn *txn = begin(index, INDEX_WRITE, 0, NULL);
	double start = cpu_us();
	struct err err;

	check(index_box_create(txn, "INBOX", &box, &err), &err);
	for (uint32_t i = 0; i < count; i++) {
		append(txn, &box, true);
		if (i % BATCH == BATCH - 1) {
			commit(txn);
			txn = begin(index, INDEX_WRITE, box.id, &box);
		}
	}
	commit(txn);
	report("bulk append with cache, each", start, count);
	return box.id;
}

static void reads(struct index *index, uint32_t id, uint32_t count)
{
	struct index_record record = {.uid = 0};
	struct index_box box;
	struct index_txn *txn;
	struct range_set uids;
	double start = cpu_us();
	struct str value;
	uint64_t sum = 0;

	for (int i = 0; i < SINGLES; i++) {
		txn = begin(index, INDEX_READ, id, &box);
		index_rollback(&txn);
	}
	report("read transaction, one mailbox row", start, SINGLES);
	txn = begin(index, INDEX_READ, id, &box);
	start = cpu_us();
	while (index_record_next(txn, id, record.uid + 1, &record))
		sum += record.flags;
	report("scan records, first time, each", start, count);
	start = cpu_us();
	record.uid = 0;
	while (index_record_next(txn, id, record.uid + 1, &record))
		sum += record.flags;
	report("scan records, again, each", start, count);
	start = cpu_us();
	for (uint32_t uid = 1; uid <= count; uid++) {
		if (index_cache_get(txn, id, uid, INDEX_ENVELOPE, &value))
			sum += value.len;
	}
	report("cached envelopes, each", start, count);
	uids = range_set_init(txn);
	start = cpu_us();
	for (int i = 0; i < 10; i++)
		index_record_uids(txn, id, &uids);
	report("all UIDs of the mailbox", start, 10);
	index_rollback(&txn);
	start = cpu_us();
	for (int i = 0; i < SINGLES; i++)
		sum += index_generation(index);
	report("generation", start, SINGLES);
	if (sum == 0)
		printf("\n");
}

static void writes(struct index *index, uint32_t id, uint32_t count)
{
	struct index_record record;
	struct index_box box;
	struct index_txn *txn;
	double start = cpu_us();
	struct err err;

	for (uint32_t i = 0; i < SINGLES; i++) {
		txn = begin(index, INDEX_WRITE, id, &box);
		check(index_record_get(txn, id, 1 + (i * 7919U) % count,
				       &record, &err),
		      &err);
		record.flags ^= MAIL_SEEN;
		check(index_record_put(txn, &box, &record, &err), &err);
		commit(txn);
	}
	report("flag change, own transaction", start, SINGLES);
	start = cpu_us();
	for (uint32_t i = 0; i < SINGLES; i++) {
		txn = begin(index, INDEX_WRITE, id, &box);
		append(txn, &box, true);
		commit(txn);
	}
	report("append with cache, own transaction", start, SINGLES);
	start = cpu_us();
	for (uint32_t i = 0; i < SINGLES; i++) {
		txn = begin(index, INDEX_WRITE, id, &box);
		check(index_record_expunge(txn, &box, count + 1 + i, &err),
		      &err);
		commit(txn);
	}
	report("expunge, own transaction", start, SINGLES);
}

static void opens(void)
{
	double start = cpu_us();
	struct index_box box;
	uint32_t id;

	for (int i = 0; i < 200; i++) {
		struct index *index = open_index();
		struct index_txn *txn = begin(index, INDEX_READ, 0, NULL);
		struct err err;

		check(index_box_find(txn, "INBOX", &id, &err), &err);
		check(index_box_get(txn, id, &box, &err), &err);
		index_rollback(&txn);
		index_close(&index);
	}
	report("open, read one mailbox, close", start, 200);
}

int main(int argc, char **argv)
{
	uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 500;
	char root[] = "/dev/shm/bench_index.XXXXXX";
	struct index *index;
	struct err err;
	uint32_t id;

	if (count == 0 || mkdtemp(root) == NULL)
		return 1;
	snprintf(dir, sizeof(dir), "%s/dovetail.index", root);
	index_keep_open(0);
	index = open_index();
	id = fill(index, count);
	reads(index, id, count);
	writes(index, id, count);
	index_close(&index);
	opens();
	return dir_remove(root, &err) < 0;
}
