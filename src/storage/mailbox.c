/* SPDX-License-Identifier: MIT */
#include "storage/mailbox.h"

#include <string.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/list.h"
#include "storage/reader.h"
#include "storage/save_core.h"

int mailbox_may(const struct mailbox *box, enum right right, struct err *err)
{
	if (right != RIGHT_READ && (box->flags & MAILBOX_READONLY) != 0)
		return err_set(err, ERR_DENIED, "Mailbox is read-only");
	if (right == RIGHT_READ && (box->flags & MAILBOX_SAVE_ONLY) != 0)
		return err_set(err, ERR_DENIED,
			       "Mailbox %s is open for saving only", box->name);
	return 0;
}

int user_may_write(const struct user *user, struct err *err)
{
	if (user->settings.mail_read_only)
		return err_set(err, ERR_DENIED, "The session is read-only");
	return 0;
}

int mailbox_begin(struct mailbox *box, enum index_mode mode,
		  struct index_txn **txn_out, struct index_box *row_out,
		  struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;

	if (store_begin(box->store, mode, &txn, err) < 0)
		return -1;
	if (box->disk->id == 0 || box->disk->epoch != box->store->epoch) {
		index_rollback(&txn);
		if (box_sync(box->disk, box->ns, box->store, false, err) < 0 ||
		    store_begin(box->store, mode, &txn, err) < 0)
			return -1;
	}
	box->disk->index = box->store->index;
	if (box_get(box->disk, txn, row_out, err) < 0)
		return store_failed(box->store, err);
	if (box->view.uid_validity != 0 &&
	    box->view.uid_validity != row_out->uid_validity)
		return err_set(err, ERR_NOT_FOUND,
			       "Mailbox was deleted under us: %s", box->name);
	*txn_out = txn;
	txn = NULL;
	return 0;
}

enum { TIMES_MAX = 3 };

bool mailbox_begin_again(struct mailbox *box, int times, struct err *err)
{
	return err->code == ERR_CHANGED && times < TIMES_MAX &&
	       box_sync(box->disk, box->ns, box->store, true, err) == 0;
}

bool mailbox_caches(const struct mailbox *box, const struct index_box *row)
{
	const struct mail_settings *settings = &box->user->settings;

	return row->counts.messages >= settings->mail_cache_min_mail_count &&
	       (settings->mail_cache_max_size == 0 ||
		index_size(box->store->index) < settings->mail_cache_max_size);
}

bool mailbox_caches_len(const struct mailbox *box, size_t len)
{
	return len <= CACHE_VALUE_MAX &&
	       len <= box->user->settings.mail_cache_record_max_size;
}

int mailbox_read_keywords(struct mailbox *box, struct index_txn *txn,
			  bool *changed_out, struct err *err)
{
	const char **names;
	unsigned count;
	bool changed;

	if (index_keywords_get(txn, box, box->disk->id, &names, &count, err) <
	    0)
		return store_failed(box->store, err);
	changed = count != box->keyword_count;
	for (unsigned i = 0; i < count; i++) {
		if (!changed &&
		    strcmp(names[i] == NULL ? "" : names[i],
			   box->keywords[i] == NULL ? "" : box->keywords[i]) !=
			    0)
			changed = true;
		if (names[i] != NULL && names[i][0] == '\0')
			names[i] = NULL;
	}
	mem_free(box->keywords);
	box->keywords = names;
	box->keyword_count = count;
	if (changed_out != NULL)
		*changed_out = changed;
	return 0;
}

int mailbox_claim_recent(struct mailbox *box, const struct index_box *row,
			 struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct index_box now;

	if (row->first_recent_uid >= row->uid_next)
		return 0;
	if ((box->flags & MAILBOX_READONLY) != 0) {
		range_set_add(&box->view.recent, row->first_recent_uid,
			      row->uid_next - 1);
		return 0;
	}
	if ((box->flags & MAILBOX_KEEP_RECENT) != 0)
		return 0;
	if (mailbox_begin(box, INDEX_WRITE, &txn, &now, err) < 0)
		return -1;
	if (now.first_recent_uid >= now.uid_next)
		return 0; /* somebody was faster */
	range_set_add(&box->view.recent, now.first_recent_uid,
		      now.uid_next - 1);
	now.first_recent_uid = now.uid_next;
	if (index_box_put(txn, &now, err) < 0 || index_commit(&txn, err) < 0)
		return store_failed(box->store, err);
	/* "Status: O", which tells other programs. */
	return box->user->settings.mbox_lazy_writes ? 0
						    : box_write_late(box, err);
}

int mailbox_lacks(struct mailbox *box, uint32_t uid, struct err *err)
{
	if (range_set_has(&box->view.gone, uid))
		return 0;
	index_distrust(box->store->index);
	err_set(err, ERR_CORRUPT, "the index lacks UID %u", uid);
	return store_failed(box->store, err);
}

static int first_view(struct mailbox *box, struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct index_box row;

	if (mailbox_begin(box, INDEX_READ, &txn, &row, err) < 0)
		return -1;
	box->generation = index_generation(box->store->index);
	box->epoch = box->store->epoch;
	if (row.counts.messages > 0)
		index_record_uids(txn, row.id, &box->view.uids);
	view_renumber(&box->view, 0);
	if (box->view.messages != row.counts.messages) {
		index_distrust(box->store->index);
		err_set(err, ERR_CORRUPT, "the index has %u of %u mails",
			box->view.messages, row.counts.messages);
		return store_failed(box->store, err);
	}
	box->view.uid_validity = row.uid_validity;
	box->view.uid_next = row.uid_next;
	box->view.modseq = row.highest_modseq;
	if (index_check(txn, err) < 0)
		return store_failed(box->store, err);
	if (mailbox_read_keywords(box, txn, NULL, err) < 0)
		return -1;
	index_rollback(&txn);
	return mailbox_claim_recent(box, &row, err);
}

static int make_it(struct mailbox *box, struct err *err)
{
	if (mailbox_create(box->user, box->name, NULL, err) < 0 &&
	    err->code != ERR_EXISTS)
		return -1;
	if ((box->flags & MAILBOX_SUBSCRIBE) == 0)
		return 0;
	return mailbox_subscribe(box->user, box->name, true, err);
}

/* Saving needs no look at what is in it; that comes with the commit. */
static int look(struct mailbox *box, struct err *err)
{
	const struct driver *driver = box->disk->location->driver;

	if ((box->flags & MAILBOX_SAVE_ONLY) != 0 && box->disk->path != NULL &&
	    driver->exists(box->disk->location, box->disk->name, err) == 0)
		return 0;
	if (box_sync(box->disk, box->ns, box->store, false, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND || (box->flags & MAILBOX_CREATE) == 0)
		return -1;
	if (make_it(box, err) < 0)
		return -1;
	return box_sync(box->disk, box->ns, box->store, false, err);
}

static int open_it(struct mailbox *box, struct err *err)
{
	char *storage;

	if (name_resolve(box, box->user, box->name, &box->ns, &storage, err) <
	    0)
		return -1;
	box->store = box->ns->store;
	if (box_new(box, box->store, storage, &box->disk, err) < 0)
		return -1;
	box->name = name_public(box, box->ns, storage);
	if ((box->flags &
	     (MAILBOX_READONLY | MAILBOX_SAVE_ONLY | MAILBOX_KEEP_RECENT)) == 0)
		box->disk->take_recent = true;
	box->disk->session =
		(box->flags & (MAILBOX_SAVE_ONLY | MAILBOX_KEEP_RECENT)) == 0;
	if (look(box, err) < 0) {
		if (err->code == ERR_NOT_FOUND)
			return err_set(err, ERR_NOT_FOUND,
				       "Mailbox doesn't exist: %s", box->name);
		return -1;
	}
	if ((box->flags & MAILBOX_SAVE_ONLY) != 0)
		return 0;
	if (box->disk->location->driver->readonly(box->disk))
		box->flags |= MAILBOX_READONLY;
	if (first_view(box, err) == 0)
		return 0;
	if (err->code != ERR_CORRUPT)
		return -1;
	/* The index is made anew now. */
	range_set_clear(&box->view.uids);
	box->view.uid_validity = 0;
	return first_view(box, err);
}

int mailbox_open(struct user *user, const char *name, unsigned flags,
		 struct mailbox **out, struct err *err)
{
	struct mailbox *box = mem_new(user, struct mailbox);

	DL_APPEND(user->boxes, box);
	box->user = user;
	box->name = mem_strdup(box, name);
	box->flags = flags;
	if (user->settings.mail_read_only)
		box->flags |= MAILBOX_READONLY;
	view_init(&box->view, box);
	box->deleted = range_set_init(box);
	if (open_it(box, err) < 0) {
		mailbox_close(&box);
		return -1;
	}
	*out = box;
	return 0;
}

void mailbox_close(struct mailbox **box_ptr)
{
	struct mailbox *box = *box_ptr;

	if (box == NULL)
		return;
	while (box->saves != NULL)
		save_detach(box->saves);
	while (box->readers != NULL)
		reader_detach(box->readers);
	while (box->streams != NULL)
		stream_detach(box->streams);
	text_unref(&box->spare);
	/* The driver may have something to write. */
	if (box->disk != NULL)
		box->disk->index = box->store->index;
	box_free(&box->disk);
	DL_DELETE(box->user->boxes, box);
	mem_free(box);
	*box_ptr = NULL;
}

const char *mailbox_name(const struct mailbox *box)
{
	return box->name;
}

bool mailbox_readonly(const struct mailbox *box)
{
	return (box->flags & MAILBOX_READONLY) != 0;
}

void mailbox_watch_paths(const void *ctx, struct mailbox *box,
			 const char *const **paths_out, unsigned *count_out)
{
	box->disk->location->driver->watch_paths(ctx, box->disk, paths_out,
						 count_out);
}

const char *const *mailbox_keywords(struct mailbox *box, unsigned *count)
{
	*count = box->keyword_count;
	return (const char *const *)box->keywords;
}

bool mailbox_new_keywords_ok(const struct mailbox *box)
{
	return (box->flags & MAILBOX_READONLY) == 0 &&
	       box->keyword_count < INDEX_KEYWORDS_MAX;
}
