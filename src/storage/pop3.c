/* SPDX-License-Identifier: MIT */
/*
 * storage/pop3.c - what POP3 alone asks of mails and mailboxes.
 */
#include <limits.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/dotlock.h"
#include "storage/layout.h"
#include "storage/mail.h"
#include "storage/mailbox.h"
#include "storage/reader.h"

int mail_size_fast(const struct mail *mail, uint64_t *octets_out,
		   struct err *err)
{
	struct mail_reader *reader = mail->reader;

	if (reader_record(reader, err) < 0)
		return -1;
	if (reader->record.size_virtual == UINT64_MAX &&
	    reader->record.size_physical == UINT64_MAX &&
	    reader_times(reader, err) < 0)
		return -1;
	if (reader->record.size_virtual == UINT64_MAX &&
	    reader->record.size_physical != UINT64_MAX) {
		*octets_out = reader->record.size_physical;
		return 0;
	}
	return mail_size(mail, octets_out, err);
}

int mail_special(const void *ctx, const struct mail *mail,
		 enum mail_special what, char **out, struct err *err)
{
	struct mail_reader *reader = mail->reader;
	char *text;

	if (reader_record(reader, err) < 0)
		return -1;
	text = reader->box->disk->location->driver->special(
		ctx, &reader->record, what);
	if (text == NULL)
		return 0;
	*out = text;
	return 1;
}

void mailbox_wait_for_disk(struct mailbox *box)
{
	box->disk->durable = true;
}

int mailbox_save_uidls(struct mailbox *box, const struct mail_uidl *uidls,
		       size_t count, struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	const struct driver *driver = box->disk->location->driver;
	struct index_box row;

	if (driver->save_uidls == NULL || count == 0 || mailbox_readonly(box))
		return 0;
	if (mailbox_may(box, RIGHT_STORE, err) < 0 ||
	    mailbox_begin(box, INDEX_WRITE, &txn, &row, err) < 0)
		return -1;
	if (driver->save_uidls(txn, box->disk, &row, uidls, count, err) < 0 ||
	    index_commit(&txn, err) < 0)
		return store_failed(box->store, err);
	return 0;
}

/* the lock of a session, as Dovecot makes it */

struct session_lock {
	char *path; /* without ".lock" */
};

/* However old it is, a session may go on: only its end frees it. */
static int lock_take(const struct location *location, const char *path,
		     struct err *err)
{
	const struct dotlock_rules rules = {
		.mode = location->rights.file_mode,
		.stale_seconds = UINT_MAX,
	};

	if (dotlock_try(path, &rules, err) == 0 ||
	    (err->code == ERR_NOT_FOUND &&
	     layout_make_path(location, location->index, err) == 0 &&
	     dotlock_try(path, &rules, err) == 0))
		return 0;
	if (err->code != ERR_EXISTS)
		return -1;
	return err_set(err, ERR_IN_USE, "%s.lock is held by another session",
		       path);
}

int mailbox_lock_session(struct user *user, const char *name,
			 struct session_lock **out, struct err *err)
{
	struct session_lock *lock = mem_new(user, struct session_lock);
	const struct location *location;
	char *storage;
	struct ns *ns;

	if (name_resolve(lock, user, name, &ns, &storage, err) < 0) {
		mem_free(lock);
		return -1;
	}
	location = &ns->store->location;
	if (location->index_memory) {
		mem_free(lock);
		*out = NULL;
		return 0;
	}
	lock->path =
		mem_printf(lock, "%s/dovecot-pop3-session", location->index);
	if (lock_take(location, lock->path, err) < 0) {
		mem_free(lock);
		return -1;
	}
	*out = lock;
	return 0;
}

void mailbox_unlock_session(struct session_lock **lock)
{
	if (*lock == NULL)
		return;
	dotlock_release((*lock)->path);
	mem_free(*lock);
	*lock = NULL;
}
