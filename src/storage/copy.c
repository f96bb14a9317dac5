/* SPDX-License-Identifier: MIT */
/*
 * storage/copy.c - COPY and MOVE: by hard link within a format, else by text.
 *
 * Within one index a move is one transaction; between two of them the copy is
 * durable before the original goes. Never are two write transactions open.
 */
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/core.h"
#include "storage/mailbox.h"
#include "storage/reader.h"
#include "storage/save.h"
#include "storage/save_core.h"

enum { COPY_CHUNK = 65536, SENDER_MAX = 1024 };

struct copy {
	struct mailbox *from, *to;
	const struct range_set *seqs;
	struct range_set uids; /* of the mails that are still there */
	struct save *save;
	TALLOC_CTX *ctx;
	uint8_t drop; /* flags that don't come along */
	bool by_text; /* a link was refused */
};

static int copy_text(struct copy *copy, struct index_record *record,
		     struct driver_mail_file *file, struct err *err)
{
	char *chunk;
	uint64_t at = file->offset, left = file->len;

	(void)record;
	if (file->fd < 0)
		return save_mail_write(copy->save, file->text->data,
				       file->text->len, err);
	chunk = mem_array(copy->ctx, char, COPY_CHUNK);
	while (left > 0) {
		size_t want = left < COPY_CHUNK ? (size_t)left : COPY_CHUNK;
		ssize_t n = pread(file->fd, chunk, want, (off_t)at);

		if (n < 0)
			return err_sys(err, "read(mail)");
		if (n == 0)
			break;
		if (save_mail_write(copy->save, chunk, (size_t)n, err) < 0)
			return -1;
		at += (uint64_t)n;
		left -= (uint64_t)n;
	}
	mem_free(chunk);
	return 0;
}

static int copy_by_text(struct copy *copy, struct index_record *record,
			struct save_options *options, struct err *err)
{
	const struct driver *driver = copy->from->disk->location->driver;
	CLEANUP(buf_free) struct buf text = buf_init(TEXT_MEMORY_MAX);
	CLEANUP(buf_free) struct buf sender = buf_init(SENDER_MAX);
	CLEANUP(fd_close) int fd = -1;
	struct driver_mail_file file = {
		.fd = -1,
		.text = &text,
		.sender = &sender,
	};
	int ret;

	if (record->received == INDEX_TIME_UNKNOWN &&
	    driver->look(copy->from->disk, record, err) < 0)
		return -1;
	options->received = record->received;
	if (driver->open_mail(copy->from->disk, record, &file, err) < 0)
		return -1;
	fd = file.fd;
	if (sender.len > 0 && !sender.overflow)
		options->sender = sender.data;
	ret = save_mail_begin(copy->save, options, err);
	if (ret == 0)
		ret = copy_text(copy, record, &file, err);
	if (ret == 0)
		ret = save_mail_finish(copy->save, err);
	return ret;
}

static int copy_one(struct copy *copy, struct index_txn *txn,
		    struct index_record *record, struct err *err)
{
	struct mailbox *from = copy->from;
	struct save_options options = {
		.flags = record->flags & (uint8_t)~copy->drop,
		.keywords = keywords_of_bits(copy->ctx, from->keywords,
					     from->keyword_count,
					     &record->keywords),
		.received = record->received,
		.dated = true,
	};

	if (!copy->by_text) {
		if (save_add_link(copy->save, from, txn, record, &options,
				  err) == 0)
			return 0;
		if (err->code != ERR_UNSUPPORTED)
			return -1;
	}
	return copy_by_text(copy, record, &options, err);
}

static int add_mails(struct copy *copy, struct err *err)
{
	const struct view *view = &copy->from->view;
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct index_record record;
	struct index_box row;
	uint64_t at = 0;
	uint32_t uid;

	/* Others may have made keywords since the session read the names. */
	if (mailbox_begin(copy->from, INDEX_READ, &txn, &row, err) < 0 ||
	    mailbox_read_keywords(copy->from, txn, NULL, err) < 0)
		return -1;
	while (range_set_next(&copy->uids, &at, &uid)) {
		int got = index_record_get(txn, row.id, uid, &record, err);

		if (got == 0 && copy_one(copy, txn, &record, err) == 0)
			continue;
		if (err->code == ERR_NOT_FOUND) {
			err->code = ERR_EXPUNGED;
			if (got < 0 && row.highest_modseq == view->modseq)
				mailbox_lacks(copy->from, uid, err);
		}
		return -1;
	}
	return 0;
}

/* Each mail is in one of the two when the answer is given, whatever goes wrong;
 * but in both where only some originals could be removed. */
static int remove_originals(struct copy *copy, const struct range_set *copies,
			    struct err *err)
{
	struct range_set gone = range_set_init(copy->ctx);
	struct err why;

	if (expunge_now(copy->from, &copy->uids, &gone, err) == 0)
		return 0;
	if (gone.count == 0) {
		if (expunge_now(copy->to, copies, NULL, &why) < 0)
			log_error("Mailbox %s: can't take back copies: %s",
				  copy->to->name, why.text);
		return -1;
	}
	if (range_set_size(&gone) < range_set_size(&copy->uids))
		return -1;
	log_error("Mailbox %s: mails were moved, but not in the index: %s",
		  copy->from->name, err->text);
	return 0;
}

/* `leaves`: the originals go, too, by `move` or by who calls. */
static int run_once(const void *ctx, struct copy *copy, bool move, bool leaves,
		    struct copy_result *out, struct err *err)
{
	bool together = copy->from->store == copy->to->store;

	copy->save = save_begin(ctx, copy->to);
	if (save_copies(copy->save, (unsigned)range_set_size(&copy->uids),
			leaves ? copy->from : NULL, err) < 0 ||
	    add_mails(copy, err) < 0) {
		save_rollback(&copy->save);
		return -1;
	}
	if (move && together)
		save_expunge_from(copy->save, copy->from, &copy->uids);
	if (save_commit(&copy->save, &out->uid_validity, &out->to_uids, err) <
	    0)
		return -1;
	if (move && !together)
		return remove_originals(copy, &out->to_uids, err);
	return 0;
}

static int run(const void *ctx, struct copy *copy, bool move, bool leaves,
	       struct copy_result *out, struct err *err)
{
	int ret = run_once(ctx, copy, move, leaves, out, err);

	if (ret == 0 || err->code != ERR_UNSUPPORTED || copy->by_text)
		return ret;
	copy->by_text = true;
	return run_once(ctx, copy, move, leaves, out, err);
}

int mailbox_copy(const void *ctx, struct mailbox *box,
		 const struct range_set *seqs, const char *to_name, bool move,
		 struct copy_result *out, struct err *err)
{
	return mailbox_copy_to(ctx, box, seqs, box->user, to_name, move, out,
			       err);
}

/* What is moved is expunged from where it was, also for lazy_expunge, as
 * Dovecot has it; unless that is where it goes. */
static bool moves_lazily(const struct copy *copy)
{
	const char *target = lazy_target(copy->ctx, copy->from);

	return target != NULL && (copy->to->user != copy->from->user ||
				  strcmp(target, copy->to->name) != 0);
}

/* Not the mailbox that they go to is missing. */
static bool is_gone(struct mailbox *box)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	const struct location *location = box->disk->location;
	struct index_box row;
	struct err err;

	return (mailbox_begin(box, INDEX_READ, &txn, &row, &err) < 0 ||
		location->driver->exists(location, box->disk->name, &err) <
			0) &&
	       err.code == ERR_NOT_FOUND;
}

int mailbox_copy_to(const void *ctx, struct mailbox *box,
		    const struct range_set *seqs, struct user *to_user,
		    const char *to_name, bool move, struct copy_result *out,
		    struct err *err)
{
	CLEANUP(mailbox_close) struct mailbox *to = NULL;
	CLEANUP(ctx_free) TALLOC_CTX *work = mem_ctx(NULL, "copy");
	struct copy copy = {.from = box, .seqs = seqs, .ctx = work};
	struct copy_result result = {
		.from_uids = range_set_init(ctx),
		.to_uids = range_set_init(ctx),
	};
	bool lazily;

	if (mailbox_may(box, RIGHT_READ, err) < 0 ||
	    (move && mailbox_may(box, RIGHT_EXPUNGE, err) < 0))
		return -1;
	if (mailbox_open(to_user, to_name, MAILBOX_SAVE_ONLY, &to, err) < 0)
		return -1;
	copy.to = to;
	copy.uids = range_set_init(work);
	view_uids(&box->view, seqs, &copy.uids);
	if (copy.uids.count == 0) {
		*out = result;
		return 0;
	}
	lazily = move && moves_lazily(&copy);
	if (run(ctx, &copy, move && !lazily, move, &result, err) < 0 ||
	    (lazily && expunge_chosen(box, &copy.uids, err) < 0)) {
		if (err->code == ERR_NOT_FOUND && is_gone(box))
			err->code = ERR_EXPUNGED;
		return -1;
	}
	range_set_merge(&result.from_uids, &copy.uids);
	*out = result;
	return 0;
}

int move_uids(struct mailbox *box, const struct range_set *uids,
	      const char *to_name, struct err *err)
{
	CLEANUP(mailbox_close) struct mailbox *to = NULL;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "move");
	struct copy copy = {.from = box, .ctx = ctx, .drop = MAIL_DELETED};
	struct copy_result result;

	if (mailbox_open(box->user, to_name, MAILBOX_SAVE_ONLY | MAILBOX_CREATE,
			 &to, err) < 0)
		return -1;
	copy.to = to;
	copy.uids = range_set_init(ctx);
	range_set_merge(&copy.uids, uids);
	return run(ctx, &copy, true, true, &result, err);
}
