/* SPDX-License-Identifier: MIT */
#include "told_work.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "index/index.h"

enum { OLD_LINES = 2100 };

/* Whether it was done; tells of it if not. */
static bool done(struct told_work *work, int ret, const struct err *err)
{
	if (ret < 0)
		work->failed(work->ctx, err);
	return ret >= 0;
}

static int save_one(const void *ctx, struct save *save, unsigned mail,
		    struct err *err)
{
	const char *const keywords[] = {told_keyword(ctx, mail), NULL};
	struct save_options options = {
		.flags = mail % 3 == 0 ? MAIL_FLAGGED : 0,
		.keywords = keywords,
	};
	char *text = told_text(ctx, mail);

	if (save_mail_begin(save, &options, err) < 0 ||
	    save_mail_write(save, text, strlen(text), err) < 0)
		return -1;
	return save_mail_finish(save, err);
}

static void save_to(struct told_work *work, struct mailbox *box,
		    enum told_box which, unsigned mail, unsigned count)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "save");
	CLEANUP(save_rollback) struct save *save = save_begin(ctx, box);
	uint32_t uid_validity;
	struct range_set uids;
	struct err err;

	for (unsigned i = mail; i < mail + count; i++) {
		told_save(work->told, which, i);
		if (!done(work, save_one(ctx, save, i, &err), &err))
			return;
	}
	if (!done(work, save_commit(&save, &uid_validity, &uids, &err), &err))
		return;
	for (unsigned i = 0; i < count; i++)
		told_saved(work->told, which, mail + i, uid_validity,
			   uids.ranges[0].first + i);
	mem_free(uids.ranges);
}

static void save(struct told_work *work, const char *name, enum told_box which,
		 unsigned mail, unsigned count)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	struct err err;

	if (done(work,
		 mailbox_open(work->f->user, name, MAILBOX_KEEP_RECENT, &box,
			      &err),
		 &err))
		save_to(work, box, which, mail, count);
}

/* 0 if the client does not know of it. */
static uint32_t seq_of(struct told_work *work, struct mailbox *box,
		       unsigned mail)
{
	const struct told_mail *told = &work->told->mails[TOLD_INBOX][mail];

	return told->uid != 0 ? mailbox_seq_of(box, told->uid) : 0;
}

static void copy(struct told_work *work, struct mailbox *box, unsigned mail,
		 bool move)
{
	uint32_t seq = seq_of(work, box, mail);
	struct range_set seqs = one(work->f, seq, seq);
	struct copy_result result;
	struct err err;

	if (seq == 0)
		return;
	told_save(work->told, TOLD_OTHER, mail);
	if (move)
		told_remove(work->told, TOLD_INBOX, mail, false);
	if (!done(work,
		  mailbox_copy(work->f->ctx, box, &seqs, "other", move, &result,
			       &err),
		  &err))
		return;
	told_saved(work->told, TOLD_OTHER, mail, result.uid_validity,
		   result.to_uids.ranges[0].first);
	if (move)
		told_removed(work->told, TOLD_INBOX, mail);
}

static bool mark(struct told_work *work, struct mailbox *box, unsigned mail,
		 uint8_t flags)
{
	uint32_t seq = seq_of(work, box, mail);
	struct range_set seqs = one(work->f, seq, seq);
	struct store store = {
		.mode = STORE_ADD,
		.flags = flags,
		.unchanged_since = UINT64_MAX,
	};
	struct err err;

	if (seq == 0 ||
	    !done(work, mailbox_store(NULL, box, &seqs, &store, NULL, &err),
		  &err))
		return false;
	if (work->told->all_synced)
		work->told->mails[TOLD_INBOX][mail].flags |= flags;
	return true;
}

static void expunge(struct told_work *work, struct mailbox *box, unsigned mail)
{
	struct err err;

	/* Refused or not, the mark may be there, for the next expunge. */
	told_remove(work->told, TOLD_INBOX, mail, true);
	if (mark(work, box, mail, MAIL_DELETED) &&
	    done(work, mailbox_expunge(box, NULL, &err), &err))
		told_removed(work->told, TOLD_INBOX, mail);
}

static void look(struct told_work *work, struct mailbox *box)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "look");
	struct mailbox_changes changes;
	struct err err;

	done(work, mailbox_sync(ctx, box, 0, &changes, &err), &err);
	if (work->settle)
		index_settle(true);
}

static void change_inbox(struct told_work *work)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	struct err err;

	if (!done(work, mailbox_open(work->f->user, "INBOX", 0, &box, &err),
		  &err))
		return;
	save_to(work, box, TOLD_INBOX, 4, 1);
	save(work, "INBOX", TOLD_INBOX, 5, 3);
	look(work, box);
	mark(work, box, 0, MAIL_SEEN);
	copy(work, box, 0, false);
	copy(work, box, 1, true);
	expunge(work, box, 2);
	expunge(work, box, 4);
	look(work, box);
}

static void change_mailboxes(struct told_work *work)
{
	struct user *user = work->f->user;
	struct err err;

	if (done(work, mailbox_create(user, "late", NULL, &err), &err)) {
		work->told->exists[TOLD_LATE] = true;
		save(work, "late", TOLD_LATE, 8, 1);
	}
	work->told->renaming = true;
	if (done(work, mailbox_rename(user, "other", "away", &err), &err)) {
		work->told->renamed = true;
		save(work, "away", TOLD_OTHER, 9, 2);
	}
}

void told_run(struct told_work *work)
{
	change_inbox(work);
	change_mailboxes(work);
	save(work, "INBOX", TOLD_INBOX, 11, 1);
}

static void age_uidlist(struct fixture *f)
{
	char *path = mem_printf(f->ctx, "%s/Maildir/dovecot-uidlist", f->dir);
	FILE *file = fopen(path, "r+e");

	/* An mbox has none. */
	if (file == NULL)
		return;
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	for (unsigned uid = 10; uid <= OLD_LINES; uid++)
		fprintf(file, "%u :old%u\n", uid, uid);
	fclose(file);
}

void told_prepare(struct told_work *work, bool old)
{
	struct err err;

	assert_ok(mailbox_create(work->f->user, "other", NULL, &err));
	work->told->exists[TOLD_INBOX] = true;
	work->told->exists[TOLD_OTHER] = true;
	save(work, "INBOX", TOLD_INBOX, 0, 4);
	if (old)
		age_uidlist(work->f);
}
