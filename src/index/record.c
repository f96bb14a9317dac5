/* SPDX-License-Identifier: MIT */
/*
 * index/record.c - a row per mail, and what must change together with it: the
 * counts and UIDs of its mailbox, and the tables of changes and expunges.
 */
#include <string.h>

#include "base/err.h"
#include "index/bytes.h"
#include "index/env.h"

enum {
	RECORD_FIXED = 44, /* then keywords, then the driver's data */
	/* And zeros: a flag more or less in the driver's data, a file name,
	 * does not make the row another size, which costs LMDB more than all
	 * else about it. */
	RECORD_STEP = 16,
	KEYWORD_WORDS = INDEX_KEYWORDS_MAX / 64,
	APART_FIXED = 10,
	DRIVER_MAX = 2048,
	ROW_MAX = RECORD_FIXED + INDEX_KEYWORDS_MAX / 8 + DRIVER_MAX +
		  RECORD_STEP,
};

/* keys and values */

static struct str record_key(uint32_t box, uint32_t uid, unsigned char room[8])
{
	key32_put(room, box);
	key32_put(room + 4, uid);
	return str_n(room, 8);
}

static bool record_decode(uint32_t uid, struct str value,
			  struct index_record *out)
{
	const unsigned char *at = (const unsigned char *)value.data;
	size_t words, used;

	if (value.len < RECORD_FIXED || at[41] > KEYWORD_WORDS)
		return false;
	words = at[41];
	used = RECORD_FIXED + 8 * words + le16_get(at + 42);
	if (value.len < used || value.len - used >= RECORD_STEP)
		return false;
	out->uid = uid;
	out->modseq = le64_get(at);
	out->received = (int64_t)le64_get(at + 8);
	out->saved = (int64_t)le64_get(at + 16);
	out->size_physical = le64_get(at + 24);
	out->size_virtual = le64_get(at + 32);
	out->flags = at[40];
	out->keywords = (struct keywords){{0}};
	for (size_t i = 0; i < words; i++)
		out->keywords.bits[i] = le64_get(at + RECORD_FIXED + 8 * i);
	out->driver = str_n(value.data + RECORD_FIXED + 8 * words,
			    le16_get(at + 42));
	out->mark = 0;
	out->flags_apart = false;
	return true;
}

/* What stands apart: modseq (8), flags (1), mark (1), keywords. */
static bool apart_decode(struct str value, struct index_record *out)
{
	const unsigned char *at = (const unsigned char *)value.data;
	size_t words = (value.len - APART_FIXED) / 8;

	if (value.len < APART_FIXED || value.len % 8 != APART_FIXED % 8 ||
	    words > KEYWORD_WORDS)
		return false;
	out->flags_apart = true;
	out->modseq = le64_get(at);
	out->flags = at[8];
	out->mark = at[9];
	out->keywords = (struct keywords){{0}};
	for (size_t i = 0; i < words; i++)
		out->keywords.bits[i] = le64_get(at + APART_FIXED + 8 * i);
	return true;
}

static bool take_apart(struct index_txn *txn, uint32_t box,
		       struct index_record *out)
{
	struct str value;

	return !pack_get(txn, box, out->uid, INDEX_FLAGS, &value) ||
	       apart_decode(value, out);
}

bool index_record_apart(struct index_txn *txn, uint32_t box, uint32_t uid,
			struct index_record *out)
{
	struct str value;

	*out = (struct index_record){.uid = uid};
	return pack_get(txn, box, uid, INDEX_FLAGS, &value) &&
	       apart_decode(value, out);
}

static size_t keyword_words(const struct keywords *keywords)
{
	size_t words = KEYWORD_WORDS;

	while (words > 0 && keywords->bits[words - 1] == 0)
		words--;
	return words;
}

/* lmdb_put() or one of its kind */
typedef int put_fn(struct index_txn *txn, enum table table, struct str key,
		   struct str value);

static int record_write(struct index_txn *txn, uint32_t box,
			const struct index_record *record, put_fn *put,
			struct err *err)
{
	unsigned char room[8], row[ROW_MAX];
	struct str key = record_key(box, record->uid, room), value;
	size_t words = keyword_words(&record->keywords);
	size_t len = RECORD_FIXED + 8 * words + record->driver.len;
	int code;

	if (record->driver.len > DRIVER_MAX)
		return err_set(err, ERR_LIMIT, "driver data is too long");
	le64_put(row, record->modseq);
	le64_put(row + 8, (uint64_t)record->received);
	le64_put(row + 16, (uint64_t)record->saved);
	le64_put(row + 24, record->size_physical);
	le64_put(row + 32, record->size_virtual);
	row[40] = record->flags & (uint8_t)~MAIL_RECENT;
	row[41] = (unsigned char)words;
	le16_put(row + 42, (uint16_t)record->driver.len);
	for (size_t i = 0; i < words; i++)
		le64_put(row + RECORD_FIXED + 8 * i, record->keywords.bits[i]);
	if (record->driver.len > 0) {
		memcpy(row + RECORD_FIXED + 8 * words, record->driver.data,
		       record->driver.len);
		row[RECORD_FIXED + 8 * words] |= record->mark;
	}
	memset(row + len, 0, RECORD_STEP);
	value = str_n(row, (len + RECORD_STEP - 1) / RECORD_STEP * RECORD_STEP);
	code = put(txn, TABLE_RECORDS, key, value);
	return code == 0 ? 0 : lmdb_err(txn, err, code, "put record");
}

/* reading */

int index_record_get(struct index_txn *txn, uint32_t box, uint32_t uid,
		     struct index_record *out, struct err *err)
{
	unsigned char key[8];
	struct str value;
	int code =
		lmdb_get(txn, TABLE_RECORDS, record_key(box, uid, key), &value);

	if (code == MDB_NOTFOUND)
		return err_set(err, ERR_NOT_FOUND, "no mail with UID %u", uid);
	if (code != 0)
		return lmdb_err(txn, err, code, "get record");
	if (!record_decode(uid, value, out) || !take_apart(txn, box, out))
		return index_corrupt(txn, err, "record");
	return 0;
}

/* What comes at `uid` or behind it. Who goes on from row to row gets more of
 * them at a time. */
static bool walk_fetch(struct index_txn *txn, uint32_t box, uint32_t uid)
{
	struct walk *walk = &txn->walk;
	bool goes_on = walk->valid && walk->box == box && uid > walk->uid &&
		       uid - walk->uid <= WALK_ROWS;
	unsigned max = goes_on ? WALK_ROWS : 1;
	unsigned char room[8];
	struct err err;
	int code = lmdb_cursor_rows(
		txn, TABLE_RECORDS, goes_on ? MDB_NEXT : MDB_SET_RANGE,
		record_key(box, uid, room), walk->rows, max, &walk->count);

	if (code != 0) {
		lmdb_err(txn, &err, code, "walk records");
		walk->count = 0;
	}
	walk->valid = walk->count == max;
	walk->at = 0;
	walk->box = box;
	if (!goes_on)
		walk->uid = uid - 1;
	return walk->count > 0;
}

/* The next row; false: it is another mailbox's, or damaged. */
static bool walk_row(struct index_txn *txn, struct index_record *out)
{
	struct walk *walk = &txn->walk;
	const struct row *row = &walk->rows[walk->at++];
	const unsigned char *key = (const unsigned char *)row->key.data;
	struct err err;
	uint32_t uid;

	if (row->key.len == 8 && key32_get(key) != walk->box)
		return false;
	uid = row->key.len == 8 ? key32_get(key + 4) : 0;
	if (uid <= walk->uid || !record_decode(uid, row->value, out) ||
	    !take_apart(txn, walk->box, out)) {
		index_corrupt(txn, &err, "record");
		return false;
	}
	walk->uid = uid;
	return true;
}

bool index_record_next(struct index_txn *txn, uint32_t box, uint32_t uid,
		       struct index_record *out)
{
	struct walk *walk = &txn->walk;

	if (uid == 0)
		uid = 1;
	if (walk->box != box || uid <= walk->uid)
		walk->at = walk->count;
	do {
		if ((walk->at == walk->count && !walk_fetch(txn, box, uid)) ||
		    !walk_row(txn, out)) {
			walk->at = walk->count = 0;
			walk->valid = false;
			return false;
		}
	} while (walk->uid < uid);
	return true;
}

void index_record_uids(struct index_txn *txn, uint32_t box,
		       struct range_set *out)
{
	struct txn_box *own = NULL;
	struct err err;

	range_set_clear(out);
	if (txn->mode == INDEX_WRITE)
		HASH_FIND_INT(txn->boxes, &box, own);
	if (own != NULL && uids_flush(txn, own, &err) < 0)
		return;
	if (!uids_get(txn, box, 0, out))
		index_corrupt(txn, &err, "UIDs");
}

/* counting */

/* Add (sign 1) or take away (-1) what a record counts. Wraps rather than fails
 * on a damaged row: these are unsigned numbers that clients are told. */
void record_count(struct index_box *box, const struct index_record *record,
		  int sign)
{
	struct index_counts *counts = &box->counts;
	uint32_t one = (uint32_t)sign;

	counts->messages += one;
	if (record->uid >= box->first_recent_uid)
		counts->recent += one;
	if ((record->flags & MAIL_SEEN) == 0)
		counts->unseen += one;
	if ((record->flags & MAIL_DELETED) != 0)
		counts->deleted += one;
	if (record->size_virtual == UINT64_MAX)
		counts->size_unknown += one;
	else
		counts->size += record->size_virtual * (uint64_t)sign;
}

/* The one new modseq that this transaction gives to the mailbox's changes. */
static uint64_t modseq_take(struct txn_box *box)
{
	if (!box->modseq_taken) {
		box->modseq_taken = true;
		box->row.box.highest_modseq++;
	}
	box->dirty = true;
	return box->row.box.highest_modseq;
}

/* What the caller's copy must follow. */
static void tell(const struct txn_box *own, struct index_box *box)
{
	box->uid_next = own->row.box.uid_next;
	box->highest_modseq = own->row.box.highest_modseq;
	box->counts = own->row.box.counts;
}

/* writing */

int index_record_append(struct index_txn *txn, struct index_box *box,
			struct index_record *record, struct err *err)
{
	struct txn_box *own;
	struct index_box *row;

	if (txn_box_get(txn, box->id, &own, err) < 0)
		return -1;
	row = &own->row.box;
	if (record->uid < row->uid_next || record->uid == UINT32_MAX)
		return err_set(err, ERR_INVALID,
			       "UID %u is not above those before it (%u)",
			       record->uid, row->uid_next);
	record->modseq = modseq_take(own);
	if (record_write(txn, row->id, record, lmdb_put, err) < 0 ||
	    uids_set(txn, own, record->uid, true, err) < 0)
		return -1;
	changes_add(own, record->uid);
	row->uid_next = record->uid + 1;
	record_count(row, record, 1);
	tell(own, box);
	return 0;
}

static bool same_flags(const struct index_record *a,
		       const struct index_record *b)
{
	return ((a->flags ^ b->flags) & (uint8_t)~MAIL_RECENT) == 0 &&
	       memcmp(&a->keywords, &b->keywords, sizeof(a->keywords)) == 0;
}

static int drop_apart(struct index_txn *txn, uint32_t box,
		      const struct index_record *record, struct err *err)
{
	return record->flags_apart ? pack_put(txn, box, record->uid,
					      INDEX_FLAGS, str_n(NULL, 0), err)
				   : 0;
}

static int replace(struct index_txn *txn, struct index_box *box,
		   const struct index_record *old, struct index_record *record,
		   put_fn *put, struct err *err)
{
	struct txn_box *own;

	if (txn_box_get(txn, box->id, &own, err) < 0)
		return -1;
	record->modseq = old->modseq;
	if (!same_flags(old, record)) {
		record->modseq = modseq_take(own);
		changes_add(own, old->uid);
	}
	if (record_write(txn, box->id, record, put, err) < 0 ||
	    drop_apart(txn, box->id, old, err) < 0)
		return -1;
	record_count(&own->row.box, old, -1);
	record_count(&own->row.box, record, 1);
	own->dirty = true;
	tell(own, box);
	return 0;
}

int index_record_put(struct index_txn *txn, struct index_box *box,
		     struct index_record *record, struct err *err)
{
	struct index_record old;

	return index_record_get(txn, box->id, record->uid, &old, err) < 0
		       ? -1
		       : replace(txn, box, &old, record, lmdb_put_here, err);
}

int index_record_change(struct index_txn *txn, struct index_box *box,
			const struct index_record *old,
			struct index_record *record, struct err *err)
{
	return replace(txn, box, old, record, lmdb_put_next, err);
}

int index_record_flag(struct index_txn *txn, struct index_box *box,
		      struct index_record *record, uint8_t flags,
		      const struct keywords *keywords, uint8_t mark,
		      struct err *err)
{
	unsigned char value[APART_FIXED + 8 * KEYWORD_WORDS];
	size_t words = keyword_words(keywords);
	struct txn_box *own;

	if (txn_box_get(txn, box->id, &own, err) < 0)
		return -1;
	record_count(&own->row.box, record, -1);
	record->flags = flags & (uint8_t)~MAIL_RECENT;
	record->keywords = *keywords;
	record->mark |= mark;
	record->modseq = modseq_take(own);
	record_count(&own->row.box, record, 1);
	le64_put(value, record->modseq);
	value[8] = record->flags;
	value[9] = record->mark;
	for (size_t i = 0; i < words; i++)
		le64_put(value + APART_FIXED + 8 * i, keywords->bits[i]);
	if (pack_put(txn, box->id, record->uid, INDEX_FLAGS,
		     str_n(value, APART_FIXED + 8 * words), err) < 0)
		return -1;
	changes_add(own, record->uid);
	tell(own, box);
	return 0;
}

int index_record_expunge(struct index_txn *txn, struct index_box *box,
			 uint32_t uid, struct err *err)
{
	struct index_record old;
	struct txn_box *own;
	unsigned char key[8];
	int code;

	if (txn_box_get(txn, box->id, &own, err) < 0 ||
	    index_record_get(txn, box->id, uid, &old, err) < 0)
		return -1;
	code = lmdb_del(txn, TABLE_RECORDS, record_key(box->id, uid, key));
	if (code != 0)
		return lmdb_err(txn, err, code, "delete record");
	if (index_cache_remove(txn, box->id, uid, err) < 0 ||
	    drop_apart(txn, box->id, &old, err) < 0 ||
	    uids_set(txn, own, uid, false, err) < 0)
		return -1;
	record_count(&own->row.box, &old, -1);
	modseq_take(own);
	changes_add_expunge(own, uid);
	tell(own, box);
	return 0;
}
