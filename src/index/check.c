/* SPDX-License-Identifier: MIT */
/*
 * index/check.c - what a mailbox's row says, held against its rows: for
 * force-resync, should anything have gone wrong.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "index/bytes.h"
#include "index/env.h"

static bool counts_equal(const struct index_counts *a,
			 const struct index_counts *b)
{
	return a->messages == b->messages && a->recent == b->recent &&
	       a->unseen == b->unseen && a->deleted == b->deleted &&
	       a->size == b->size && a->size_unknown == b->size_unknown;
}

int index_box_recount(struct index_txn *txn, uint32_t id, bool *changed_out,
		      struct err *err)
{
	struct index_box counted;
	struct index_record record;
	struct txn_box *box;
	uint32_t uid = 0;

	if (txn_box_get(txn, id, &box, err) < 0)
		return -1;
	counted = box->row.box;
	counted.counts = (struct index_counts){0};
	while (index_record_next(txn, id, uid, &record)) {
		record_count(&counted, &record, 1);
		if (record.uid == UINT32_MAX)
			break;
		uid = record.uid + 1;
	}
	if (index_check(txn, err) < 0)
		return -1;
	*changed_out = !counts_equal(&counted.counts, &box->row.box.counts);
	if (!*changed_out)
		return 0;
	box->row.box.counts = counted.counts;
	box->dirty = true;
	return 0;
}

int index_box_whole(struct index_txn *txn, uint32_t id, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "whole");
	struct range_set uids = range_set_init(ctx);
	struct index_record record;
	uint64_t count = 0, missing;
	uint32_t uid = 0;

	index_record_uids(txn, id, &uids);
	missing = range_set_size(&uids);
	while (index_record_next(txn, id, uid, &record)) {
		count++;
		missing -= range_set_has(&uids, record.uid);
		if (record.uid == UINT32_MAX)
			break;
		uid = record.uid + 1;
	}
	if (index_check(txn, err) < 0)
		return -1;
	return missing == 0 && count == range_set_size(&uids)
		       ? 0
		       : index_corrupt(txn, err, "records are missing");
}

int index_box_raise_modseq(struct index_txn *txn, uint32_t id, uint64_t modseq,
			   struct err *err)
{
	struct txn_box *box;

	if (txn_box_get(txn, id, &box, err) < 0)
		return -1;
	if (box->row.box.highest_modseq >= modseq)
		return 0;
	box->row.box.highest_modseq = modseq;
	box->dirty = true;
	return 0;
}
