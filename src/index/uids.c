/* SPDX-License-Identifier: MIT */
/*
 * index/uids.c - which UIDs a mailbox has, as a bitmap in pieces of 4096.
 *
 * A view needs all UIDs when a mailbox is opened. To walk a million records for
 * that takes 10 ms; the bitmap of as many is 245 rows. A row ends with its last
 * octet that is not zero; an empty row means that all are there.
 */
#include <string.h>

#include "base/err.h"
#include "index/bytes.h"
#include "index/env.h"

static struct str chunk_key(uint32_t box, uint32_t number,
			    unsigned char room[8])
{
	key32_put(room, box);
	key32_put(room + 4, number);
	return str_n(room, 8);
}

static bool chunk_decode(struct str value, unsigned char chunk[CHUNK_SIZE])
{
	if (value.len > CHUNK_SIZE)
		return false;
	memset(chunk, value.len == 0 ? 0xff : 0, CHUNK_SIZE);
	memcpy(chunk, value.data, value.len);
	return true;
}

int uids_flush(struct index_txn *txn, struct txn_box *box, struct err *err)
{
	unsigned char room[8];
	struct str key = chunk_key(box->id, box->chunk_number, room);
	size_t len = CHUNK_SIZE, full = 0;
	int code;

	if (!box->chunk_dirty)
		return 0;
	while (len > 0 && box->chunk[len - 1] == 0)
		len--;
	while (full < CHUNK_SIZE && box->chunk[full] == 0xff)
		full++;
	if (len == 0)
		code = lmdb_del(txn, TABLE_BOXES, key);
	else
		code = lmdb_put(
			txn, TABLE_BOXES, key,
			str_n(box->chunk, full == CHUNK_SIZE ? 0 : len));
	if (code != 0 && !(len == 0 && code == MDB_NOTFOUND))
		return lmdb_err(txn, err, code, "put UIDs");
	box->chunk_dirty = false;
	return 0;
}

static int chunk_load(struct index_txn *txn, struct txn_box *box,
		      uint32_t number, struct err *err)
{
	unsigned char room[8];
	struct str value;
	int code;

	if (box->chunk_loaded && box->chunk_number == number)
		return 0;
	if (uids_flush(txn, box, err) < 0)
		return -1;
	box->chunk_loaded = false;
	code = lmdb_get(txn, TABLE_BOXES, chunk_key(box->id, number, room),
			&value);
	if (code == MDB_NOTFOUND)
		memset(box->chunk, 0, CHUNK_SIZE);
	else if (code != 0)
		return lmdb_err(txn, err, code, "get UIDs");
	else if (!chunk_decode(value, box->chunk))
		return index_corrupt(txn, err, "UIDs");
	box->chunk_number = number;
	box->chunk_loaded = true;
	return 0;
}

int uids_set(struct index_txn *txn, struct txn_box *box, uint32_t uid, bool on,
	     struct err *err)
{
	uint32_t bit = uid % CHUNK_UIDS;
	unsigned char mask = (unsigned char)(1U << (bit % 8));

	if (chunk_load(txn, box, uid / CHUNK_UIDS, err) < 0)
		return -1;
	if (on)
		box->chunk[bit / 8] |= mask;
	else
		box->chunk[bit / 8] &= (unsigned char)~mask;
	box->chunk_dirty = true;
	return 0;
}

/* Runs of ones, 64 UIDs at a time. */
static void chunk_ranges(const unsigned char chunk[CHUNK_SIZE], uint32_t base,
			 struct range_set *out)
{
	for (unsigned at = 0; at < CHUNK_SIZE; at += 8) {
		uint64_t word = le64_get(chunk + at);
		uint32_t uid = base + at * 8;

		if (word == UINT64_MAX) {
			range_set_add(out, uid, uid + 63);
			continue;
		}
		while (word != 0) {
			unsigned first = (unsigned)__builtin_ctzll(word);
			uint64_t rest = ~(word >> first);
			unsigned len = (unsigned)__builtin_ctzll(rest);

			range_set_add(out, uid + first, uid + first + len - 1);
			if (first + len >= 64)
				break;
			word &= UINT64_MAX << (first + len);
		}
	}
}

bool uids_get(struct index_txn *txn, uint32_t box, uint32_t from,
	      struct range_set *out)
{
	unsigned char room[8], chunk[CHUNK_SIZE];
	struct str key = chunk_key(box, from / CHUNK_UIDS, room), value;
	int code = lmdb_cursor(txn, TABLE_BOXES, MDB_SET_RANGE, &key, &value);

	while (code == 0 && key.len == 8 &&
	       key32_get((const unsigned char *)key.data) == box) {
		uint32_t number =
			key32_get((const unsigned char *)key.data + 4);

		if (number > UINT32_MAX / CHUNK_UIDS)
			break; /* the keywords */
		/* All of them, as it is in most of a mailbox. */
		if (value.len == 0)
			range_set_add(out, number * CHUNK_UIDS,
				      number * CHUNK_UIDS + CHUNK_UIDS - 1);
		else if (chunk_decode(value, chunk))
			chunk_ranges(chunk, number * CHUNK_UIDS, out);
		else
			return false;
		code = lmdb_cursor(txn, TABLE_BOXES, MDB_NEXT, &key, &value);
	}
	if (from > 1)
		range_set_remove(out, 0, from - 1);
	return code == 0 || code == MDB_NOTFOUND;
}
