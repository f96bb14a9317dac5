/* SPDX-License-Identifier: MIT */
/*
 * storage/tree.c - make, delete, rename and subscribe mailboxes.
 *
 * The write transaction is the lock of the tree too: the disk changes inside
 * it, so that nobody meets a name whose row in the index is another one's.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/pack.h"
#include "base/str.h"
#include "storage/core.h"
#include "storage/layout.h"
#include "storage/list.h"
#include "storage/mailbox.h"
#include "storage/quota_core.h"

enum { BOXES_MAX = 1000000 };

static int no_such(const char *name, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "Mailbox doesn't exist: %s", name);
}

static bool is_inbox(const struct ns *ns, const char *storage)
{
	return ns->pub.inbox && strcmp(storage, "INBOX") == 0;
}

static bool has_last_separator(struct user *user, const char *name)
{
	const struct namespace *ns = namespace_find(user, name);
	size_t len = strlen(name);

	return ns != NULL && len > 1 && name[len - 1] == ns->separator;
}

/* A separator at the end asks for a place for mailboxes below (RFC 3501 section
 * 6.3.3). */
static char *without_last_separator(const void *ctx, struct user *user,
				    const char *name)
{
	char *copy = mem_strdup(ctx, name);

	if (has_last_separator(user, name))
		copy[strlen(copy) - 1] = '\0';
	return copy;
}

/* Only with layout fs there can be one without mails, a bare directory. */
static bool makes_level(struct user *user, const struct location *location,
			const char *name)
{
	return layout_is_fs(location) && !location->no_noselect &&
	       has_last_separator(user, name);
}

static int create_level(const struct location *location, const char *storage,
			struct err *err)
{
	if (layout_level_exists(location, storage, err) == 0)
		return err_set(err, ERR_EXISTS, "Mailbox already exists");
	if (err->code != ERR_NOT_FOUND)
		return -1;
	return layout_level_make(location, storage, err);
}

int mailbox_create(struct user *user, const char *name, const char *special_use,
		   struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "create");
	const struct location *location;
	struct ns *ns;
	char *storage;

	if (user_may_write(user, err) < 0 ||
	    name_resolve(ctx, user, without_last_separator(ctx, user, name),
			 &ns, &storage, err) < 0)
		return -1;
	if (special_use != NULL)
		return err_set(err, ERR_UNSUPPORTED,
			       "Special uses come from the configuration");
	if (is_inbox(ns, storage))
		return err_set(err, ERR_EXISTS, "Mailbox already exists");
	location = &ns->store->location;
	if (location->driver->exists(location, storage, err) == 0)
		return err_set(err, ERR_EXISTS, "Mailbox already exists");
	if (err->code != ERR_NOT_FOUND)
		return -1;
	if (makes_level(user, location, name))
		return create_level(location, storage, err);
	if (quota_check_create(user, err) < 0)
		return -1;
	return store_create(ns->store, storage, err);
}

static int forget_row(struct index_txn *txn, const char *storage,
		      struct err *err)
{
	uint32_t id;

	if (index_box_find(txn, storage, &id, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	return index_box_delete(txn, id, err);
}

static int delete_level(const struct location *location, const char *storage,
			struct err *err)
{
	if (!layout_is_fs(location))
		return err_set(err, ERR_NOT_FOUND, "no mailbox");
	return layout_level_remove(location, storage, err);
}

static int delete_box(struct storage *store, const char *storage,
		      struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	const struct location *location = &store->location;

	if (store_begin(store, INDEX_WRITE, &txn, err) < 0 ||
	    location->driver->remove(location, storage, err) < 0)
		return -1;
	if (forget_row(txn, storage, err) < 0 || index_commit(&txn, err) < 0)
		return store_failed(store, err);
	return 0;
}

/* With lazy_expunge, the mails of a mailbox that goes are expunged first. */
static int save_from_deletion(struct user *user, const char *name,
			      struct err *err)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "delete");

	if (user->lazy == NULL)
		return 0;
	if (mailbox_open(user, name, MAILBOX_KEEP_RECENT, &box, err) < 0)
		return -1;
	if (lazy_target(ctx, box) == NULL || mailbox_messages(box) == 0)
		return 0;
	return expunge_chosen(box, &box->view.uids, err);
}

/* What belongs to the mailbox goes with it. */
static int delete_whole(struct user *user, struct ns *ns, const char *name,
			const char *storage, struct err *err)
{
	struct mailbox_status status;
	bool attributes = user->settings.mail_attribute_dict[0] != '\0' &&
			  mailbox_status(user, name, &status, err) == 0;

	if (save_from_deletion(user, name, err) < 0 ||
	    delete_box(ns->store, storage, err) < 0)
		return -1;
	if (attributes)
		attributes_forget(user, &status);
	return 0;
}

int mailbox_delete(struct user *user, const char *name, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "delete");
	const struct location *location;
	struct ns *ns;
	char *storage;

	if (user_may_write(user, err) < 0 ||
	    name_resolve(ctx, user, name, &ns, &storage, err) < 0)
		return -1;
	if (is_inbox(ns, storage))
		return err_set(err, ERR_INVALID, "INBOX can't be deleted");
	location = &ns->store->location;
	if (location->driver->exists(location, storage, err) < 0) {
		if (err->code != ERR_NOT_FOUND)
			return -1;
		if (delete_level(location, storage, err) < 0)
			return err->code == ERR_NOT_FOUND ? no_such(name, err)
							  : -1;
	} else if (delete_whole(user, ns, name, storage, err) < 0) {
		return -1;
	}
	if (layout_is_fs(location) && location->no_noselect)
		layout_levels_tidy(location, storage);
	return 0;
}

/* rename */

struct rename {
	struct storage *store, *to_store;
	const char *from, *to; /* of storage */
	TALLOC_CTX *ctx;
};

static bool is_below(const char *name, const char *parent)
{
	size_t len = strlen(parent);

	return strncmp(name, parent, len) == 0 && name[len] == '/';
}

struct row {
	uint32_t id;
	const char *name;
	struct row *next;
};

/* The mailbox's row and those below it. */
static struct row *collect_rows(const struct rename *rename,
				struct index_txn *txn)
{
	struct row *rows = NULL;
	struct index_box box;
	char *at = mem_strdup(rename->ctx, "");

	for (unsigned n = 0;
	     n < BOXES_MAX && index_box_next(txn, rename->ctx, &at, &box);
	     n++) {
		struct row *row;

		if (strcmp(at, rename->from) != 0 &&
		    !is_below(at, rename->from))
			continue;
		row = mem_new(rename->ctx, struct row);
		row->id = box.id;
		row->name = mem_printf(rename->ctx, "%s%s", rename->to,
				       at + strlen(rename->from));
		row->next = rows;
		rows = row;
	}
	return rows;
}

/* Mails of a mailbox that was moved into the trash are there only since then
 * (autoexpunge). */
static int note_time(struct index_txn *txn, uint32_t id, struct err *err)
{
	CLEANUP(buf_free) struct buf value = buf_init(8);

	pack_u64(&value, (uint64_t)time(NULL));
	return index_cache_put(txn, id, 0, INDEX_RENAMED,
			       str_n(value.data, value.len), err);
}

int64_t box_renamed_at(struct index_txn *txn, uint32_t id)
{
	struct unpack in = {.bad = false};
	uint64_t when;

	if (!index_cache_get(txn, id, 0, INDEX_RENAMED, &in.in))
		return 0;
	when = unpack_u64(&in);
	return in.bad || when > INT64_MAX ? 0 : (int64_t)when;
}

static int rename_rows(const struct rename *rename, struct index_txn *txn,
		       struct err *err)
{
	struct row *rows = collect_rows(rename, txn);

	if (index_check(txn, err) < 0)
		return -1;
	for (struct row *row = rows; row != NULL; row = row->next) {
		if (forget_row(txn, row->name, err) < 0 ||
		    index_box_rename(txn, row->id, row->name, err) < 0 ||
		    note_time(txn, row->id, err) < 0)
			return -1;
	}
	return 0;
}

static int rename_on_disk(const struct rename *rename, struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	const struct location *location = &rename->store->location;

	if (store_begin(rename->store, INDEX_WRITE, &txn, err) < 0)
		return -1;
	if (location->driver->rename(location, rename->from, rename->to, err) <
	    0)
		return -1;
	if (rename_rows(rename, txn, err) < 0 || index_commit(&txn, err) < 0)
		return store_failed(rename->store, err);
	return 0;
}

/* to another namespace */

static int across(struct err *err)
{
	return err_set(err, ERR_UNSUPPORTED,
		       "Can't rename mailboxes across specified storages");
}

/* Where directories hold those below, these go first, or come last. */
static int by_name(const void *a, const void *b)
{
	const struct driver_entry *one = a, *other = b;

	return strcmp(one->name, other->name);
}

/* Each is whole, here or there, wherever this ends. */
static int move_dirs(const struct rename *rename, struct err *err)
{
	const struct location *from = &rename->store->location;
	const struct location *to = &rename->to_store->location;
	struct driver_entry *entries;
	size_t count;

	if (layout_is_fs(from) && layout_is_fs(to))
		return from->driver->move(from, rename->from, to, rename->to,
					  err);
	if (from->driver->list(rename->ctx, from, &entries, &count, err) < 0)
		return -1;
	qsort(entries, count, sizeof(*entries), by_name);
	for (size_t i = 0; i < count; i++) {
		const struct driver_entry *entry =
			&entries[layout_is_fs(from) ? count - 1 - i : i];
		const char *rest = entry->name + strlen(rename->from);

		if (entry->selectable &&
		    (strcmp(entry->name, rename->from) == 0 ||
		     is_below(entry->name, rename->from)) &&
		    from->driver->move(from, entry->name, to,
				       mem_printf(rename->ctx, "%s%s",
						  rename->to, rest),
				       err) < 0)
			return -1;
	}
	return 0;
}

static int begin_both(const struct rename *rename, struct index_txn **from,
		      struct index_txn **to, struct err *err)
{
	/* In one order, whoever renames in which direction. */
	bool first = strcmp(rename->store->location.environment,
			    rename->to_store->location.environment) < 0;

	if (store_open_index(rename->store, err) < 0 ||
	    store_open_index(rename->to_store, err) < 0)
		return -1;
	index_reserve(rename->to_store->index,
		      index_size(rename->store->index));
	if (store_begin(first ? rename->store : rename->to_store, INDEX_WRITE,
			first ? from : to, err) < 0)
		return -1;
	return store_begin(first ? rename->to_store : rename->store,
			   INDEX_WRITE, first ? to : from, err);
}

static int move_rows(const struct rename *rename, struct row *rows,
		     struct index_txn *from, struct index_txn *to,
		     struct err *err)
{
	uint32_t id;

	for (struct row *row = rows; row != NULL; row = row->next) {
		if (forget_row(to, row->name, err) < 0 ||
		    index_box_copy(from, row->id, to, row->name, &id, err) <
			    0 ||
		    note_time(to, id, err) < 0)
			return store_failed(rename->to_store, err);
		if (index_box_delete(from, row->id, err) < 0)
			return store_failed(rename->store, err);
	}
	return 0;
}

static int move_box(const struct rename *rename, struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *from = NULL;
	CLEANUP(index_rollback) struct index_txn *to = NULL;
	struct row *rows;

	if (begin_both(rename, &from, &to, err) < 0)
		return -1;
	rows = collect_rows(rename, from);
	if (index_check(from, err) < 0)
		return store_failed(rename->store, err);
	if (move_rows(rename, rows, from, to, err) < 0)
		return -1;
	if (move_dirs(rename, err) < 0)
		return err->code == ERR_UNSUPPORTED ? across(err) : -1;
	if (index_commit(&to, err) < 0)
		return store_failed(rename->to_store, err);
	return index_commit(&from, err) < 0 ? store_failed(rename->store, err)
					    : 0;
}

/* INBOX stays, its mails go (RFC 3501 section 6.3.5). */
static int rename_inbox(struct user *user, const char *to, struct err *err)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "rename");
	struct range_set all = range_set_init(ctx);
	struct copy_result result;

	if (mailbox_create(user, to, NULL, err) < 0 ||
	    mailbox_open(user, "INBOX", MAILBOX_KEEP_RECENT, &box, err) < 0)
		return -1;
	if (mailbox_messages(box) == 0)
		return 0;
	range_set_add(&all, 1, mailbox_messages(box));
	return mailbox_copy(ctx, box, &all, to, true, &result, err);
}

/* A mailbox, or a level that others are below. */
static int check_source(const struct rename *rename, const char *name,
			struct err *err)
{
	const struct location *location = &rename->store->location;
	struct driver_entry *entries;
	size_t count;

	if (location->driver->exists(location, rename->from, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND ||
	    location->driver->list(rename->ctx, location, &entries, &count,
				   err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(entries[i].name, rename->from) == 0 ||
		    is_below(entries[i].name, rename->from))
			return 0;
	}
	return no_such(name, err);
}

static int check_target(const struct ns *ns, const struct ns *to_ns,
			const struct rename *rename, struct err *err)
{
	const struct location *location = &to_ns->store->location;

	if (is_inbox(to_ns, rename->to))
		return err_set(err, ERR_EXISTS,
			       "Target mailbox already exists");
	if (ns->store != to_ns->store &&
	    (location->driver != ns->store->location.driver ||
	     strcmp(location->environment,
		    ns->store->location.environment) == 0))
		return across(err);
	if (ns->store == to_ns->store && is_below(rename->to, rename->from))
		return err_set(err, ERR_INVALID,
			       "Can't rename a mailbox to below itself");
	if (location->driver->exists(location, rename->to, err) == 0)
		return err_set(err, ERR_EXISTS,
			       "Target mailbox already exists");
	return err->code == ERR_NOT_FOUND ? 0 : -1;
}

int mailbox_rename(struct user *user, const char *from, const char *to,
		   struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "rename");
	struct rename rename = {.ctx = ctx};
	struct ns *ns, *to_ns;
	char *from_storage, *to_storage;

	if (user_may_write(user, err) < 0 ||
	    name_resolve(ctx, user, from, &ns, &from_storage, err) < 0 ||
	    name_resolve(ctx, user, without_last_separator(ctx, user, to),
			 &to_ns, &to_storage, err) < 0)
		return -1;
	if (is_inbox(ns, from_storage))
		return rename_inbox(user, to, err);
	rename.store = ns->store;
	rename.to_store = to_ns->store;
	rename.from = from_storage;
	rename.to = to_storage;
	if (check_source(&rename, from, err) < 0 ||
	    check_target(ns, to_ns, &rename, err) < 0)
		return -1;
	if (rename.store == rename.to_store)
		return rename_on_disk(&rename, err);
	return move_box(&rename, err);
}

/* the rest */

int mailbox_subscribe(struct user *user, const char *name, bool on,
		      struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "subscribe");

	if (user_may_write(user, err) < 0)
		return -1;
	return subscriptions_set(user, without_last_separator(ctx, user, name),
				 on, err);
}

static bool is_root_of(const struct namespace *pub, const char *name)
{
	size_t len = strlen(name);

	return len + 1 == strlen(pub->prefix) &&
	       memcmp(pub->prefix, name, len) == 0;
}

int mailbox_level_exists(struct user *user, const char *name, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "exists");
	const struct location *location;
	struct err ignored;
	struct ns *ns;
	char *storage;

	if (mailbox_exists(user, name, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND ||
	    name_resolve(ctx, user, name, &ns, &storage, &ignored) < 0)
		return -1;
	location = &ns->store->location;
	return is_root_of(&ns->pub, name) ||
			       (layout_is_fs(location) &&
				layout_level_exists(location, storage,
						    &ignored) == 0)
		       ? 0
		       : -1;
}

int mailbox_exists(struct user *user, const char *name, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "exists");
	const struct location *location;
	const struct special *special;
	struct ns *ns;
	char *storage;

	if (name_resolve(ctx, user, name, &ns, &storage, err) < 0)
		return -1;
	special = special_find(ns, storage);
	if (is_inbox(ns, storage) ||
	    (special != NULL && special->autocreate != AUTO_NO))
		return 0;
	location = &ns->store->location;
	if (location->driver->exists(location, storage, err) < 0) {
		if (err->code == ERR_NOT_FOUND)
			return no_such(name, err);
		return -1;
	}
	return 0;
}
