/* SPDX-License-Identifier: MIT */
/*
 * storage/store.c - the index of a mail location, and the mailboxes in it.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/layout.h"
#include "storage/place.h"

/* One rebuild and one making of a missing mailbox, each followed by a look. */
enum { SYNC_TRIES = 3 };

static int open_memory(struct storage *store, struct err *err)
{
	const struct location *location = &store->location;
	const char *dir = location->volatile_dir;

	if (dir == NULL)
		dir = location->settings->mail_temp_dir;
	else if (dir_create(dir, location->rights.dir_mode, err) < 0)
		return -1;
	store->in_memory = true;
	return index_open_memory(dir, &store->index, err);
}

/* Where it was before Dovecot was spared from listing it. */
static void take_from_index_dir(const struct location *location)
{
	char *old = mem_printf(NULL, "%s/dovetail.index", location->index);

	if (strcmp(old, location->environment) != 0)
		rename(old, location->environment); /* or there is none */
	mem_free(old);
}

static int open_dir(struct storage *store, struct err *err)
{
	const struct location *location = &store->location;
	char *dir = path_parent(NULL, location->environment);
	int ret = layout_make_path(location, dir, err);

	if (ret == 0)
		ret = place_check(&place_system, dir, err);
	mem_free(dir);
	if (ret < 0)
		return -1;
	take_from_index_dir(location);
	return index_open(location->environment, location->rights.file_mode,
			  &store->index, err);
}

/* Mail that can be read must be, even where nothing can be written. */
static bool memory_will_do(const struct err *err)
{
	return err->code == ERR_DENIED || err->code == ERR_NO_SPACE ||
	       err->code == ERR_QUOTA;
}

int store_open_index(struct storage *store, struct err *err)
{
	if (store->corrupt) {
		index_close(&store->index);
		store->corrupt = false;
		store->epoch++;
	}
	if (store->index != NULL)
		return 0;
	if (store->location.index_memory)
		return open_memory(store, err);
	if (open_dir(store, err) == 0)
		return 0;
	if (err->code == ERR_NOT_FOUND) /* which a mailbox would be */
		err->code = ERR_TEMPORARY;
	if (!memory_will_do(err))
		return -1;
	log_warning("%s; the index of this session is in memory", err->text);
	return open_memory(store, err);
}

int store_failed(struct storage *store, struct err *err)
{
	if (err->code == ERR_CORRUPT)
		store->corrupt = true;
	return -1;
}

int store_begin(struct storage *store, enum index_mode mode,
		struct index_txn **out, struct err *err)
{
	if (store_open_index(store, err) == 0 &&
	    index_begin(store->index, mode, out, err) == 0)
		return 0;
	if (err->code != ERR_CORRUPT)
		return -1;
	log_error("%s: %s; making the index anew", store->location.environment,
		  err->text);
	store->corrupt = true;
	if (store_open_index(store, err) < 0)
		return -1;
	return index_begin(store->index, mode, out, err);
}

void stores_close(struct user *user)
{
	for (struct storage *store = user->stores; store != NULL;
	     store = store->next)
		index_close(&store->index);
}

/* With LAYOUT=index a mailbox has no place before it is made. */
static int box_locate(struct driver_box *box, struct err *err)
{
	const struct location *location = box->location;
	char *path, *control;

	if (box->path != NULL)
		return 0;
	if (location->driver->paths(box, location, box->name, &path, &control,
				    err) < 0)
		return -1;
	box->path = path;
	box->control = control;
	return 0;
}

int box_new(const void *ctx, struct storage *store, const char *storage,
	    struct driver_box **out, struct err *err)
{
	struct driver_box *box;

	if (store_open_index(store, err) < 0)
		return -1;
	box = mem_new(ctx, struct driver_box);
	box->location = &store->location;
	box->index = store->index;
	box->epoch = store->epoch;
	box->take_recent = box->location->settings->maildir_empty_new;
	box->name = mem_strdup(box, storage);
	if (box_locate(box, err) < 0 &&
	    (err->code != ERR_NOT_FOUND || store->location.names == NULL)) {
		mem_free(box);
		return -1;
	}
	*out = box;
	return 0;
}

void box_free(struct driver_box **box)
{
	if (*box == NULL)
		return;
	(*box)->location->driver->close(*box);
	mem_free(*box);
	*box = NULL;
}

/* INBOX is always there, and so are mailboxes that the configuration wants. */
static bool made_when_missing(const struct ns *ns, const char *storage)
{
	const struct special *special;

	if (ns->pub.inbox && strcmp(storage, "INBOX") == 0)
		return true;
	special = special_find(ns, storage);
	return special != NULL && special->autocreate != AUTO_NO;
}

int store_create(struct storage *store, const char *storage, struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	const struct location *location = &store->location;

	if (store_begin(store, INDEX_WRITE, &txn, err) < 0)
		return -1;
	return location->driver->create(location, storage, err);
}

static int make_missing(struct driver_box *box, struct ns *ns,
			struct storage *store, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "make_missing");
	const struct special *special = special_find(ns, box->name);

	if (store_create(store, box->name, err) < 0 && err->code != ERR_EXISTS)
		return -1;
	if (special == NULL || special->autocreate != AUTO_SUBSCRIBE)
		return 0;
	return subscriptions_set(store->user, name_public(ctx, ns, box->name),
				 true, err);
}

/* After a rebuild of the index its ids are other ones. */
static void follow_store(struct driver_box *box, const struct storage *store,
			 bool *full)
{
	box->index = store->index;
	if (box->epoch == store->epoch)
		return;
	box->location->driver->close(box);
	box->id = 0;
	box->epoch = store->epoch;
	*full = true;
}

/* With LAYOUT=index: another mailbox has its name now, and a place of its own.
 */
static bool is_elsewhere(struct driver_box *box)
{
	const char *old = box->path;
	struct err ignored;

	if (box->location->names == NULL || old == NULL)
		return false;
	box->path = NULL;
	if (box_locate(box, &ignored) < 0 || strcmp(box->path, old) == 0) {
		box->path = old;
		return false;
	}
	box->location->driver->close(box);
	box->id = 0;
	return true;
}

static bool is_on_disk(const struct driver_box *box)
{
	struct err ignored;

	return box->location->driver->exists(box->location, box->name,
					     &ignored) == 0;
}

int box_sync(struct driver_box *box, struct ns *ns, struct storage *store,
	     bool full, struct err *err)
{
	const struct driver *driver = box->location->driver;
	bool made = false;

	for (unsigned n = 0;; n++) {
		if (store_open_index(store, err) < 0)
			return -1;
		follow_store(box, store, &full);
		if (box_locate(box, err) == 0 &&
		    driver->sync(box, full, err) == 0)
			return 0;
		if (n + 1 == SYNC_TRIES)
			return -1;
		if (err->code == ERR_NOT_FOUND && !made &&
		    made_when_missing(ns, box->name)) {
			if (make_missing(box, ns, store, err) < 0)
				return -1;
			made = true;
		} else if (err->code == ERR_NOT_FOUND && is_on_disk(box)) {
			/* It was made just now; or the index knows half of it.
			 */
			if (!is_elsewhere(box) && n > 0) {
				index_distrust(store->index);
				store->corrupt = true;
			}
		} else if (err->code == ERR_CORRUPT ||
			   err->code == ERR_EXISTS) {
			/* Begin again with an empty index; the disk has all
			 * that matters. A row that is there when it is put, but
			 * was not when it was looked for, is damage, too. */
			if (err->code == ERR_EXISTS)
				index_distrust(store->index);
			log_error("Mailbox %s: %s; making the index of %s anew",
				  box->name, err->text, store->location.index);
			store->corrupt = true;
		} else {
			return -1;
		}
	}
}

int driver_bad_record(const struct driver_box *box, uint32_t uid,
		      struct err *err)
{
	index_distrust(box->index);
	return err_set(err, ERR_CORRUPT, "%s: bad record of UID %u", box->path,
		       uid);
}

int box_get(struct driver_box *box, struct index_txn *txn,
	    struct index_box *out, struct err *err)
{
	if (driver_row(box, txn, out, err) == 0)
		return 0;
	if (err->code == ERR_NOT_FOUND)
		err_wrap(err, "Mailbox doesn't exist: %s", box->name);
	return -1;
}

int box_lock(struct driver_box *box, bool flags, struct driver_box **locked_out,
	     struct err *err)
{
	const struct driver *driver = box->location->driver;

	if (driver->lock == NULL)
		return 0;
	if (driver->lock(box, flags, err) < 0)
		return -1;
	*locked_out = box;
	return 0;
}

void box_unlock(struct driver_box **locked)
{
	if (*locked != NULL && (*locked)->location->driver->unlock != NULL)
		(*locked)->location->driver->unlock(*locked);
	*locked = NULL;
}
