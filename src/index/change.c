/* SPDX-License-Identifier: MIT */
/*
 * index/change.c - what happened to a mailbox, by modseq.
 *
 * Both tables are logs: a transaction adds rows at the end, each with some
 * ranges of UIDs, and the oldest rows go when there are many. A mail that
 * changed twice stands in two rows, and nobody looks for the older one, which
 * would cost a page somewhere in the middle of the table. What the log of
 * changes has forgotten is found in the records, which have their modseqs.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "index/bytes.h"
#include "index/env.h"

enum {
	KEY_SIZE = 16,
	RANGE_SIZE = 8,
	RANGES_MAX = 128, /* in one row */
	/* Rows kept in a mailbox without mails. */
	ROWS_MIN = 16384,
	/* With mails: a row of changes more for so many. */
	CHANGES_SHARE = 16,
	FORGET_AT_ONCE = 2,
};

static struct str log_key(uint32_t box, uint64_t modseq, uint32_t uid,
			  unsigned char room[KEY_SIZE])
{
	key32_put(room, box);
	key64_put(room + 4, modseq);
	key32_put(room + 12, uid);
	return str_n(room, KEY_SIZE);
}

/* writing */

void changes_add(struct txn_box *box, uint32_t uid)
{
	range_set_add(&box->changed, uid, uid);
	box->changed_dirty = true;
}

void changes_add_expunge(struct txn_box *box, uint32_t uid)
{
	range_set_add(&box->expunged, uid, uid);
	box->expunged_dirty = true;
}

/* Over one that this transaction wrote before, if it is asked for changes in
 * between: that one is not counted twice. */
static int put_row(struct index_txn *txn, enum table table,
		   const struct txn_box *box, const struct range *ranges,
		   size_t count, uint32_t *rows, struct err *err)
{
	unsigned char room[KEY_SIZE], *at;
	struct str key = log_key(box->id, box->row.box.highest_modseq,
				 ranges[0].first, room);
	struct str old;
	int code = lmdb_get(txn, table, key, &old);

	if (code == MDB_NOTFOUND)
		(*rows)++;
	else if (code != 0)
		return lmdb_err(txn, err, code, "get changes");
	code = lmdb_put_reserve(txn, table, key, count * RANGE_SIZE, &at);
	if (code != 0)
		return lmdb_err(txn, err, code, "put changes");
	for (size_t i = 0; i < count; i++, at += RANGE_SIZE) {
		le32_put(at, ranges[i].first);
		le32_put(at + 4, ranges[i].last);
	}
	return 0;
}

/* Forget the oldest row: what comes after its modseq is there. */
static int forget(struct index_txn *txn, enum table table, uint32_t box,
		  uint32_t *rows, uint64_t *from, struct err *err)
{
	unsigned char room[KEY_SIZE];
	struct str key = log_key(box, 0, 0, room), value;
	int code = lmdb_cursor(txn, table, MDB_SET_RANGE, &key, &value);

	if (code != 0 || key.len != KEY_SIZE ||
	    key32_get((const unsigned char *)key.data) != box)
		return index_corrupt(txn, err, "changes");
	if (*from < key64_get((const unsigned char *)key.data + 4))
		*from = key64_get((const unsigned char *)key.data + 4);
	code = lmdb_cursor_del(txn, table);
	(*rows)--;
	return code == 0 ? 0 : lmdb_err(txn, err, code, "forget changes");
}

/* The set as rows, and as many old ones as are too many: up to two for each new
 * one, so that a mailbox that lost its mails gets rid of them, too. */
static int put_rows(struct index_txn *txn, enum table table,
		    struct txn_box *box, const struct range_set *set,
		    uint64_t max, uint32_t *rows, uint64_t *from,
		    struct err *err)
{
	for (size_t at = 0; at < set->count; at += RANGES_MAX) {
		size_t count = set->count - at;

		if (count > RANGES_MAX)
			count = RANGES_MAX;
		if (put_row(txn, table, box, set->ranges + at, count, rows,
			    err) < 0)
			return -1;
		for (int i = 0; i < FORGET_AT_ONCE && *rows > max; i++) {
			if (forget(txn, table, box->id, rows, from, err) < 0)
				return -1;
		}
	}
	return 0;
}

int changes_flush(struct index_txn *txn, struct txn_box *box, struct err *err)
{
	struct box_row *row = &box->row;
	uint64_t mails = row->box.counts.messages;

	/* Nobody has seen it before: its log begins behind this. */
	if (box->created)
		row->changes_from = row->box.highest_modseq;
	else if (box->changed_dirty &&
		 put_rows(txn, TABLE_CHANGES, box, &box->changed,
			  ROWS_MIN + mails / CHANGES_SHARE, &row->changes,
			  &row->changes_from, err) < 0)
		return -1;
	box->changed_dirty = false;
	if (box->expunged_dirty &&
	    put_rows(txn, TABLE_EXPUNGES, box, &box->expunged, ROWS_MIN + mails,
		     &row->expunges, &row->history_from, err) < 0)
		return -1;
	box->expunged_dirty = false;
	return 0;
}

/* reading. Sets of UIDs are made from sorted ranges, for adding in the middle
 * costs more the larger they are. */

struct ranges {
	struct range *list; /* child of a context of its own */
	size_t count, cap;
};

static void ranges_add(TALLOC_CTX *ctx, struct ranges *ranges,
		       struct range range)
{
	if (ranges->count == ranges->cap) {
		ranges->cap = ranges->cap == 0 ? 64 : ranges->cap * 2;
		ranges->list = mem_resize(ctx, ranges->list, struct range,
					  ranges->cap);
	}
	ranges->list[ranges->count++] = range;
}

static int compare(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* A damaged row must not name more UIDs than there can be: somebody walks
 * them. */
static bool take_row(TALLOC_CTX *ctx, struct ranges *ranges, uint32_t uid_next,
		     struct str value)
{
	const unsigned char *at = (const unsigned char *)value.data;

	if (value.len % RANGE_SIZE != 0 ||
	    value.len > RANGES_MAX * RANGE_SIZE)
		return false;
	for (size_t i = 0; i < value.len; i += RANGE_SIZE) {
		struct range range = {le32_get(at + i), le32_get(at + i + 4)};

		if (range.first == 0 || range.last < range.first ||
		    range.last >= uid_next)
			return false;
		ranges_add(ctx, ranges, range);
	}
	return true;
}

static void add_sorted(const struct ranges *ranges, struct range_set *out)
{
	bool sorted = true;

	for (size_t i = 1; i < ranges->count; i++)
		sorted &= ranges->list[i - 1].first <= ranges->list[i].first;
	if (!sorted)
		qsort(ranges->list, ranges->count, sizeof(struct range),
		      compare);
	for (size_t i = 0; i < ranges->count; i++)
		range_set_add(out, ranges->list[i].first, ranges->list[i].last);
}

static bool rows_since(struct index_txn *txn, enum table table,
		       const struct index_box *box, uint64_t modseq,
		       struct range_set *out)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "changes");
	struct ranges ranges = {.list = NULL};
	unsigned char room[KEY_SIZE];
	struct str key = log_key(box->id, modseq + 1, 0, room), value;
	int code = lmdb_cursor(txn, table, MDB_SET_RANGE, &key, &value);

	while (code == 0 && key.len == KEY_SIZE &&
	       key32_get((const unsigned char *)key.data) == box->id) {
		if (!take_row(ctx, &ranges, box->uid_next, value))
			return false;
		code = lmdb_cursor(txn, table, MDB_NEXT, &key, &value);
	}
	add_sorted(&ranges, out);
	return code == 0 || code == MDB_NOTFOUND;
}

/* Those of the records, where the log begins later. */
static void records_since(struct index_txn *txn, uint32_t box, uint64_t modseq,
			  struct range_set *out)
{
	struct index_record record = {.uid = 0};

	while (record.uid < UINT32_MAX &&
	       index_record_next(txn, box, record.uid + 1, &record)) {
		if (record.modseq > modseq)
			range_set_add(out, record.uid, record.uid);
	}
}

/* The mailbox's row; of a writer, with all that it did so far in the tables. */
static bool row_now(struct index_txn *txn, uint32_t box, struct box_row *out)
{
	struct txn_box *own;
	struct err err;

	if (txn->mode != INDEX_WRITE)
		return box_row_get(txn, box, out, &err) == 0;
	if (txn_box_get(txn, box, &own, &err) < 0 ||
	    changes_flush(txn, own, &err) < 0)
		return false;
	*out = own->row;
	return true;
}

bool index_changes_since(struct index_txn *txn, uint32_t box, uint64_t modseq,
			 struct range_set *changed, struct range_set *expunged)
{
	struct box_row row;
	struct err err;
	bool ok = true;

	range_set_clear(changed);
	range_set_clear(expunged);
	if (!row_now(txn, box, &row) || modseq < row.history_from ||
	    modseq >= INT64_MAX)
		return false;
	if (modseq >= row.changes_from)
		ok = rows_since(txn, TABLE_CHANGES, &row.box, modseq, changed);
	else
		records_since(txn, box, modseq, changed);
	ok = ok &&
	     rows_since(txn, TABLE_EXPUNGES, &row.box, modseq, expunged);
	range_set_subtract(changed, expunged);
	if (ok && range_set_size(changed) <= row.box.counts.messages)
		return true;
	index_corrupt(txn, &err, "changes");
	return false;
}
