/* SPDX-License-Identifier: MIT */
#include "index/walk.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "index/bytes.h"
#include "index/env.h"

enum {
	HEADER_SIZE = 52, /* magic, version, boot id, mark */
	BOOT_ID_AT = 8,
	BOOT_ID_SIZE = 36,
	CLEAN_AT = BOOT_ID_AT + BOOT_ID_SIZE,
	LOG_KEY_SIZE = 16,
	RANGE_SIZE = 8,
};

static bool is_this_boot(const char *boot_id)
{
	CLEANUP(file_close)
	FILE *fp = fopen("/proc/sys/kernel/random/boot_id", "re");
	char now[BOOT_ID_SIZE];

	return fp != NULL && fread(now, 1, sizeof(now), fp) == sizeof(now) &&
	       memcmp(now, boot_id, sizeof(now)) == 0;
}

int index_walk_header(struct index_txn *txn, struct index_header *out,
		      struct err *err)
{
	const unsigned char *at;
	struct str value;
	int code = lmdb_get(txn, TABLE_META, STR("header"), &value);

	if (code != 0)
		return lmdb_err(txn, err, code, "get header");
	if (value.len < HEADER_SIZE || memcmp(value.data, "DTIX", 4) != 0)
		return err_set(err, ERR_CORRUPT, "index %s: bad header",
			       txn->index->dir);
	at = (const unsigned char *)value.data;
	out->version = le32_get(at + 4);
	memcpy(out->boot_id, at + BOOT_ID_AT, BOOT_ID_SIZE);
	out->boot_id[BOOT_ID_SIZE] = '\0';
	out->this_boot = is_this_boot(out->boot_id);
	out->clean = le64_get(at + CLEAN_AT);
	out->last_txn = lmdb_txn_id(txn);
	out->used_size = lmdb_used(txn->index);
	return 0;
}

int index_walk_history(struct index_txn *txn, uint32_t box,
		       struct index_history *out, struct err *err)
{
	struct box_row row;

	if (box_row_get(txn, box, &row, err) < 0)
		return -1;
	out->expunges_from = row.history_from;
	out->changes_from = row.changes_from;
	out->expunges = row.expunges;
	out->changes = row.changes;
	return 0;
}

static void add_ranges(struct str value, struct range_set *uids)
{
	const unsigned char *at = (const unsigned char *)value.data;

	for (; value.len >= RANGE_SIZE; value.len -= RANGE_SIZE) {
		uint32_t first = le32_get(at), last = le32_get(at + 4);

		if (first <= last)
			range_set_add(uids, first, last);
		at += RANGE_SIZE;
	}
}

bool index_walk_log(struct index_txn *txn, uint32_t box, enum index_log log,
		    uint64_t *modseq, uint32_t *uid, struct range_set *uids)
{
	enum table table =
		log == INDEX_LOG_CHANGES ? TABLE_CHANGES : TABLE_EXPUNGES;
	unsigned char room[LOG_KEY_SIZE];
	struct str key = str_n(room, sizeof(room)), value;
	const unsigned char *at;

	key32_put(room, box);
	key64_put(room + 4, *modseq);
	/* Behind the one before; the first one has a modseq. */
	key32_put(room + 12, *modseq == 0 ? 0 : *uid + 1);
	if (lmdb_cursor(txn, table, MDB_SET_RANGE, &key, &value) != 0 ||
	    key.len != LOG_KEY_SIZE)
		return false;
	at = (const unsigned char *)key.data;
	if (key32_get(at) != box || key32_get(at + 12) == UINT32_MAX)
		return false;
	*modseq = key64_get(at + 4);
	*uid = key32_get(at + 12);
	range_set_clear(uids);
	add_ranges(value, uids);
	return *modseq != 0;
}
