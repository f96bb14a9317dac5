/* SPDX-License-Identifier: MIT */
/*
 * index/cache.c - what was learnt from a mail's text, in the form in which it
 * is sent.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "index/bytes.h"
#include "index/env.h"
#include "index/walk.h"

enum {
	CACHE_MAX = 1 << 20,
	FIELD_MAX = 63,
	KEY_MAX = 13,
	SORT_NEAR = 8, /* UIDs of mails that may follow one another */
};

/* Sort values stand behind all else of the mailbox, one after the other: SORT,
 * THREAD and SEARCH want those of thousands of mails, and nothing between. */
static struct str cache_key(uint32_t box, uint32_t uid, unsigned field,
			    unsigned char room[KEY_MAX])
{
	bool apart = field == INDEX_SORT;

	key32_put(room, box);
	key32_put(room + 4, apart ? UINT32_MAX : uid);
	room[8] = (unsigned char)field;
	key32_put(room + 9, uid);
	return str_n(room, apart ? KEY_MAX : KEY_MAX - 4);
}

static bool is_packed(enum index_field field)
{
	return field == INDEX_SUBJECT || field == INDEX_BASE;
}

/* Those that do not stand by their mail. */
static const enum index_field apart[] = {INDEX_SORT, INDEX_SUBJECT, INDEX_BASE};
enum { APART = sizeof(apart) / sizeof(apart[0]) };

static enum table table_of(enum index_field field)
{
	return field == INDEX_SORT ? TABLE_SORT : TABLE_CACHE;
}

/* Whether it is the one behind the last one that was asked for. */
static bool sort_next(struct index_txn *txn, uint32_t box, uint32_t uid,
		      struct str key, struct str *out)
{
	struct str next = key;
	bool near = txn->sort_box == box && uid > txn->sort_uid &&
		    uid - txn->sort_uid <= SORT_NEAR;

	txn->sort_box = box;
	txn->sort_uid = uid;
	return near &&
	       lmdb_cursor(txn, TABLE_SORT, MDB_NEXT, &next, out) == 0 &&
	       str_equal(next, key);
}

bool index_cache_get(struct index_txn *txn, uint32_t box, uint32_t uid,
		     enum index_field field, struct str *out)
{
	unsigned char room[KEY_MAX];
	struct str key = cache_key(box, uid, field, room);
	struct err err;
	int code;

	if (is_packed(field))
		return pack_get(txn, box, uid, field, out);
	if (field == INDEX_SORT && sort_next(txn, box, uid, key, out))
		return true;
	code = lmdb_get(txn, table_of(field), key, out);
	if (code != 0 && code != MDB_NOTFOUND)
		lmdb_err(txn, &err, code, "get cache");
	return code == 0;
}

int index_cache_put(struct index_txn *txn, uint32_t box, uint32_t uid,
		    enum index_field field, struct str value, struct err *err)
{
	unsigned char room[KEY_MAX];
	int code;

	if (is_packed(field))
		return pack_put(txn, box, uid, field, value, err);
	if (value.len > CACHE_MAX)
		return err_set(err, ERR_LIMIT, "cache value is too long");
	code = lmdb_put(txn, table_of(field), cache_key(box, uid, field, room),
			value);
	return code == 0 ? 0 : lmdb_err(txn, err, code, "put cache");
}

int index_cache_drop(struct index_txn *txn, uint32_t box, uint32_t uid,
		     enum index_field field, struct err *err)
{
	unsigned char room[KEY_MAX];
	int code;

	if (is_packed(field))
		return pack_put(txn, box, uid, field, str_n(NULL, 0), err);
	code = lmdb_del(txn, TABLE_CACHE, cache_key(box, uid, field, room));
	return code == 0 || code == MDB_NOTFOUND
		       ? 0
		       : lmdb_err(txn, err, code, "drop cache");
}

static int copy_value(struct index_txn *txn, uint32_t box, uint32_t uid,
		      unsigned field, struct str value, struct buf *copy,
		      struct err *err)
{
	/* The value's page may change while it is put. */
	buf_reset(copy);
	buf_add_str(copy, value);
	return index_cache_put(txn, box, uid, field,
			       str_n(copy->data, copy->len), err);
}

int index_cache_copy(struct index_txn *txn, uint32_t from_box,
		     uint32_t from_uid, uint32_t to_box, uint32_t to_uid,
		     struct err *err)
{
	CLEANUP(buf_free) struct buf copy = buf_init(CACHE_MAX + 1);
	unsigned field = 0;
	struct str value;

	while (field < FIELD_MAX &&
	       index_walk_cache(txn, from_box, from_uid, &field, &value)) {
		if (copy_value(txn, to_box, to_uid, field, value, &copy, err) <
		    0)
			return -1;
	}
	return 0;
}

bool index_walk_cache(struct index_txn *txn, uint32_t box, uint32_t uid,
		      unsigned *field, struct str *value)
{
	unsigned char room[KEY_MAX];
	struct str key;

	if (*field == UINT8_MAX)
		return false;
	key = str_n(room, cache_key(box, uid, 0, room).len);
	room[8] = (unsigned char)(*field + 1);
	if (lmdb_cursor(txn, TABLE_CACHE, MDB_SET_RANGE, &key, value) == 0 &&
	    key.len == KEY_MAX - 4 && memcmp(key.data, room, 8) == 0) {
		*field = (unsigned char)key.data[8];
		return true;
	}
	for (unsigned i = 0; i < APART; i++) {
		if (*field < apart[i] &&
		    index_cache_get(txn, box, uid, apart[i], value)) {
			*field = apart[i];
			return true;
		}
	}
	return false;
}

/* The cache of a mail: all of its fields, or those of mails that are gone. */

int index_cache_remove(struct index_txn *txn, uint32_t box, uint32_t uid,
		       struct err *err)
{
	unsigned char prefix[8];

	key32_put(prefix, box);
	key32_put(prefix + 4, uid);
	if (table_clear(txn, TABLE_CACHE, str_n(prefix, sizeof(prefix)), err) <
	    0)
		return -1;
	for (unsigned i = 0; i < APART; i++) {
		if (index_cache_drop(txn, box, uid, apart[i], err) < 0)
			return -1;
	}
	return 0;
}

/* The UID of the first cached value from `uid` on; of a sort value. */
static bool next_cached(struct index_txn *txn, uint32_t box, uint32_t uid,
			enum index_field field, uint32_t *out)
{
	unsigned char room[KEY_MAX];
	struct str key = cache_key(box, uid, field, room), value;
	size_t len = key.len, prefix = field == INDEX_SORT ? 9 : 4;

	if (is_packed(field))
		return pack_next(txn, box, uid, field, out);
	if (lmdb_cursor(txn, TABLE_CACHE, MDB_SET_RANGE, &key, &value) != 0 ||
	    key.len != len || memcmp(key.data, room, prefix) != 0)
		return false;
	*out = key32_get((const unsigned char *)key.data + prefix);
	return true;
}

static int purge(struct index_txn *txn, uint32_t box, enum index_field field,
		 unsigned *purged, struct err *err)
{
	struct index_record record;
	uint32_t uid = 0; /* the mailbox's own values, which stay */

	while (uid != UINT32_MAX &&
	       next_cached(txn, box, uid + 1, field, &uid)) {
		if (index_record_get(txn, box, uid, &record, err) == 0)
			continue;
		if (err->code != ERR_NOT_FOUND ||
		    index_cache_remove(txn, box, uid, err) < 0)
			return -1;
		(*purged)++;
	}
	return 0;
}

int index_cache_purge(struct index_txn *txn, uint32_t box, unsigned *purged_out,
		      struct err *err)
{
	*purged_out = 0;
	if (purge(txn, box, 0, purged_out, err) < 0)
		return -1;
	for (unsigned i = 0; i < APART; i++) {
		if (purge(txn, box, apart[i], purged_out, err) < 0)
			return -1;
	}
	return index_check(txn, err);
}
