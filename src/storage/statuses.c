/* SPDX-License-Identifier: MIT */
/*
 * storage/statuses.c - counts of many mailboxes in a row.
 *
 * One transaction and one open directory for all of them: a mailbox that is on
 * disk as the index remembers it costs two look-ups there and what its driver
 * needs to see that. The others are brought up to date one by one.
 */
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/mailbox.h"

enum { OF_NAME_SIZE = 1024 };

struct mailbox_statuses {
	struct user *user;
	struct storage *store; /* that these are of: */
	struct index_txn *txn;
	int root;
	TALLOC_CTX *of_name; /* what one mailbox's name takes */
};

static int statuses_destroy(struct mailbox_statuses *statuses)
{
	index_rollback(&statuses->txn);
	fd_close(&statuses->root);
	return 0;
}

struct mailbox_statuses *mailbox_statuses_begin(const void *ctx,
						struct user *user)
{
	struct mailbox_statuses *statuses =
		mem_new(ctx, struct mailbox_statuses);

	statuses->user = user;
	statuses->root = -1;
	statuses->of_name = mem_pool(statuses, OF_NAME_SIZE);
	talloc_set_destructor(statuses, statuses_destroy);
	return statuses;
}

void mailbox_statuses_end(struct mailbox_statuses **statuses)
{
	mem_free(*statuses);
	*statuses = NULL;
}

static bool take_hold(struct mailbox_statuses *statuses, struct storage *store)
{
	struct err err;

	if (statuses->store != store) {
		statuses_destroy(statuses);
		statuses->store = store;
		statuses->root = open(store->location.root,
				      O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	return statuses->root >= 0 &&
	       (statuses->txn != NULL ||
		store_begin(store, INDEX_READ, &statuses->txn, &err) == 0);
}

/* Whether the index had it all. */
static bool from_index(struct mailbox_statuses *statuses, struct ns *ns,
		       const char *storage, struct mailbox_status *out)
{
	const struct location *location = &ns->store->location;
	struct index_box row;
	struct err err;

	if (location->driver->unchanged == NULL ||
	    !take_hold(statuses, ns->store) ||
	    index_box_read(statuses->txn, storage, &row, &err) < 0 ||
	    !location->driver->unchanged(location, statuses->root, storage,
					 &row))
		return false;
	status_of_row(ns->store, &row, out);
	return true;
}

int mailbox_statuses_get(struct mailbox_statuses *statuses, const char *name,
			 struct mailbox_status *out, struct err *err)
{
	char *storage;
	struct ns *ns;

	talloc_free_children(statuses->of_name);
	if (name_resolve(statuses->of_name, statuses->user, name, &ns, &storage,
			 err) < 0)
		return -1;
	if (from_index(statuses, ns, storage, out))
		return 0;
	/* It may have to write. */
	index_rollback(&statuses->txn);
	return mailbox_status(statuses->user, name, out, err);
}

int mailbox_statuses_size(struct mailbox_statuses *statuses, const char *name,
			  struct mailbox_status *status, struct err *err)
{
	if (!status->size_unknown)
		return 0;
	index_rollback(&statuses->txn);
	return mailbox_status_size(statuses->user, name, status, err);
}
