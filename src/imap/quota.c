/* SPDX-License-Identifier: MIT */
/*
 * imap/quota.c - GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208), where
 * mail_plugins has imap_quota. Limits come from the configuration and userdb:
 * nobody sets them here.
 */
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/session.h"
#include "storage/storage.h"

bool imap_quota_on(const struct session *session)
{
	return quota_wanted(session->user) &&
	       str_has_item(user_settings(session->user)->mail_plugins,
			    STR("imap_quota"));
}

static bool is_off(struct cmd *cmd)
{
	if (imap_quota_on(cmd->session))
		return false;
	cmd_bad(cmd, "Unknown command");
	return true;
}

static enum cmd_result fail(struct cmd *cmd, const struct err *err)
{
	log_error("%s", err->text);
	return cmd_reply(cmd, "NO Internal quota calculation error");
}

static void write_resource(struct buf *line, const char *name, uint64_t used,
			   uint64_t limit, char *before)
{
	if (limit == 0)
		return;
	buf_printf(line, "%c%s %llu %llu", *before, name,
		   (unsigned long long)used, (unsigned long long)limit);
	*before = ' ';
}

static bool is_limited(const struct quota_state *state)
{
	return state->bytes_limit != 0 || state->messages_limit != 0;
}

/* A root without limits has nothing to tell. */
static void write_quota(struct buf *line, const struct quota_state *state)
{
	char before = '(';

	if (!is_limited(state))
		return;
	buf_add(line, "* QUOTA ");
	imap_write_astring(line, str_of(state->name));
	buf_putc(line, ' ');
	write_resource(line, "STORAGE", quota_kilo(state->bytes),
		       quota_kilo(state->bytes_limit), &before);
	write_resource(line, "MESSAGE", state->messages, state->messages_limit,
		       &before);
	buf_add(line, ")\r\n");
}

enum cmd_result cmd_getquotaroot(struct cmd *cmd)
{
	struct buf *line = &cmd->session->line;
	struct quota_state *states;
	size_t count;
	struct str arg;
	struct err err;
	bool any = false;
	char *name;

	if (is_off(cmd) || !cmd_strings(cmd, 1, &arg))
		return CMD_DONE;
	name = cmd_mailbox_name(cmd, arg);
	if (name == NULL)
		return CMD_DONE;
	if (quota_states(cmd, cmd->session->user, name, &states, &count, &err) <
	    0)
		return fail(cmd, &err);
	for (size_t i = 0; i < count; i++)
		any |= !states[i].hidden && is_limited(&states[i]);
	if (!any)
		return cmd_reply(cmd, "OK No quota");
	buf_add(line, "* QUOTAROOT ");
	imap_write_astring(line, arg);
	for (size_t i = 0; i < count; i++) {
		if (states[i].hidden)
			continue;
		buf_putc(line, ' ');
		imap_write_astring(line, str_of(states[i].name));
	}
	buf_add(line, "\r\n");
	for (size_t i = 0; i < count; i++) {
		if (!states[i].hidden)
			write_quota(line, &states[i]);
	}
	return cmd_reply(cmd, "OK Getquotaroot completed");
}

enum cmd_result cmd_getquota(struct cmd *cmd)
{
	struct quota_state *states;
	size_t count;
	struct str root;
	struct err err;

	if (is_off(cmd) || !cmd_strings(cmd, 1, &root))
		return CMD_DONE;
	if (quota_states(cmd, cmd->session->user, NULL, &states, &count, &err) <
	    0)
		return fail(cmd, &err);
	for (size_t i = 0; i < count; i++) {
		if (!str_is(root, states[i].name))
			continue;
		write_quota(&cmd->session->line, &states[i]);
		return cmd_reply(cmd, "OK Getquota completed");
	}
	return cmd_reply(cmd, "NO Quota root doesn't exist");
}

enum cmd_result cmd_setquota(struct cmd *cmd)
{
	struct str root;

	if (is_off(cmd))
		return CMD_DONE;
	if (!arg_string(&cmd->args[0], &root) ||
	    cmd->args[1].kind == IMAP_ARG_END)
		return cmd_bad(cmd, "Missing arguments");
	return cmd_reply(cmd, "NO Quota can be changed only by admin");
}
