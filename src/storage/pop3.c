/* SPDX-License-Identifier: MIT */
/*
 * storage/pop3.c - what POP3 alone asks of mails and mailboxes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/core.h"
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

	if (driver->save_uidls == NULL || count == 0)
		return 0;
	if (mailbox_may(box, RIGHT_STORE, err) < 0 ||
	    mailbox_begin(box, INDEX_WRITE, &txn, &row, err) < 0)
		return -1;
	if (driver->save_uidls(txn, box->disk, &row, uidls, count, err) < 0 ||
	    index_commit(&txn, err) < 0)
		return store_failed(box->store, err);
	return 0;
}

/* the lock of a session: PATH.lock as Dovecot makes it, "pid:host" in it */

enum { LOCK_TEXT_MAX = 320 };

struct session_lock {
	char *path;
};

static void lock_text(char out[LOCK_TEXT_MAX])
{
	char host[LOCK_TEXT_MAX / 2] = "";

	gethostname(host, sizeof(host) - 1);
	snprintf(out, LOCK_TEXT_MAX, "%d:%s", (int)getpid(), host);
}

/* Whether it is of this host and of a process that is no more. However old it
 * is otherwise, a session may go on. By /proc, for the sandbox has no kill().
 */
static bool lock_is_dead(const char *path)
{
	CLEANUP(buf_free) struct buf text = buf_init(LOCK_TEXT_MAX);
	char own[LOCK_TEXT_MAX], process[32];
	struct str rest, pid;
	uint32_t number;
	struct err err;
	struct stat st;

	lock_text(own);
	if (file_read(path, &text, &err) < 0)
		return false;
	rest = str_n(text.data, text.len);
	if (!str_split(&rest, ':', &pid) || !str_to_u32(pid, &number) ||
	    number == 0 || rest.data == NULL ||
	    !str_is(rest, strchr(own, ':') + 1))
		return false;
	snprintf(process, sizeof(process), "/proc/%u", number);
	return stat("/proc/1", &st) == 0 && stat(process, &st) < 0 &&
	       errno == ENOENT;
}

static int lock_create(const char *path, mode_t mode, struct err *err)
{
	CLEANUP(fd_close)
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	char text[LOCK_TEXT_MAX];

	if (fd < 0)
		return err_sys(err, "open(%s)", path);
	lock_text(text);
	if (file_write_all(fd, text, strlen(text), path, err) == 0)
		return 0;
	unlink(path);
	return -1;
}

static int lock_take(const struct location *location, const char *path,
		     struct err *err)
{
	if (lock_create(path, location->file_mode, err) == 0)
		return 0;
	if (err->code == ERR_NOT_FOUND &&
	    dir_create(location->index, location->dir_mode, err) == 0 &&
	    lock_create(path, location->file_mode, err) == 0)
		return 0;
	if (err->code != ERR_EXISTS)
		return -1;
	if (lock_is_dead(path)) {
		log_warning("Breaking stale lock %s", path);
		unlink(path); /* for the next try */
	}
	return err_set(err, ERR_IN_USE, "%s is held by another session", path);
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
	lock->path = mem_printf(lock, "%s/dovecot-pop3-session.lock",
				location->index);
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
	unlink((*lock)->path);
	mem_free(*lock);
	*lock = NULL;
}
