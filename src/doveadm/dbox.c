/* SPDX-License-Identifier: MIT */
/*
 * doveadm/dbox.c - `doveadm purge` and `altmove`, which are for Dovecot's dbox
 * formats: scripts run them for all users, whatever their format.
 */
#include "base/log.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "doveadm/mail_walk.h"

/* An expunged mail's file is gone at once in all formats that there are. */
static int nothing_left(void *, struct user *)
{
	return EX_OK;
}

int cmd_purge(struct doveadm *adm, int, char **)
{
	return mail_run(adm, NULL, nothing_left, NULL);
}

static int no_alternative(void *, struct user *)
{
	log_error("altmove: This mailbox format has no alternative storage");
	return EX_DATAERR;
}

int cmd_altmove(struct doveadm *adm, int argc, char **argv)
{
	struct query *query;
	int status = mail_query(adm, argc, argv, &query);

	return status != EX_OK ? status
			       : mail_run(adm, NULL, no_alternative, NULL);
}
