/* SPDX-License-Identifier: MIT */
/*
 * index/check.c - what a mailbox's row says, held against its rows: for
 * force-resync, should anything have gone wrong.
 */
#include <string.h>

#include "base/err.h"
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

/* The cache of a mail: all of its fields, or those of mails that are gone. */

int index_cache_remove(struct index_txn *txn, uint32_t box, uint32_t uid,
		       struct err *err)
{
	unsigned char prefix[8];

	key32_put(prefix, box);
	key32_put(prefix + 4, uid);
	return table_clear(txn, TABLE_CACHE, str_n(prefix, sizeof(prefix)),
			   err);
}

/* The UID of the first cached value from `uid` on. */
static bool next_cached(struct index_txn *txn, uint32_t box, uint32_t uid,
			uint32_t *out)
{
	unsigned char room[9] = {0};
	struct str key = str_n(room, sizeof(room)), value;

	key32_put(room, box);
	key32_put(room + 4, uid);
	if (lmdb_cursor(txn, TABLE_CACHE, MDB_SET_RANGE, &key, &value) != 0 ||
	    key.len != sizeof(room) || memcmp(key.data, room, 4) != 0)
		return false;
	*out = key32_get((const unsigned char *)key.data + 4);
	return true;
}

int index_cache_purge(struct index_txn *txn, uint32_t box, unsigned *purged_out,
		      struct err *err)
{
	struct index_record record;
	uint32_t uid = 0; /* the mailbox's own values, which stay */

	*purged_out = 0;
	while (uid != UINT32_MAX && next_cached(txn, box, uid + 1, &uid)) {
		if (index_record_get(txn, box, uid, &record, err) == 0)
			continue;
		if (err->code != ERR_NOT_FOUND ||
		    index_cache_remove(txn, box, uid, err) < 0)
			return -1;
		(*purged_out)++;
	}
	return index_check(txn, err);
}
