/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/update.c - another UIDVALIDITY, next UID or GUID, as an
 * administrator wants it.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/maildir/maildir.h"

/* Lines that somebody added since the sync would be lost. */
static int rewrite(struct index_txn *txn, struct driver_box *box,
		   struct index_box *index_box, const char *path,
		   struct err *err)
{
	struct maildir_state state;
	struct file_mark now;

	state_get(index_box, &state);
	if (file_mark_get(path, &now, err) < 0)
		return -1;
	if (!state.valid || !file_mark_same(&now, &state.uidlist.file))
		return err_set(err, ERR_CHANGED,
			       "%s was changed by somebody else just now",
			       path);
	if (uidlist_rewrite(box, txn, index_box, &state, err) < 0)
		return -1;
	state_put(index_box, &state);
	return 0;
}

int maildir_update(struct index_txn *txn, struct driver_box *box,
		   struct index_box *index_box, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "update");
	char *path = uidlist_path(ctx, box);
	int result;

	if (dotlock_get(path, rights_of_box(box)->file_mode, err) < 0)
		return -1;
	result = rewrite(txn, box, index_box, path, err);
	dotlock_release(path);
	return result;
}
