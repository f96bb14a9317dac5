/* SPDX-License-Identifier: MIT */
/*
 * storage/update.c - what makes UIDs and modseqs of a mailbox comparable, set
 * by hand: after a migration or a disaster.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/mailbox.h"

static void change_row(const struct mailbox_update *update,
		       struct index_box *row)
{
	if (update->guid != NULL)
		memcpy(row->guid, update->guid, sizeof(row->guid));
	if (update->uid_validity != 0)
		row->uid_validity = update->uid_validity;
	if (update->min_next_uid > row->uid_next)
		row->uid_next = update->min_next_uid;
	if (update->min_first_recent_uid > row->first_recent_uid)
		row->first_recent_uid = update->min_first_recent_uid;
}

/* The disk first: should the index not follow, it is made anew from there. */
static int change(struct storage *store, struct driver_box *box,
		  const struct mailbox_update *update, struct err *err)
{
	CLEANUP(box_unlock) struct driver_box *locked = NULL;
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	const struct driver *driver = box->location->driver;
	struct index_box row;

	if (driver->update == NULL)
		return err_set(err, ERR_UNSUPPORTED,
			       "Not supported by mailbox format %s",
			       driver->name);
	if (box_lock(box, false, &locked, err) < 0)
		return -1;
	if (store_begin(store, INDEX_WRITE, &txn, err) < 0 ||
	    box_get(box, txn, &row, err) < 0)
		return store_failed(store, err);
	change_row(update, &row);
	if (driver->update(txn, box, &row, err) < 0)
		return -1;
	if (index_box_put(txn, &row, err) < 0 ||
	    index_box_raise_modseq(txn, row.id, update->min_highest_modseq,
				   err) < 0 ||
	    index_commit(&txn, err) < 0)
		return store_failed(store, err);
	return 0;
}

int mailbox_update(struct user *user, const char *name,
		   const struct mailbox_update *update, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "update");
	CLEANUP(box_free) struct driver_box *box = NULL;
	char *storage;
	struct ns *ns;

	if (name_resolve(ctx, user, name, &ns, &storage, err) < 0 ||
	    box_new(ctx, ns->store, storage, &box, err) < 0)
		return -1;
	if (box_sync(box, ns, ns->store, false, err) == 0)
		return change(ns->store, box, update, err);
	if (err->code == ERR_NOT_FOUND)
		err_set(err, ERR_NOT_FOUND, "Mailbox doesn't exist: %s", name);
	return -1;
}
