/* SPDX-License-Identifier: MIT */
/*
 * doveadm/expunge.c - `doveadm expunge` and `deduplicate`: mails that go,
 * whatever their flags.
 */
#include <uthash.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "doveadm/mail_walk.h"
#include "mime/header.h"
#include "storage/storage.h"

enum { HEADER_MAX = 1 << 20 };

struct expunge {
	struct query *query;
	struct user *user;
	bool delete_empty;  /* -d */
	bool by_message_id; /* -m */
};

static int failed(const struct mailbox *box, const struct err *err)
{
	return log_failure(err, "Syncing mailbox '%s' failed",
			   mailbox_name(box));
}

static int walk_user(struct expunge *expunge, struct user *user,
		     int (*fn)(void *ctx, struct mailbox *box,
			       const struct range_set *seqs),
		     const char *before, const char *after)
{
	const struct mail_walk walk = {
		.query = expunge->query,
		.before = before,
		.after = after,
		.unmatched_too = expunge->delete_empty,
		.fn = fn,
		.ctx = expunge,
	};

	expunge->user = user;
	return mail_walk(user, &walk);
}

/* expunge */

/* INBOX stays. */
static int delete_if_empty(const struct expunge *expunge,
			   const struct mailbox *box)
{
	struct mailbox_status status;
	struct err err;

	if (str_case_is(str_of(mailbox_name(box)), "INBOX"))
		return EX_OK;
	if (mailbox_status(expunge->user, mailbox_name(box), &status, &err) < 0)
		return failed(box, &err);
	if (status.messages > 0 ||
	    (mailbox_delete(expunge->user, mailbox_name(box), &err) == 0 &&
	     mailbox_subscribe(expunge->user, mailbox_name(box), false, &err) ==
		     0))
		return EX_OK;
	return log_failure(&err, "Can't delete mailbox %s", mailbox_name(box));
}

static int expunge_box(void *ctx, struct mailbox *box,
		       const struct range_set *seqs)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "expunge");
	struct range_set uids = range_set_init(memory);
	const struct expunge *expunge = ctx;
	struct err err;

	mailbox_uids_of(box, seqs, &uids);
	if (uids.count > 0 && mailbox_remove(box, &uids, &err) < 0)
		return failed(box, &err);
	return expunge->delete_empty ? delete_if_empty(expunge, box) : EX_OK;
}

static int expunge_user(void *ctx, struct user *user)
{
	return walk_user(ctx, user, expunge_box, "Syncing mailbox '",
			 "' failed: ");
}

int cmd_expunge(struct doveadm *adm, int argc, char **argv)
{
	struct expunge expunge = {
		.delete_empty = doveadm_value(adm, 'd') != NULL,
	};
	int status = mail_query_guarded(adm, argc, argv, &expunge.query);

	return status != EX_OK ? status
			       : mail_run(adm, NULL, expunge_user, &expunge);
}

/* deduplicate */

struct known {
	UT_hash_handle hh;
	char id[];
};

/* The Message-ID, NULL if there is none. */
static int message_id(const void *ctx, const struct mail *mail, char **out,
		      struct err *err)
{
	static const char *const fields[] = {"message-id", NULL};
	const struct section section = {.kind = SECTION_HEADER_FIELDS,
					.fields = fields};
	CLEANUP(buf_free) struct buf block = buf_init(HEADER_MAX);
	struct header_field field;

	*out = NULL;
	if (mail_header_fields(mail, &section, &block, err) < 0)
		return -1;
	if (header_find(str_n(block.data, block.len), "message-id", &field) &&
	    str_trim(field.value).len > 0)
		*out = str_dup(ctx, str_trim(field.value));
	return 0;
}

/* Whether it is among those that were met; it is from now on. */
static bool seen_before(const void *ctx, struct known **all, const char *id)
{
	size_t len = strlen(id);
	struct known *known;

	HASH_FIND(hh, *all, id, len, known);
	if (known != NULL)
		return true;
	known = mem_zero(ctx, 1, sizeof(*known) + len + 1, "known");
	memcpy(known->id, id, len + 1);
	HASH_ADD_KEYPTR(hh, *all, known->id, len, known);
	return false;
}

/* Numbers grow with age: the first of several is the one that stays. */
static int find_doubles(const void *ctx, const struct expunge *expunge,
			struct mailbox *box, const struct range_set *seqs,
			struct range_set *uids, struct err *err)
{
	CLEANUP(mail_reader_end)
	struct mail_reader *reader = mail_reader_begin(NULL, box, seqs);
	struct known *all = NULL;
	const struct mail *mail;
	int found;

	while ((found = mail_reader_next(reader, &mail, err)) > 0) {
		CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "id");
		char *id;

		if ((expunge->by_message_id
			     ? message_id(memory, mail, &id, err)
			     : mail_guid(memory, mail, &id, err)) < 0) {
			if (err->code == ERR_EXPUNGED)
				continue;
			found = -1;
			break;
		}
		if (id != NULL && seen_before(ctx, &all, id))
			range_set_add(uids, mail->uid, mail->uid);
	}
	HASH_CLEAR(hh, all);
	return found;
}

static int deduplicate_box(void *ctx, struct mailbox *box,
			   const struct range_set *seqs)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "deduplicate");
	struct range_set uids = range_set_init(memory);
	struct err err;

	if (find_doubles(memory, ctx, box, seqs, &uids, &err) < 0 ||
	    (uids.count > 0 && mailbox_remove(box, &uids, &err) < 0))
		return failed(box, &err);
	return EX_OK;
}

static int deduplicate_user(void *ctx, struct user *user)
{
	return walk_user(ctx, user, deduplicate_box, NULL, NULL);
}

int cmd_deduplicate(struct doveadm *adm, int argc, char **argv)
{
	struct expunge expunge = {
		.by_message_id = doveadm_value(adm, 'm') != NULL,
	};
	int status = mail_query(adm, argc, argv, &expunge.query);

	return status != EX_OK
		       ? status
		       : mail_run(adm, NULL, deduplicate_user, &expunge);
}
