/* SPDX-License-Identifier: MIT */
/*
 * doveadm/resync.c - `doveadm force-resync` and `index`: mailboxes made whole,
 * and their caches filled.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "doveadm/progress.h"
#include "storage/storage.h"

struct work {
	const char *mask;
	bool limited; /* -n */
	unsigned max_recent;
	int (*fn)(const struct work *work, struct mailbox *box,
		  struct err *err);
	const char *what;
};

static int one_box(const struct work *work, struct user *user, const char *name)
{
	CLEANUP(mailbox_close) struct mailbox *box = NULL;
	struct err err;

	if (mailbox_open(user, name, MAILBOX_KEEP_RECENT, &box, &err) == 0 &&
	    work->fn(work, box, &err) == 0)
		return EX_OK;
	return log_failure(&err, "%s mailbox %s failed", work->what, name);
}

static int all_boxes(void *ctx, struct user *user)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "mailboxes");
	const struct work *work = ctx;
	const char *const patterns[] = {work->mask, NULL};
	struct list_entry *entries;
	struct progress progress;
	int status = EX_OK;
	size_t count;
	struct err err;

	if (mailbox_list(memory, user, patterns, 0, &entries, &count, &err) < 0)
		return log_failure(&err, "Listing mailboxes failed");
	/* One mailbox shows its own. */
	if (count > 1)
		progress_begin(&progress, work->what, count);
	for (size_t i = 0; i < count; i++) {
		int result = EX_OK;

		if ((entries[i].flags & (ENTRY_NOSELECT | ENTRY_NONEXISTENT)) ==
		    0)
			result = one_box(work, user, entries[i].name);
		if (status == EX_OK)
			status = result;
		if (count > 1)
			progress_step(&progress);
	}
	if (count > 1)
		progress_end(&progress);
	return status;
}

/* force-resync */

static int resync(const struct work *, struct mailbox *box, struct err *err)
{
	bool mended;

	if (mailbox_resync(box, &mended, err) < 0)
		return -1;
	if (mended)
		log_warning("Mailbox %s: the index had wrong counts",
			    mailbox_name(box));
	return 0;
}

/* -f checks Dovecot's index files for what cannot be wrong with ours; the rest
 * of what it does is done anyway. */
int cmd_force_resync(struct doveadm *adm, int, char **argv)
{
	struct work work = {.mask = argv[0], .fn = resync, .what = "Resyncing"};

	return mail_run(adm, NULL, all_boxes, &work);
}

/* index */

/* What is missing in the cache is learnt when it is asked for, and one look at
 * the text gives all of it. */
static int learn(const struct mail *mail, struct err *err)
{
	int64_t received, saved;
	uint64_t size;
	struct str text;

	if (mail_body_structure(mail, true, &text, err) == 0 &&
	    mail_envelope(mail, &text, err) == 0 &&
	    mail_size(mail, &size, err) == 0 &&
	    mail_times(mail, &received, &saved, err) == 0)
		return 0;
	return err->code == ERR_EXPUNGED ? 0 : -1;
}

static int learn_all(struct mailbox *box, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "index");
	CLEANUP(mail_reader_end) struct mail_reader *reader = NULL;
	struct range_set all = range_set_init(ctx);
	struct progress progress;
	const struct mail *mail;
	int found;

	range_set_add(&all, 1, mailbox_messages(box));
	reader = mail_reader_begin(NULL, box, &all);
	progress_begin(&progress, "Indexing", mailbox_messages(box));
	while ((found = mail_reader_next(reader, &mail, err)) > 0) {
		if (learn(mail, err) < 0) {
			found = -1;
			break;
		}
		progress_step(&progress);
	}
	progress_end(&progress);
	return found;
}

static int fill_cache(const struct work *work, struct mailbox *box,
		      struct err *err)
{
	struct mailbox_status status;

	if (mailbox_get_status(box, &status, err) < 0)
		return -1;
	if (status.messages == 0 ||
	    (work->limited && status.recent > work->max_recent))
		return 0;
	return learn_all(box, err);
}

int cmd_index(struct doveadm *adm, int, char **argv)
{
	const char *most = doveadm_value(adm, 'n');
	struct work work = {
		.mask = argv[0],
		.limited = most != NULL,
		.fn = fill_cache,
		.what = "Indexing",
	};

	if (doveadm_value(adm, 'q') != NULL)
		return give_up("-q: There is no indexer process that could do "
			       "it later");
	if (most != NULL && !str_to_unsigned(str_of(most), &work.max_recent)) {
		give_up("Invalid -n parameter number: %s", most);
		return EX_USAGE;
	}
	return mail_run(adm, NULL, all_boxes, &work);
}
