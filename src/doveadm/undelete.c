/* SPDX-License-Identifier: MIT */
/*
 * doveadm/undelete.c - `doveadm undelete`: mails that were expunged come back
 * from where the plugin setting lazy_expunge has put them: one mailbox for all,
 * or a namespace that has one for each.
 */
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "config/config.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "doveadm/mail_walk.h"
#include "doveadm/query.h"
#include "storage/storage.h"

struct undeletion {
	struct query *query;
	const char *to;   /* -m; NULL: where they were, as far as is known */
	const char *lazy; /* the setting */
	struct user *user;
	const struct namespace *space; /* the setting's; NULL: a mailbox */
};

static const char *lazy_setting(struct doveadm *adm)
{
	const struct config_filter filter = {.protocol = "doveadm"};
	const char *value = config_plugin(adm->config, &filter, "lazy_expunge");
	struct str rest = str_of(value != NULL ? value : ""), word;

	return str_word(&rest, &word) ? str_dup(adm->ctx, word) : NULL;
}

/* Of a namespace's mailboxes, those of the same name without its prefix. */
static const char *origin(const void *ctx, const struct undeletion *undeletion,
			  const char *name)
{
	const struct namespace *to;
	char *copy;

	if (undeletion->to != NULL)
		return undeletion->to;
	if (undeletion->space == NULL)
		return "INBOX";
	copy = mem_strdup(ctx, name + strlen(undeletion->space->prefix));
	to = namespace_find(undeletion->user, copy);
	for (char *p = copy; to != NULL && *p != '\0'; p++)
		*p = *p == undeletion->space->separator ? to->separator : *p;
	return copy;
}

static int make(struct user *user, const char *name, struct err *err)
{
	if (mailbox_exists(user, name, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND)
		return -1;
	return mailbox_create(user, name, NULL, err);
}

static int undelete_box(void *ctx, struct mailbox *box,
			const struct range_set *seqs)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "undelete");
	const struct undeletion *undeletion = ctx;
	const char *to = origin(memory, undeletion, mailbox_name(box));
	struct copy_result result;
	struct err err;

	if (make(undeletion->user, to, &err) == 0 &&
	    mailbox_copy(memory, box, seqs, to, true, &result, &err) == 0)
		return EX_OK;
	return log_failure(&err,
			   "Moving messages from mailbox '%s' to '%s' failed",
			   mailbox_name(box), to);
}

static const struct namespace *space_of(const struct user *user,
					const char *prefix)
{
	const struct namespace *space = NULL;

	while ((space = namespace_next(user, space)) != NULL) {
		if (space->prefix[0] != '\0' &&
		    strcmp(space->prefix, prefix) == 0)
			break;
	}
	return space;
}

static int undelete_user(void *ctx, struct user *user)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "undelete");
	struct undeletion *undeletion = ctx;
	struct query boxes = {.kind = QUERY_MAILBOX};
	struct query all = {.kind = QUERY_AND, .children = &boxes};
	const struct mail_walk walk = {
		.query = &all,
		.fn = undelete_box,
		.ctx = ctx,
	};

	undeletion->user = user;
	undeletion->space = space_of(user, undeletion->lazy);
	boxes.text = undeletion->space == NULL
			     ? undeletion->lazy
			     : mem_printf(memory, "%s*", undeletion->lazy);
	boxes.next = undeletion->query;
	return mail_walk(user, &walk);
}

int cmd_undelete(struct doveadm *adm, int argc, char **argv)
{
	struct undeletion undeletion = {.to = doveadm_value(adm, 'm')};
	int status = mail_query(adm, argc, argv, &undeletion.query);

	if (status != EX_OK)
		return status;
	if (!doveadm_need_config(adm))
		return EX_TEMPFAIL;
	undeletion.lazy = lazy_setting(adm);
	if (undeletion.lazy == NULL)
		return give_up("The plugin setting lazy_expunge is not set: "
			       "expunged mails are gone");
	return mail_run(adm, NULL, undelete_user, &undeletion);
}
