/* SPDX-License-Identifier: MIT */
/*
 * index/box.c - mailboxes: rows, names, keywords.
 *
 * In a write transaction rows are decoded once, changed in memory, and written
 * when the transaction commits, however many records it touches.
 */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/duration.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "index/bytes.h"
#include "index/env.h"

enum {
	ROW_FIXED = 216, /* and the name behind it */
	NAME_MAX_LEN = 4096,
	NAME_KEY_PLAIN = 480, /* LMDB's keys have up to 511 octets */
	NAME_KEY_HEAD = 400,
	KEYWORDS_ROW = 0xffffffff,
	KEYWORD_MAX_LEN = 1024,
};

/* rows as bytes */

static void row_encode(const struct box_row *row, unsigned char *at)
{
	const struct index_box *box = &row->box;

	memcpy(at, box->guid, 16);
	le32_put(at + 16, box->uid_validity);
	le32_put(at + 20, box->uid_next);
	le32_put(at + 24, box->first_recent_uid);
	le64_put(at + 28, box->highest_modseq);
	le64_put(at + 36, row->history_from);
	le32_put(at + 44, row->expunges);
	le32_put(at + 48, box->counts.messages);
	le32_put(at + 52, box->counts.recent);
	le32_put(at + 56, box->counts.unseen);
	le32_put(at + 60, box->counts.deleted);
	le32_put(at + 64, box->counts.size_unknown);
	le64_put(at + 68, box->counts.size);
	le32_put(at + 76, row->changes);
	le64_put(at + 80, row->changes_from);
	memcpy(at + 88, box->driver, sizeof(box->driver));
	memcpy(at + ROW_FIXED, row->name.data, row->name.len);
}

static bool row_decode(uint32_t id, struct str value, struct box_row *row)
{
	const unsigned char *at = (const unsigned char *)value.data;
	struct index_box *box = &row->box;

	if (value.len <= ROW_FIXED || value.len > ROW_FIXED + NAME_MAX_LEN)
		return false;
	box->id = id;
	memcpy(box->guid, at, 16);
	box->uid_validity = le32_get(at + 16);
	box->uid_next = le32_get(at + 20);
	box->first_recent_uid = le32_get(at + 24);
	box->highest_modseq = le64_get(at + 28);
	row->history_from = le64_get(at + 36);
	row->expunges = le32_get(at + 44);
	box->counts.messages = le32_get(at + 48);
	box->counts.recent = le32_get(at + 52);
	box->counts.unseen = le32_get(at + 56);
	box->counts.deleted = le32_get(at + 60);
	box->counts.size_unknown = le32_get(at + 64);
	box->counts.size = le64_get(at + 68);
	row->changes = le32_get(at + 76);
	row->changes_from = le64_get(at + 80);
	memcpy(box->driver, at + 88, sizeof(box->driver));
	row->name = str_from(value, ROW_FIXED);
	return box->uid_next > 0 && box->highest_modseq > 0 &&
	       box->highest_modseq < INT64_MAX &&
	       memchr(row->name.data, '\0', row->name.len) == NULL;
}

int box_row_get(struct index_txn *txn, uint32_t id, struct box_row *row,
		struct err *err)
{
	unsigned char key[4];
	struct str value;
	int code;

	key32_put(key, id);
	code = lmdb_get(txn, TABLE_BOXES, str_n(key, sizeof(key)), &value);
	if (code == MDB_NOTFOUND)
		return err_set(err, ERR_NOT_FOUND, "no mailbox %u in index %s",
			       id, txn->index->dir);
	if (code != 0)
		return lmdb_err(txn, err, code, "get mailbox");
	if (!row_decode(id, value, row))
		return index_corrupt(txn, err, "mailbox row");
	return 0;
}

static int row_put(struct index_txn *txn, const struct box_row *row,
		   struct err *err)
{
	unsigned char key[4], *room;
	int code;

	key32_put(key, row->box.id);
	code = lmdb_put_reserve(txn, TABLE_BOXES, str_n(key, sizeof(key)),
				ROW_FIXED + row->name.len, &room);
	if (code != 0)
		return lmdb_err(txn, err, code, "put mailbox");
	row_encode(row, room);
	return 0;
}

/* a writer's rows */

static struct txn_box *txn_box_add(struct index_txn *txn, uint32_t id)
{
	struct txn_box *box = mem_new(txn, struct txn_box);

	box->id = id;
	box->changed = range_set_init(box);
	box->expunged = range_set_init(box);
	HASH_ADD_INT(txn->boxes, id, box);
	txn->recent = box;
	return box;
}

int txn_box_get(struct index_txn *txn, uint32_t id, struct txn_box **out,
		struct err *err)
{
	struct txn_box *box = txn->recent;
	struct box_row row;

	if (box == NULL || box->id != id)
		HASH_FIND_INT(txn->boxes, &id, box);
	if (box == NULL) {
		if (box_row_get(txn, id, &row, err) < 0)
			return -1;
		box = txn_box_add(txn, id);
		row.name = str_of(str_dup(box, row.name));
		box->row = row;
	}
	txn->recent = box;
	*out = box;
	return 0;
}

/* A writer's own, if it writes. */
static int row_get(struct index_txn *txn, uint32_t id, struct box_row *out,
		   struct err *err)
{
	struct txn_box *box;

	if (txn->mode != INDEX_WRITE)
		return box_row_get(txn, id, out, err);
	if (txn_box_get(txn, id, &box, err) < 0)
		return -1;
	*out = box->row;
	return 0;
}

int txn_boxes_flush(struct index_txn *txn, struct err *err)
{
	for (struct txn_box *box = txn->boxes; box != NULL;
	     box = box->hh.next) {
		if (uids_flush(txn, box, err) < 0 ||
		    changes_flush(txn, box, err) < 0 ||
		    (box->dirty && row_put(txn, &box->row, err) < 0))
			return -1;
		box->dirty = false;
	}
	return 0;
}

void txn_boxes_free(struct index_txn *txn)
{
	HASH_CLEAR(hh, txn->boxes);
}

/* names */

static struct str name_key(struct str name, char room[NAME_KEY_PLAIN + 1])
{
	unsigned char hash[DIGEST_MAX];
	size_t len;

	if (name.len <= NAME_KEY_PLAIN)
		return name;
	len = digest_once("sha256", name, hash);
	memcpy(room, name.data, NAME_KEY_HEAD);
	room[NAME_KEY_HEAD] = '\1';
	memcpy(room + NAME_KEY_HEAD + 1, hash, len);
	return str_n(room, NAME_KEY_HEAD + 1 + len);
}

static bool name_ok(struct str name)
{
	return name.len > 0 && name.len <= NAME_MAX_LEN;
}

int index_box_read(struct index_txn *txn, const char *name,
		   struct index_box *out, struct err *err)
{
	char room[NAME_KEY_PLAIN + 1];
	struct box_row row;
	struct str value;
	int code;

	if (!name_ok(str_of(name)))
		return err_set(err, ERR_NOT_FOUND, "no mailbox of this name");
	code = lmdb_get(txn, TABLE_NAMES, name_key(str_of(name), room), &value);
	if (code == MDB_NOTFOUND)
		return err_set(err, ERR_NOT_FOUND, "mailbox %s is not in index",
			       name);
	if (code != 0)
		return lmdb_err(txn, err, code, "find mailbox");
	if (value.len != 4)
		return index_corrupt(txn, err, "mailbox name");
	if (row_get(txn, le32_get((const unsigned char *)value.data), &row,
		    err) < 0)
		return err->code == ERR_NOT_FOUND
			       ? index_corrupt(txn, err, "name without mailbox")
			       : -1;
	if (!str_is(row.name, name))
		return index_corrupt(txn, err, "name of another mailbox");
	*out = row.box;
	return 0;
}

int index_box_find(struct index_txn *txn, const char *name, uint32_t *id_out,
		   struct err *err)
{
	struct index_box box;

	if (index_box_read(txn, name, &box, err) < 0)
		return -1;
	*id_out = box.id;
	return 0;
}

static int name_put(struct index_txn *txn, struct str name, uint32_t id,
		    struct err *err)
{
	char room[NAME_KEY_PLAIN + 1];
	unsigned char value[4];
	int code;

	le32_put(value, id);
	code = lmdb_put(txn, TABLE_NAMES, name_key(name, room),
			str_n(value, sizeof(value)));
	return code == 0 ? 0 : lmdb_err(txn, err, code, "put mailbox name");
}

static int name_del(struct index_txn *txn, struct str name, struct err *err)
{
	char room[NAME_KEY_PLAIN + 1];
	int code = lmdb_del(txn, TABLE_NAMES, name_key(name, room));

	if (code == 0 || code == MDB_NOTFOUND)
		return 0;
	return lmdb_err(txn, err, code, "delete mailbox name");
}

bool index_box_next(struct index_txn *txn, const void *ctx, char **at,
		    struct index_box *out)
{
	char room[NAME_KEY_PLAIN + 1];
	struct str key = name_key(str_of(*at), room), before = key, value;
	MDB_cursor_op op = key.len == 0 ? MDB_FIRST : MDB_SET_RANGE;
	struct box_row row;
	struct err err;
	int code = lmdb_cursor(txn, TABLE_NAMES, op, &key, &value);

	if (code == 0 && before.len > 0 && str_equal(key, before))
		code = lmdb_cursor(txn, TABLE_NAMES, MDB_NEXT, &key, &value);
	if (code != 0) {
		if (code != MDB_NOTFOUND)
			lmdb_err(txn, &err, code, "walk mailboxes");
		return false;
	}
	if (value.len != 4) {
		index_corrupt(txn, &err, "mailbox name");
		return false;
	}
	if (row_get(txn, le32_get((const unsigned char *)value.data), &row,
		    &err) < 0)
		return false;
	*at = str_dup(ctx, row.name);
	*out = row.box;
	return true;
}

/* mailboxes */

int index_box_get(struct index_txn *txn, uint32_t id, struct index_box *out,
		  struct err *err)
{
	struct box_row row;

	if (row_get(txn, id, &row, err) < 0)
		return -1;
	*out = row.box;
	return 0;
}

/* Ids start anywhere, so that one from before the index was made anew means
 * nothing. */
static int next_id(struct index_txn *txn, uint32_t *out, struct err *err)
{
	unsigned char bytes[4];
	struct str value;
	uint32_t id;
	int code = lmdb_get(txn, TABLE_META, STR("next"), &value);

	if (code != 0 && code != MDB_NOTFOUND)
		return lmdb_err(txn, err, code, "next id");
	if (code == 0 && value.len != 4)
		return index_corrupt(txn, err, "next id");
	id = code == 0 ? le32_get((const unsigned char *)value.data)
		       : 1 + (uint32_t)random_u64() % (1U << 30);
	if (id == 0 || id == UINT32_MAX)
		return index_corrupt(txn, err, "next id");
	le32_put(bytes, id + 1);
	code = lmdb_put(txn, TABLE_META, STR("next"),
			str_n(bytes, sizeof(bytes)));
	if (code != 0)
		return lmdb_err(txn, err, code, "next id");
	*out = id;
	return 0;
}

int index_box_create(struct index_txn *txn, const char *name,
		     struct index_box *box, struct err *err)
{
	struct txn_box *new_box;
	uint32_t id;

	if (!name_ok(str_of(name)))
		return err_set(err, ERR_LIMIT, "mailbox name is too long");
	if (index_box_find(txn, name, &id, err) == 0)
		return err_set(err, ERR_EXISTS, "mailbox %s is in the index",
			       name);
	if (err->code != ERR_NOT_FOUND || next_id(txn, &id, err) < 0 ||
	    name_put(txn, str_of(name), id, err) < 0)
		return -1;
	new_box = txn_box_add(txn, id);
	new_box->row.name = str_of(mem_strdup(new_box, name));
	new_box->dirty = new_box->created = true;
	box->id = id;
	if (box->uid_next == 0)
		box->uid_next = 1;
	/* Higher than any that this mailbox had before an index was lost. */
	box->highest_modseq = clock_real_us();
	box->counts = (struct index_counts){.messages = 0};
	new_box->row.box = *box;
	new_box->row.history_from = box->highest_modseq;
	new_box->row.changes_from = box->highest_modseq;
	return 0;
}

/* How many mails are \Recent, after the mark moved. */
static int recount_recent(struct index_txn *txn, struct txn_box *box,
			  struct err *err)
{
	struct index_box *row = &box->row.box;
	struct range_set uids;

	row->counts.recent = 0;
	if (row->first_recent_uid >= row->uid_next)
		return 0;
	if (row->first_recent_uid <= 1) {
		row->counts.recent = row->counts.messages;
		return 0;
	}
	if (uids_flush(txn, box, err) < 0)
		return -1;
	uids = range_set_init(box);
	if (!uids_get(txn, box->id, row->first_recent_uid, &uids))
		return index_corrupt(txn, err, "UIDs");
	row->counts.recent = (uint32_t)range_set_size(&uids);
	mem_free(uids.ranges);
	return 0;
}

int index_box_put(struct index_txn *txn, const struct index_box *box,
		  struct err *err)
{
	struct txn_box *own;
	struct index_box *row;
	bool recent_moved;

	if (txn_box_get(txn, box->id, &own, err) < 0)
		return -1;
	row = &own->row.box;
	recent_moved = row->first_recent_uid != box->first_recent_uid;
	memcpy(row->guid, box->guid, sizeof(row->guid));
	memcpy(row->driver, box->driver, sizeof(row->driver));
	row->uid_validity = box->uid_validity;
	row->first_recent_uid = box->first_recent_uid;
	if (box->uid_next > row->uid_next)
		row->uid_next = box->uid_next;
	own->dirty = true;
	return recent_moved ? recount_recent(txn, own, err) : 0;
}

int index_box_rename(struct index_txn *txn, uint32_t id, const char *name,
		     struct err *err)
{
	struct txn_box *box;
	uint32_t other;

	if (!name_ok(str_of(name)))
		return err_set(err, ERR_LIMIT, "mailbox name is too long");
	if (index_box_find(txn, name, &other, err) == 0)
		return other == id
			       ? 0
			       : err_set(err, ERR_EXISTS,
					 "mailbox %s is in the index", name);
	if (err->code != ERR_NOT_FOUND || txn_box_get(txn, id, &box, err) < 0 ||
	    name_del(txn, box->row.name, err) < 0 ||
	    name_put(txn, str_of(name), id, err) < 0)
		return -1;
	box->row.name = str_of(mem_strdup(box, name));
	box->dirty = true;
	return 0;
}

int table_clear(struct index_txn *txn, enum table table, struct str prefix,
		struct err *err)
{
	struct str key = prefix, value;
	int code = lmdb_cursor(txn, table, MDB_SET_RANGE, &key, &value);

	while (code == 0 && key.len >= prefix.len &&
	       memcmp(key.data, prefix.data, prefix.len) == 0) {
		code = lmdb_cursor_del(txn, table);
		if (code == 0)
			code = lmdb_cursor(txn, table, MDB_NEXT, &key, &value);
	}
	if (code != 0 && code != MDB_NOTFOUND)
		return lmdb_err(txn, err, code, "delete rows");
	return 0;
}

int index_box_delete(struct index_txn *txn, uint32_t id, struct err *err)
{
	static const enum table tables[] = {TABLE_BOXES, TABLE_RECORDS,
					    TABLE_CHANGES, TABLE_EXPUNGES,
					    TABLE_CACHE};
	unsigned char prefix[4];
	struct txn_box *box;

	if (packs_flush(txn, err) < 0 || txn_box_get(txn, id, &box, err) < 0 ||
	    name_del(txn, box->row.name, err) < 0)
		return -1;
	HASH_DEL(txn->boxes, box);
	txn->recent = NULL;
	mem_free(box);
	key32_put(prefix, id);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (table_clear(txn, tables[i], str_n(prefix, 4), err) < 0)
			return -1;
	}
	return 0;
}

/* keywords */

static struct str keywords_key(uint32_t box, unsigned char room[8])
{
	key32_put(room, box);
	key32_put(room + 4, KEYWORDS_ROW);
	return str_n(room, 8);
}

/* Names with a NUL behind each. */
int index_keywords_get(struct index_txn *txn, const void *ctx, uint32_t box,
		       const char ***names_out, unsigned *count_out,
		       struct err *err)
{
	unsigned char room[8];
	struct str value = STR(""), name;
	const char **names;
	unsigned count = 0;
	int code = lmdb_get(txn, TABLE_BOXES, keywords_key(box, room), &value);

	if (code != 0 && code != MDB_NOTFOUND)
		return lmdb_err(txn, err, code, "get keywords");
	if (value.len > 0 && value.data[value.len - 1] != '\0')
		return index_corrupt(txn, err, "keywords");
	names = mem_array(ctx, const char *, INDEX_KEYWORDS_MAX);
	while (value.len > 0 && str_split(&value, '\0', &name)) {
		if (count == INDEX_KEYWORDS_MAX || name.len > KEYWORD_MAX_LEN)
			return index_corrupt(txn, err, "keywords");
		names[count++] = str_dup(names, name);
	}
	*names_out = names;
	*count_out = count;
	return 0;
}

int index_keywords_put(struct index_txn *txn, uint32_t box,
		       const char *const *names, unsigned count,
		       struct err *err)
{
	CLEANUP(buf_free)
	struct buf out =
		buf_init((size_t)INDEX_KEYWORDS_MAX * (KEYWORD_MAX_LEN + 1));
	unsigned char room[8];
	int code;

	if (count > INDEX_KEYWORDS_MAX)
		return err_set(err, ERR_LIMIT, "too many keywords");
	for (unsigned i = 0; i < count; i++) {
		if (strlen(names[i]) > KEYWORD_MAX_LEN)
			return err_set(err, ERR_LIMIT, "keyword is too long");
		buf_append(&out, names[i], strlen(names[i]) + 1);
	}
	code = lmdb_put(txn, TABLE_BOXES, keywords_key(box, room),
			str_n(out.data, out.len));
	return code == 0 ? 0 : lmdb_err(txn, err, code, "put keywords");
}
