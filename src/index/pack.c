/* SPDX-License-Identifier: MIT */
/*
 * index/pack.c - values of which those of thousands of mails are read or
 * written at once: of PACK_UIDS mails in one row, place among them (1), length
 * (2), octets, in their order. So they lie together, and with nothing else.
 *
 * A row that changes is written when the transaction comes to another one, or
 * to its end.
 */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "index/bytes.h"
#include "index/env.h"

enum { HEAD = 3, VALUE_MAX = 2048, KEY_LEN = 13 };

static struct pack *pack_of(struct index_txn *txn, enum index_field field)
{
	return &txn->packs[field - INDEX_SUBJECT];
}

static struct str pack_key(uint32_t box, enum index_field field,
			   uint32_t number, unsigned char room[KEY_LEN])
{
	key32_put(room, box);
	key32_put(room + 4, UINT32_MAX);
	room[8] = (unsigned char)field;
	key32_put(room + 9, number);
	return str_n(room, KEY_LEN);
}

/* False at the end, and where a row is damaged. */
static bool entry_at(struct str row, size_t at, unsigned *place_out,
		     struct str *out)
{
	const unsigned char *head = (const unsigned char *)row.data + at;

	if (row.len - at < HEAD || row.len - at - HEAD < le16_get(head + 1))
		return false;
	*place_out = head[0];
	out->data = row.data + at + HEAD;
	out->len = le16_get(head + 1);
	return true;
}

/* From *at on, which becomes where it is or would be. */
static bool find(struct str row, unsigned place, size_t *at, struct str *out)
{
	unsigned found;

	while (entry_at(row, *at, &found, out)) {
		if (found >= place)
			return found == place;
		*at += HEAD + out->len;
	}
	return false;
}

static struct str fetch(struct index_txn *txn, uint32_t box,
			enum index_field field, uint32_t number)
{
	unsigned char room[KEY_LEN];
	struct str row = str_n("", 0);
	struct err err;
	int code = lmdb_get(txn, TABLE_CACHE,
			    pack_key(box, field, number, room), &row);

	if (code != 0 && code != MDB_NOTFOUND)
		lmdb_err(txn, &err, code, "get cache");
	return row;
}

static bool is_at(const struct pack *pack, uint32_t box, uint32_t number)
{
	return pack->valid && pack->box == box && pack->number == number;
}

bool pack_get(struct index_txn *txn, uint32_t box, uint32_t uid,
	      enum index_field field, struct str *out)
{
	struct pack *pack = pack_of(txn, field);
	uint32_t number = uid / PACK_UIDS;
	unsigned place = uid % PACK_UIDS;
	size_t at = 0;

	if (!is_at(pack, box, number)) {
		struct str row = fetch(txn, box, field, number);

		if (pack->dirty)
			return find(row, place, &at, out);
		pack->valid = true;
		pack->box = box;
		pack->number = number;
		pack->row = row;
		pack->at = 0;
	} else if (place < pack->place) {
		pack->at = 0;
	}
	pack->place = place;
	return find(pack->row, place, &pack->at, out);
}

static int flush(struct index_txn *txn, enum index_field field, struct err *err)
{
	struct pack *pack = pack_of(txn, field);
	unsigned char room[KEY_LEN];
	struct str key = pack_key(pack->box, field, pack->number, room);
	int code;

	if (!pack->dirty)
		return 0;
	pack->valid = pack->dirty = false;
	if (pack->row.len > 0)
		code = lmdb_put(txn, TABLE_CACHE, key, pack->row);
	else
		code = lmdb_del(txn, TABLE_CACHE, key);
	return code == 0 || code == MDB_NOTFOUND
		       ? 0
		       : lmdb_err(txn, err, code, "put cache");
}

int packs_flush(struct index_txn *txn, struct err *err)
{
	for (int i = 0; i < PACKS; i++) {
		if (flush(txn, INDEX_SUBJECT + (unsigned)i, err) < 0)
			return -1;
	}
	return 0;
}

/* The row in `buf`. */
static void make_dirty(struct pack *pack)
{
	if (pack->dirty)
		return;
	if (pack->buf.max == 0)
		pack->buf = buf_init((PACK_UIDS + 2) * (HEAD + VALUE_MAX));
	buf_reset(&pack->buf);
	buf_add_str(&pack->buf, pack->row);
	pack->dirty = true;
}

int pack_put(struct index_txn *txn, uint32_t box, uint32_t uid,
	     enum index_field field, struct str value, struct err *err)
{
	struct pack *pack = pack_of(txn, field);
	size_t len = value.data == NULL ? 0 : HEAD + value.len, old, rest;
	struct buf *buf = &pack->buf;
	struct str before;
	char *at;
	bool has;

	if (value.len > VALUE_MAX)
		return err_set(err, ERR_LIMIT, "cache value is too long");
	if (!is_at(pack, box, uid / PACK_UIDS) && flush(txn, field, err) < 0)
		return -1;
	has = pack_get(txn, box, uid, field, &before);
	if (!has && len == 0)
		return 0;
	old = has ? HEAD + before.len : 0;
	make_dirty(pack);
	if (buf_space(buf, len) == NULL) /* a damaged one is too long */
		return index_corrupt(txn, err, "packed values");
	at = buf->data + pack->at;
	rest = buf->len - pack->at - old;
	if (len != old)
		memmove(at + len, at + old, rest);
	if (len > 0) {
		at[0] = (char)(uid % PACK_UIDS);
		le16_put((unsigned char *)at + 1, (uint16_t)value.len);
		memcpy(at + HEAD, value.data, value.len);
	}
	buf->len = pack->at + len + rest;
	pack->row = str_n(buf->data, buf->len);
	return 0;
}

bool pack_next(struct index_txn *txn, uint32_t box, uint32_t uid,
	       enum index_field field, uint32_t *out)
{
	uint32_t number = uid / PACK_UIDS;
	unsigned place = uid % PACK_UIDS;
	unsigned char room[KEY_LEN];
	struct err err;

	if (packs_flush(txn, &err) < 0)
		return false;
	for (;; number++, place = 0) {
		struct str key = pack_key(box, field, number, room), row, value;
		size_t at = 0;

		if (lmdb_cursor(txn, TABLE_CACHE, MDB_SET_RANGE, &key, &row) !=
			    0 ||
		    key.len != KEY_LEN || memcmp(key.data, room, 9) != 0)
			return false;
		if (memcmp(key.data, room, KEY_LEN) != 0)
			place = 0;
		number = key32_get((const unsigned char *)key.data + 9);
		if (number > UINT32_MAX / PACK_UIDS) /* a damaged one */
			return false;
		find(row, place, &at, &value);
		if (entry_at(row, at, &place, &value)) {
			*out = number * PACK_UIDS + place;
			return true;
		}
	}
}
