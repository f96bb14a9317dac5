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

enum { CACHE_MAX = 1 << 20, FIELD_MAX = 63 };

static struct str cache_key(uint32_t box, uint32_t uid, unsigned field,
			    unsigned char room[9])
{
	key32_put(room, box);
	key32_put(room + 4, uid);
	room[8] = (unsigned char)field;
	return str_n(room, 9);
}

bool index_cache_get(struct index_txn *txn, uint32_t box, uint32_t uid,
		     enum index_field field, struct str *out)
{
	unsigned char room[9];
	struct err err;
	int code = lmdb_get(txn, TABLE_CACHE, cache_key(box, uid, field, room),
			    out);

	if (code != 0 && code != MDB_NOTFOUND)
		lmdb_err(txn, &err, code, "get cache");
	return code == 0;
}

int index_cache_put(struct index_txn *txn, uint32_t box, uint32_t uid,
		    enum index_field field, struct str value, struct err *err)
{
	unsigned char room[9];
	int code;

	if (value.len > CACHE_MAX)
		return err_set(err, ERR_LIMIT, "cache value is too long");
	code = lmdb_put(txn, TABLE_CACHE, cache_key(box, uid, field, room),
			value);
	return code == 0 ? 0 : lmdb_err(txn, err, code, "put cache");
}

int index_cache_drop(struct index_txn *txn, uint32_t box, uint32_t uid,
		     enum index_field field, struct err *err)
{
	unsigned char room[9];
	int code = lmdb_del(txn, TABLE_CACHE, cache_key(box, uid, field, room));

	return code == 0 || code == MDB_NOTFOUND
		       ? 0
		       : lmdb_err(txn, err, code, "drop cache");
}

int index_cache_copy(struct index_txn *txn, uint32_t from_box,
		     uint32_t from_uid, uint32_t to_box, uint32_t to_uid,
		     struct err *err)
{
	CLEANUP(buf_free) struct buf copy = buf_init(CACHE_MAX + 1);

	for (unsigned field = 1; field <= FIELD_MAX; field++) {
		unsigned char room[9];
		struct str key = cache_key(from_box, from_uid, field, room);
		struct str value;
		int code = lmdb_cursor(txn, TABLE_CACHE, MDB_SET_RANGE, &key,
				       &value);

		if (code == MDB_NOTFOUND)
			return 0;
		if (code != 0)
			return lmdb_err(txn, err, code, "copy cache");
		if (key.len != 9 || memcmp(key.data, room, 8) != 0)
			return 0;
		field = (unsigned char)key.data[8];
		/* The value's page may change while it is put. */
		buf_reset(&copy);
		buf_add_str(&copy, value);
		if (index_cache_put(txn, to_box, to_uid, field,
				    str_n(copy.data, copy.len), err) < 0)
			return -1;
	}
	return 0;
}
