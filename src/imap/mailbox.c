/* SPDX-License-Identifier: MIT */
/*
 * imap/mailbox.c - CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, and what
 * ends a mailbox's being selected or empties it: CLOSE, UNSELECT (RFC 3691),
 * EXPUNGE, UID EXPUNGE (RFC 4315).
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/session.h"
#include "storage/storage.h"

/* The one argument; NULL: it was answered. */
static char *one_name(struct cmd *cmd)
{
	struct str arg;

	if (!cmd_strings(cmd, 1, &arg))
		return NULL;
	return cmd_mailbox_name(cmd, arg);
}

/* "USE (\Junk \Sent)" (RFC 6154 section 3) as "\Junk \Sent"; "" if there is
 * none. NULL: malformed. */
static char *special_use(struct cmd *cmd, const struct imap_arg *arg)
{
	char *out = mem_strdup(cmd, "");
	const struct imap_arg *use;

	if (arg->kind != IMAP_ARG_LIST)
		return out;
	arg = arg->list;
	if (!imap_arg_atom_is(&arg[0], "USE") || arg[1].kind != IMAP_ARG_LIST)
		return out;
	for (use = arg[1].list; use->kind != IMAP_ARG_END; use++) {
		if (use->kind != IMAP_ARG_ATOM || !str_starts(use->text, "\\"))
			return NULL;
		out = mem_printf(cmd, "%s%s%.*s", out,
				 out[0] == '\0' ? "" : " ", STR_FMT(use->text));
	}
	return out;
}

/* With MAILBOXID (RFC 8474 section 4.1), but not where only a name for levels
 * below was made ("x."), or somebody was quick to remove
 * it. */
static enum cmd_result created(struct cmd *cmd, const char *name)
{
	CLEANUP(buf_free) struct buf id = buf_init(64);
	struct mailbox_status status;
	struct err err;

	if (mailbox_status(cmd->session->user, name, &status, &err) < 0)
		return cmd_reply(cmd, "OK Create completed");
	hex_encode(str_n(status.guid, sizeof(status.guid)), &id);
	return cmd_reply(cmd, "OK [MAILBOXID (%s)] Create completed", id.data);
}

enum cmd_result cmd_create(struct cmd *cmd)
{
	char *name = one_name(cmd), *use;
	struct err err;

	if (name == NULL)
		return CMD_DONE;
	use = special_use(cmd, &cmd->args[1]);
	if (use == NULL)
		return cmd_bad(cmd, "Invalid arguments");
	if (mailbox_create(cmd->session->user, name,
			   use[0] == '\0' ? NULL : use, &err) == 0)
		return created(cmd, name);
	if (err.code == ERR_UNSUPPORTED && use[0] != '\0')
		return cmd_reply(cmd, "NO [USEATTR] %s", err.text);
	return cmd_error(cmd, &err, name);
}

/* NO [NONEXISTENT] (RFC 5530) where the mailbox itself is what is missing. */
static enum cmd_result fail(struct cmd *cmd, const struct err *err,
			    const char *name)
{
	if (err->code == ERR_NOT_FOUND)
		return cmd_reply(cmd,
				 "NO [NONEXISTENT] Mailbox doesn't exist: %s",
				 name);
	return cmd_error(cmd, err, name);
}

enum cmd_result cmd_delete(struct cmd *cmd)
{
	char *name = one_name(cmd);
	struct err err;

	if (name == NULL)
		return CMD_DONE;
	if (str_case_is(str_of(name), "INBOX"))
		return cmd_reply(cmd, "NO INBOX can't be deleted");
	if (mailbox_delete(cmd->session->user, name, &err) < 0)
		return fail(cmd, &err, name);
	return cmd_reply(cmd, "OK Delete completed");
}

/* Whether `child` lies below `parent`. */
static bool is_below(struct session *session, const char *parent,
		     const char *child)
{
	const struct namespace *ns = namespace_find(session->user, parent);
	size_t len = strlen(parent);

	return ns != NULL && strncmp(parent, child, len) == 0 &&
	       child[len] == ns->separator;
}

enum cmd_result cmd_rename(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct str args[2];
	char *from, *to;
	struct err err;

	if (!cmd_strings(cmd, 2, args))
		return CMD_DONE;
	from = cmd_mailbox_name(cmd, args[0]);
	to = from == NULL ? NULL : cmd_mailbox_name(cmd, args[1]);
	if (to == NULL)
		return CMD_DONE;
	if (strcmp(from, to) == 0)
		return cmd_reply(cmd, "NO [ALREADYEXISTS] Can't rename mailbox "
				      "to itself");
	if (is_below(session, from, to))
		return cmd_reply(cmd, "NO Can't rename mailbox under its own "
				      "child");
	if (mailbox_rename(session->user, from, to, &err) == 0)
		return cmd_reply(cmd, "OK Rename completed");
	if (err.code == ERR_EXISTS)
		return cmd_reply(cmd, "NO [ALREADYEXISTS] Target mailbox "
				      "already exists");
	return fail(cmd, &err, from);
}

enum cmd_result cmd_subscribe(struct cmd *cmd)
{
	struct user *user = cmd->session->user;
	char *name = one_name(cmd);
	struct err err;

	if (name == NULL)
		return CMD_DONE;
	if (mailbox_level_exists(user, name, &err) < 0 ||
	    mailbox_subscribe(user, name, true, &err) < 0)
		return cmd_error(cmd, &err, name);
	return cmd_reply(cmd, "OK Subscribe completed");
}

enum cmd_result cmd_unsubscribe(struct cmd *cmd)
{
	char *name = one_name(cmd);
	struct err err;

	if (name == NULL)
		return CMD_DONE;
	if (mailbox_subscribe(cmd->session->user, name, false, &err) < 0 &&
	    err.code != ERR_NOT_FOUND)
		return cmd_error(cmd, &err, name);
	return cmd_reply(cmd, "OK Unsubscribe completed");
}

/* the selected one */

enum cmd_result cmd_close(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct mailbox_status status;
	struct err err;
	int failed = 0;

	if (!mailbox_readonly(session->box)) {
		failed = mailbox_get_status(session->box, &status, &err);
		if (failed == 0)
			failed = mailbox_expunge(session->box, NULL, &err);
		if (failed == 0)
			session->stats.expunged += status.deleted;
	}
	session_deselect(session);
	/* It is closed in any case (RFC 3501 section 6.4.2); in one that was
	 * deleted there is nothing to remove. */
	return failed < 0 && err.code != ERR_NOT_FOUND
		       ? cmd_error(cmd, &err, NULL)
		       : cmd_reply(cmd, "OK Close completed");
}

enum cmd_result cmd_unselect(struct cmd *cmd)
{
	session_deselect(cmd->session);
	return cmd_reply(cmd, "OK Unselect completed");
}

enum cmd_result cmd_expunge(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct err err;

	if (!mailbox_readonly(session->box) &&
	    mailbox_expunge(session->box, NULL, &err) < 0)
		return cmd_box_error(cmd, &err);
	return cmd_sync(cmd, TELL_OWN_EXPUNGES, "OK Expunge completed");
}

enum cmd_result cmd_uid_expunge(struct cmd *cmd)
{
	struct session *session = cmd->session;
	struct range_set seqs, uids = range_set_init(cmd);
	struct err err;

	if (cmd->args[0].kind == IMAP_ARG_END)
		return cmd_bad(cmd, "Missing arguments");
	if (!cmd_set(cmd, &cmd->args[0], &seqs))
		return CMD_DONE;
	mailbox_uids_of(session->box, &seqs, &uids);
	if (!mailbox_readonly(session->box) && uids.count > 0 &&
	    mailbox_expunge(session->box, &uids, &err) < 0)
		return cmd_box_error(cmd, &err);
	return cmd_sync(cmd, TELL_OWN_EXPUNGES, "OK Expunge completed");
}
