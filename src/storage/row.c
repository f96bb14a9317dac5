/* SPDX-License-Identifier: MIT */
/*
 * storage/row.c - what drivers know of a mailbox's row in the index.
 */
#include "base/err.h"
#include "storage/driver.h"

int driver_row(struct driver_box *box, struct index_txn *txn,
	       struct index_box *out, struct err *err)
{
	bool by_id = box->id != 0 && box->location->names != NULL;

	if (by_id && index_box_get(txn, box->id, out, err) == 0)
		return 0;
	if (by_id && err->code != ERR_NOT_FOUND)
		return -1;
	box->id = 0;
	if (index_box_read(txn, box->name, out, err) < 0)
		return -1;
	box->id = out->id;
	return 0;
}

int driver_look(struct driver_box *box, struct driver_known *known,
		struct index_box *out, struct err *err)
{
	struct index_txn *txn;
	int ret;

	if (known->cached && box->id != 0 &&
	    known->generation == index_generation(box->index))
		return 0;
	known->cached = false;
	if (index_begin(box->index, INDEX_READ, &txn, err) < 0)
		return -1;
	known->generation = index_txn_generation(txn);
	ret = driver_row(box, txn, out, err);
	index_rollback(&txn);
	known->cached = ret == 0;
	return ret == 0 || err->code == ERR_NOT_FOUND ? 1 : -1;
}
