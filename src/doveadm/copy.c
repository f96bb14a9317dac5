/* SPDX-License-Identifier: MIT */
/*
 * doveadm/copy.c - `doveadm copy` and `move`: into a mailbox of the same or of
 * another user.
 */
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "doveadm/mail_walk.h"
#include "service/account.h"
#include "storage/storage.h"

struct copying {
	struct doveadm *adm;
	struct query *query;
	const char *to;
	struct account *from_account; /* NULL: the same user */
	struct user *to_user;
	bool move;
};

static int copy_box(void *ctx, struct mailbox *box,
		    const struct range_set *seqs)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "copy");
	const struct copying *copying = ctx;
	struct copy_result result;
	struct err err;

	if (mailbox_copy_to(memory, box, seqs, copying->to_user, copying->to,
			    copying->move, &result, &err) == 0)
		return EX_OK;
	return log_failure(&err, "%s messages from mailbox '%s' to '%s' failed",
			   copying->move ? "Moving" : "Copying",
			   mailbox_name(box), copying->to);
}

static int copy_user(void *ctx, struct user *user)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "source");
	struct user_context context = {.service = "doveadm"};
	struct copying *copying = ctx;
	struct user *from = user;
	struct err err;

	copying->to_user = user;
	if (mailbox_exists(user, copying->to, &err) < 0)
		return log_failure(&err, "Can't open mailbox '%s'",
				   copying->to);
	if (copying->from_account != NULL &&
	    user_open(memory, copying->adm->config, copying->from_account,
		      &context, &from, &err) < 0)
		return log_failure(&err, "Source user %s",
				   copying->from_account->name);
	return mail_walk_query(from, copying->query, copy_box, copying);
}

/* "user NAME" in front of the query. */
static int take_source(struct copying *copying, int *argc, char ***argv)
{
	struct err err;

	if (*argc < 2 || strcasecmp(**argv, "user") != 0)
		return EX_OK;
	if (doveadm_value(copying->adm, 'u') == NULL)
		return give_up("Use -u parameter to specify destination user");
	if (!doveadm_need_config(copying->adm))
		return EX_TEMPFAIL;
	/* Asked for now: the rights to do so may be gone later. */
	if (mail_account(copying->adm->ctx, copying->adm, (*argv)[1],
			 &copying->from_account, &err) < 0) {
		complain("Source user %s: %s", (*argv)[1], err.text);
		return err.code == ERR_NOT_FOUND ? EX_NOUSER : EX_TEMPFAIL;
	}
	*argc -= 2;
	*argv += 2;
	return EX_OK;
}

int cmd_copy(struct doveadm *adm, int argc, char **argv)
{
	struct copying copying = {
		.adm = adm,
		.to = argv[0],
		.move = adm->command->mode,
	};
	int status;

	argc--;
	argv++;
	status = take_source(&copying, &argc, &argv);
	if (status == EX_OK && argc == 0)
		return usage_command(adm->command);
	if (status == EX_OK)
		status = (copying.move ? mail_query_guarded : mail_query)(
			adm, argc, argv, &copying.query);
	if (status != EX_OK)
		return status;
	return mail_run(adm, NULL, copy_user, &copying);
}
