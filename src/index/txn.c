/* SPDX-License-Identifier: MIT */
/*
 * index/txn.c - transactions. A reader is kept and renewed: that costs neither
 * a lock nor a search for a slot.
 */
#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "index/env.h"

static struct index_txn *txn_new(struct index *index, enum index_mode mode)
{
	struct index_txn *txn = mem_new(NULL, struct index_txn);

	txn->index = index;
	txn->mode = mode;
	return txn;
}

/* Another process has made the file larger than our map of it. */
static int follow_resize(struct index *index, struct err *err)
{
	int code;

	if (index->txns > 0)
		return err_set(err, ERR_TEMPORARY,
			       "index %s grew while a transaction is open",
			       index->dir);
	code = lmdb_env_resize(index, 0);
	return code == 0 ? 0
			 : index_map_refused(index, err, code,
					     "follow growth");
}

static int txn_start(struct index_txn *txn, struct err *err)
{
	for (unsigned tries = 0;; tries++) {
		int code = txn->mdb != NULL ? lmdb_renew(txn)
					    : lmdb_begin(txn->index, txn);

		if (code == 0)
			return 0;
		if (code != MDB_MAP_RESIZED || tries > 3)
			return lmdb_env_err(txn->index, err, code, "begin");
		if (follow_resize(txn->index, err) < 0)
			return -1;
	}
}

static int begin_write(struct index *index, struct err *err)
{
	if (index->writer != NULL)
		return err_set(err, ERR_IN_USE,
			       "index %s: a transaction within a transaction",
			       index->dir);
	if (index_replaced(index, err) < 0)
		return -1;
	return index_grow(index, err);
}

int index_begin(struct index *index, enum index_mode mode,
		struct index_txn **out, struct err *err)
{
	struct index_txn *txn = NULL;

	if (index_renew(index, err) < 0 ||
	    (mode == INDEX_WRITE && begin_write(index, err) < 0))
		return -1;
	if (mode == INDEX_READ && index->spare != NULL) {
		txn = index->spare;
		index->spare = NULL;
	} else {
		txn = txn_new(index, mode);
	}
	if (txn_start(txn, err) < 0) {
		lmdb_abort(txn);
		mem_free(txn);
		return -1;
	}
	if (mode == INDEX_WRITE && clean_begin(txn, err) < 0) {
		lmdb_abort(txn);
		mem_free(txn);
		return -1;
	}
	index->txns++;
	if (mode == INDEX_WRITE)
		index->writer = txn;
	*out = txn;
	return 0;
}

static void reader_end(struct index_txn *txn)
{
	struct index *index = txn->index;

	txn->walk.valid = false;
	txn->walk.at = txn->walk.count = 0;
	for (int i = 0; i < PACKS; i++)
		txn->packs[i].valid = false;
	if (index->spare == NULL && !txn->failed && !index->damaged) {
		lmdb_reset(txn);
		index->spare = txn;
		return;
	}
	lmdb_abort(txn);
	mem_free(txn);
}

static void writer_end(struct index_txn *txn)
{
	lmdb_abort(txn);
	txn_boxes_free(txn);
	for (int i = 0; i < PACKS; i++)
		buf_free(&txn->packs[i].buf);
	txn->index->writer = NULL;
	mem_free(txn);
}

static int write_commit(struct index_txn *txn, struct err *err)
{
	struct index *index = txn->index;
	int code;

	if (txn->failed || index->damaged)
		return err_set(
			err, index->damaged ? ERR_CORRUPT : ERR_TEMPORARY,
			"index %s: the transaction failed before", index->dir);
	if (packs_flush(txn, err) < 0 || txn_boxes_flush(txn, err) < 0)
		return -1;
	code = lmdb_commit(txn);
	index->written = true;
	index->failed |= code != 0;
	return code == 0 ? 0 : lmdb_env_err(index, err, code, "commit");
}

int index_commit(struct index_txn **txn, struct err *err)
{
	struct index *index;
	int ret = 0;

	if (*txn == NULL)
		return 0;
	index = (*txn)->index;
	if ((*txn)->mode == INDEX_WRITE)
		ret = write_commit(*txn, err);
	index_rollback(txn);
	/* Who learns that it is damaged begins again. */
	if (ret < 0 && index->suspect)
		index_renew(index, err);
	return ret;
}

void index_rollback(struct index_txn **txn)
{
	struct index_txn *old = *txn;
	struct index *index;

	if (old == NULL)
		return;
	*txn = NULL;
	index = old->index;
	index->txns--;
	if (old->mode == INDEX_READ)
		reader_end(old);
	else
		writer_end(old);
	index_put_aside(index);
}

int index_check(struct index_txn *txn, struct err *err)
{
	if (txn->index->faults_seen != lmdb_faults() &&
	    !lmdb_file_whole(txn->index))
		return index_corrupt(txn, err, "cut short");
	if (txn->failed || txn->index->damaged)
		return err_set(err, ERR_CORRUPT, "index %s is damaged",
			       txn->index->dir);
	return 0;
}
