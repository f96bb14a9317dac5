/* SPDX-License-Identifier: MIT */
/*
 * imap/state.c - commands about the connection: CAPABILITY, NOOP, CHECK,
 * LOGOUT, ID (RFC 2971), ENABLE (RFC 5161), NAMESPACE (RFC 2342).
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "imap/cmd.h"
#include "imap/modseq.h"
#include "imap/session.h"
#include "imap/sieve.h"
#include "proto/imap_id.h"
#include "storage/storage.h"

enum cmd_result cmd_capability(struct cmd *cmd)
{
	struct buf *line = &cmd->session->line;

	buf_add(line, "* CAPABILITY ");
	buf_add(line, session_capability(cmd->session));
	buf_add(line, imap_sieve_capability(cmd->session->sieve));
	if (imap_quota_on(cmd->session))
		buf_add(line, " QUOTA");
	buf_add(line, "\r\n");
	return cmd_reply(cmd, "OK Capability completed");
}

enum cmd_result cmd_noop(struct cmd *cmd)
{
	return cmd_sync(cmd, TELL_NEW_MAILS, "OK NOOP completed");
}

enum cmd_result cmd_check(struct cmd *cmd)
{
	return cmd_sync(cmd, TELL_NEW_MAILS | SYNC_FILES, "OK Check completed");
}

enum cmd_result cmd_logout(struct cmd *cmd)
{
	session_bye(cmd->session, "Logging out", "Logged out");
	/* What waits to be written is in an mbox before OK, as Dovecot's. */
	session_deselect(cmd->session);
	return cmd_reply(cmd, "OK Logout completed");
}

static void log_id(struct cmd *cmd)
{
	CLEANUP(buf_free) struct buf text = buf_init(8192);

	imap_id_log_text(cmd->args[0].list, cmd->session->set->imap_id_log,
			 &text);
	if (text.len > 0)
		log_info("ID sent: %s", text.data);
}

enum cmd_result cmd_id(struct cmd *cmd)
{
	struct session *session = cmd->session;

	if (cmd->args[0].kind == IMAP_ARG_LIST &&
	    session->set->imap_id_log[0] != '\0')
		log_id(cmd);
	imap_id_reply(session->set->imap_id_send, &session->line);
	return cmd_reply(cmd, "OK ID completed");
}

/* ENABLE: what changes answers for a client that does not know it. */

/* Whether there is such an extension. */
static bool enable(struct session *session, struct str name)
{
	if (str_case_is(name, "QRESYNC"))
		session->qresync = true;
	else if (!str_case_is(name, "CONDSTORE"))
		return false;
	modseq_enable(session);
	return true;
}

enum cmd_result cmd_enable(struct cmd *cmd)
{
	CLEANUP(buf_free) struct buf enabled = buf_init(SIZE_MAX);

	for (const struct imap_arg *arg = cmd->args; arg->kind != IMAP_ARG_END;
	     arg++) {
		if (arg->kind != IMAP_ARG_ATOM)
			return cmd_bad(cmd, "Invalid arguments");
	}
	for (const struct imap_arg *arg = cmd->args; arg->kind != IMAP_ARG_END;
	     arg++) {
		if (!enable(cmd->session, arg->text))
			continue;
		buf_putc(&enabled, ' ');
		buf_add(&enabled, str_upper(cmd, arg->text));
	}
	if (enabled.len > 0)
		buf_printf(&cmd->session->line, "* ENABLED%s\r\n",
			   enabled.data);
	return cmd_reply(cmd, "OK Enabled");
}

/* NAMESPACE */

static void tell_namespaces(struct session *session, enum namespace_kind kind)
{
	const struct namespace *ns = NULL;
	struct buf *line = &session->line;
	bool any = false;

	buf_putc(line, ' ');
	while ((ns = namespace_next(session->user, ns)) != NULL) {
		if (ns->kind != kind || ns->hidden)
			continue;
		buf_add(line, any ? "(" : "((");
		if (ns->prefix[0] == '\0')
			buf_add(line, "\"\"");
		else
			buf_quoted_mailbox(line, ns->prefix);
		buf_add(line, ns->separator == '\\' || ns->separator == '"'
				      ? " \"\\"
				      : " \"");
		buf_putc(line, ns->separator);
		buf_add(line, "\")");
		any = true;
	}
	buf_add(line, any ? ")" : "NIL");
}

enum cmd_result cmd_namespace(struct cmd *cmd)
{
	struct session *session = cmd->session;

	buf_add(&session->line, "* NAMESPACE");
	tell_namespaces(session, NAMESPACE_PRIVATE);
	tell_namespaces(session, NAMESPACE_SHARED);
	tell_namespaces(session, NAMESPACE_PUBLIC);
	buf_add(&session->line, "\r\n");
	return cmd_reply(cmd, "OK Namespace completed");
}
