/* SPDX-License-Identifier: MIT */
/*
 * index/move.c - a mailbox's rows in another environment: what its own files do
 * not tell (modseqs, keywords from the 27th on) goes with it to another place.
 */
#include <string.h>

#include "base/err.h"
#include "index/bytes.h"
#include "index/env.h"

enum { ROW_KEY_MAX = 511, ID_SIZE = 4 }; /* LMDB's keys; all begin with the id */

struct move {
	struct index_txn *from, *to;
	unsigned char id[ID_SIZE]; /* as keys have it */
	uint32_t to_id;
};

static int put_row(const struct move *move, enum table table, struct str key,
		   struct str value, struct err *err)
{
	unsigned char room[ROW_KEY_MAX];
	int code;

	if (key.len > sizeof(room))
		return index_corrupt(move->from, err, "key");
	memcpy(room, key.data, key.len);
	key32_put(room, move->to_id);
	code = lmdb_put(move->to, table, str_n(room, key.len), value);
	return code == 0 ? 0 : lmdb_err(move->to, err, code, "put row");
}

static int copy_table(const struct move *move, enum table table,
		      struct err *err)
{
	struct str key = str_n(move->id, ID_SIZE), value;
	int code = lmdb_cursor(move->from, table, MDB_SET_RANGE, &key, &value);

	while (code == 0 && key.len >= ID_SIZE &&
	       memcmp(key.data, move->id, ID_SIZE) == 0) {
		/* The mailbox's own row is there already. */
		if ((table != TABLE_BOXES || key.len > ID_SIZE) &&
		    put_row(move, table, key, value, err) < 0)
			return -1;
		code = lmdb_cursor(move->from, table, MDB_NEXT, &key, &value);
	}
	return code == 0 || code == MDB_NOTFOUND
		       ? 0
		       : lmdb_err(move->from, err, code, "walk rows");
}

/* All of the old one but number and name. */
static int make_row(const struct move *move, struct box_row *old,
		    const char *name, struct err *err)
{
	struct index_box made = old->box;
	struct txn_box *own;

	if (index_box_create(move->to, name, &made, err) < 0 ||
	    txn_box_get(move->to, made.id, &own, err) < 0)
		return -1;
	old->name = own->row.name;
	old->box.id = made.id;
	own->row = *old;
	own->created = false; /* somebody has seen it, elsewhere */
	return 0;
}

int index_box_copy(struct index_txn *from, uint32_t id, struct index_txn *to,
		   const char *name, uint32_t *id_out, struct err *err)
{
	static const enum table tables[] = {TABLE_BOXES, TABLE_RECORDS,
					    TABLE_CHANGES, TABLE_EXPUNGES,
					    TABLE_CACHE};
	struct move move = {.from = from, .to = to};
	struct box_row row;

	key32_put(move.id, id);
	if (txn_boxes_flush(from, err) < 0 ||
	    box_row_get(from, id, &row, err) < 0 ||
	    make_row(&move, &row, name, err) < 0)
		return -1;
	move.to_id = row.box.id;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (copy_table(&move, tables[i], err) < 0)
			return -1;
	}
	*id_out = move.to_id;
	return 0;
}
