/* SPDX-License-Identifier: MIT */
/*
 * imap/state.c - commands about the connection: CAPABILITY, NOOP, CHECK,
 * LOGOUT, ID (RFC 2971), ENABLE (RFC 5161), NAMESPACE (RFC 2342).
 */
#include <sys/utsname.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/session.h"
#include "storage/storage.h"

enum { ID_PAIRS_MAX = 30 }; /* RFC 2971 section 3.3 */

enum cmd_result cmd_capability(struct cmd *cmd)
{
	struct buf *line = &cmd->session->line;

	buf_add(line, "* CAPABILITY ");
	buf_add(line, session_capability(cmd->session));
	buf_add(line, "\r\n");
	return cmd_reply(cmd, "OK Capability completed");
}

enum cmd_result cmd_noop(struct cmd *cmd)
{
	return cmd_sync(cmd, TELL_NEW_MAILS, "OK NOOP completed");
}

enum cmd_result cmd_check(struct cmd *cmd)
{
	return cmd_sync(cmd, TELL_NEW_MAILS, "OK Check completed");
}

enum cmd_result cmd_logout(struct cmd *cmd)
{
	session_bye(cmd->session, "Logging out", "Logged out");
	return cmd_reply(cmd, "OK Logout completed");
}

/* --- ID ------------------------------------------------------------------- */

/* The value that * stands for; NULL if there is none. */
static const char *id_preset(struct str key, struct utsname *system)
{
	if (str_case_is(key, "name"))
		return "Dovetail";
	if (str_case_is(key, "version"))
		return PACKAGE_VERSION;
	if (str_case_is(key, "os"))
		return system->sysname;
	if (str_case_is(key, "os-version"))
		return system->release;
	return NULL;
}

static void tell_id(struct session *session)
{
	struct str rest = str_of(session->set->imap_id_send), key, value;
	struct buf *line = &session->line;
	struct utsname system;
	bool any = false;

	uname(&system);
	buf_add(line, "* ID ");
	while (str_word(&rest, &key) && str_word(&rest, &value)) {
		if (str_is(value, "*")) {
			const char *preset = id_preset(key, &system);

			if (preset == NULL)
				continue;
			value = str_of(preset);
		}
		buf_putc(line, any ? ' ' : '(');
		imap_write_nstring(line, key);
		buf_putc(line, ' ');
		imap_write_nstring(line, value);
		any = true;
	}
	buf_add(line, any ? ")\r\n" : "NIL\r\n");
}

static bool id_wanted(const char *list, struct str key)
{
	struct str rest = str_of(list), word;

	while (str_word(&rest, &word)) {
		if (str_is(word, "*") || str_case_equal(word, key))
			return true;
	}
	return false;
}

static void log_id(struct cmd *cmd)
{
	const char *wanted = cmd->session->set->imap_id_log;
	CLEANUP(buf_free) struct buf text = buf_init(4096);
	const struct imap_arg *arg = cmd->args[0].list;
	struct str key, value;

	for (int i = 0; i < ID_PAIRS_MAX && imap_arg_astring(&arg[0], &key) &&
			arg[1].kind != IMAP_ARG_END;
	     i++, arg += 2) {
		if (!id_wanted(wanted, key))
			continue;
		if (!imap_arg_astring(&arg[1], &value))
			value = STR("NIL");
		buf_printf(&text, "%s%s=%s", text.len == 0 ? "" : ", ",
			   str_sanitize(cmd, key, 30),
			   str_sanitize(cmd, value, 200));
	}
	if (text.len > 0)
		log_info("ID sent: %s", text.data);
}

enum cmd_result cmd_id(struct cmd *cmd)
{
	if (cmd->args[0].kind == IMAP_ARG_LIST &&
	    cmd->session->set->imap_id_log[0] != '\0')
		log_id(cmd);
	tell_id(cmd->session);
	return cmd_reply(cmd, "OK ID completed");
}

/* None of our extensions changes what a client sees that does not know it, so
 * there is nothing that must be enabled first. */
enum cmd_result cmd_enable(struct cmd *cmd)
{
	for (const struct imap_arg *arg = cmd->args; arg->kind != IMAP_ARG_END;
	     arg++) {
		if (arg->kind != IMAP_ARG_ATOM)
			return cmd_bad(cmd, "Invalid arguments");
	}
	return cmd_reply(cmd, "OK Enabled");
}

/* --- NAMESPACE ------------------------------------------------------------ */

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
