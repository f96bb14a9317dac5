/* SPDX-License-Identifier: MIT */
/*
 * index/change.c - what happened to a mailbox since a modseq.
 *
 * Changes come in the order of their modseqs; sets of UIDs are made from sorted
 * numbers, for adding in the middle costs more the larger they are.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "index/bytes.h"
#include "index/env.h"

struct uids {
	uint32_t *uids; /* child of a context of its own */
	size_t count, cap;
};

static void uids_add(TALLOC_CTX *ctx, struct uids *list, uint32_t uid)
{
	if (list->count == list->cap) {
		list->cap = list->cap == 0 ? 64 : list->cap * 2;
		list->uids = mem_resize(ctx, list->uids, uint32_t, list->cap);
	}
	list->uids[list->count++] = uid;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static bool rows_since(struct index_txn *txn, enum table table, uint32_t box,
		       uint64_t modseq, struct range_set *out)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "changes");
	struct uids list = {.uids = NULL};
	unsigned char room[16];
	struct str key = str_n(room, sizeof(room)), value;
	bool sorted = true;
	int code;

	key32_put(room, box);
	key64_put(room + 4, modseq + 1);
	key32_put(room + 12, 0);
	code = lmdb_cursor(txn, table, MDB_SET_RANGE, &key, &value);
	while (code == 0 && key.len == sizeof(room) &&
	       key32_get((const unsigned char *)key.data) == box) {
		uint32_t uid = key32_get((const unsigned char *)key.data + 12);

		if (list.count > 0 && list.uids[list.count - 1] > uid)
			sorted = false;
		uids_add(ctx, &list, uid);
		code = lmdb_cursor(txn, table, MDB_NEXT, &key, &value);
	}
	if (!sorted)
		qsort(list.uids, list.count, sizeof(uint32_t), compare);
	for (size_t i = 0; i < list.count; i++)
		range_set_add(out, list.uids[i], list.uids[i]);
	return code == 0 || code == MDB_NOTFOUND;
}

static bool history_from(struct index_txn *txn, uint32_t box, uint64_t *out)
{
	struct box_row row;
	struct txn_box *own;
	struct err err;

	if (txn->mode == INDEX_WRITE) {
		if (txn_box_get(txn, box, &own, &err) < 0)
			return false;
		*out = own->row.history_from;
		return true;
	}
	if (box_row_get(txn, box, &row, &err) < 0)
		return false;
	*out = row.history_from;
	return true;
}

bool index_changes_since(struct index_txn *txn, uint32_t box, uint64_t modseq,
			 struct range_set *changed, struct range_set *expunged)
{
	uint64_t from;
	struct err err;

	range_set_clear(changed);
	range_set_clear(expunged);
	if (!history_from(txn, box, &from) || modseq < from ||
	    modseq >= INT64_MAX)
		return false;
	if (rows_since(txn, TABLE_CHANGES, box, modseq, changed) &&
	    rows_since(txn, TABLE_EXPUNGES, box, modseq, expunged))
		return true;
	index_corrupt(txn, &err, "changes");
	return false;
}
