/* SPDX-License-Identifier: MIT */
/*
 * imap/cmd.c - the table of commands, running one, and its answers.
 */
#include "imap/cmd.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "imap/session.h"
#include "net/conn.h"
#include "storage/quota.h"
#include "storage/user.h"

enum { LINE_ENOUGH = 4096 }; /* of answers before they go out */

/* Sorted by what is asked most. */
static const struct command commands[] = {
	{"FETCH", CMD_SELECTED | CMD_UID, cmd_fetch},
	{"STORE", CMD_SELECTED | CMD_WRITES | CMD_UID, cmd_store},
	{"SEARCH", CMD_SELECTED | CMD_UID, cmd_search},
	{"SORT", CMD_SELECTED | CMD_UID, cmd_sort},
	{"THREAD", CMD_SELECTED | CMD_UID, cmd_thread},
	{"FILTER", CMD_SELECTED | CMD_WRITES | CMD_UID, cmd_filter},
	{"NOOP", 0, cmd_noop},
	{"IDLE", 0, cmd_idle},
	{"APPEND", 0, cmd_append},
	{"SELECT", 0, cmd_select},
	{"STATUS", 0, cmd_status},
	{"COPY", CMD_SELECTED | CMD_WRITES | CMD_UID, cmd_copy},
	{"MOVE", CMD_SELECTED | CMD_WRITES | CMD_UID, cmd_move},
	{"EXPUNGE", CMD_SELECTED | CMD_WRITES, cmd_expunge},
	{"EXPUNGE", CMD_SELECTED | CMD_WRITES | CMD_UID | CMD_UID_ONLY,
	 cmd_uid_expunge},
	{"LIST", 0, cmd_list},
	{"LSUB", 0, cmd_lsub},
	{"EXAMINE", 0, cmd_examine},
	{"LOGOUT", 0, cmd_logout},
	{"CAPABILITY", 0, cmd_capability},
	{"ID", 0, cmd_id},
	{"ENABLE", 0, cmd_enable},
	{"NAMESPACE", 0, cmd_namespace},
	{"CHECK", CMD_SELECTED, cmd_check},
	{"CLOSE", CMD_SELECTED, cmd_close},
	{"CANCELUPDATE", 0, cmd_cancelupdate},
	{"UNSELECT", CMD_SELECTED, cmd_unselect},
	{"CREATE", CMD_WRITES, cmd_create},
	{"DELETE", CMD_WRITES, cmd_delete},
	{"RENAME", CMD_WRITES, cmd_rename},
	{"SUBSCRIBE", CMD_WRITES, cmd_subscribe},
	{"UNSUBSCRIBE", CMD_WRITES, cmd_unsubscribe},
	{"GETMETADATA", 0, cmd_getmetadata},
	{"SETMETADATA", CMD_WRITES, cmd_setmetadata},
	{"GETQUOTA", 0, cmd_getquota},
	{"GETQUOTAROOT", 0, cmd_getquotaroot},
	{"SETQUOTA", 0, cmd_setquota},
};

const struct command *command_find(struct str name, bool uid)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *command = &commands[i];

		if (uid ? (command->flags & CMD_UID) == 0
			: (command->flags & CMD_UID_ONLY) != 0)
			continue;
		if (str_case_is(name, command->name))
			return command;
	}
	return NULL;
}

/* running */

static void cmd_end(struct cmd *cmd)
{
	struct session *session = cmd->session;

	snprintf(session->last_command, sizeof(session->last_command), "%s%s",
		 cmd->uid ? "UID " : "", cmd->command->name);
	session->last_command_end = clock_monotonic_us();
	mail_session_title(&session->base, "");
	session->cmd = NULL;
	session->appending = false;
	mem_free(cmd);
	imap_parser_reset(session->parser);
}

static void after_run(struct cmd *cmd, enum cmd_result result)
{
	uint64_t now = clock_monotonic_us();

	if (result == CMD_DONE) {
		cmd_end(cmd);
		return;
	}
	cmd->waits_for = result;
	cmd->ran += now - cmd->since;
	cmd->since = now;
}

static enum cmd_result unknown(struct cmd *cmd,
			       const struct imap_command *parsed)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "name");
	char *name = str_upper(ctx, parsed->name);
	CLEANUP(buf_free) struct buf text = buf_init(256);

	buf_printf(&text, "Error in IMAP command %s%.*s: Unknown command",
		   parsed->uid ? "UID " : "", 64, name);
	session_bad(cmd->session, str_of(cmd->tag), text.data);
	return CMD_DONE;
}

void cmd_start(struct session *session, const struct imap_command *parsed)
{
	static const struct command none = {"", 0, NULL};
	const struct command *command = command_find(parsed->name, parsed->uid);
	struct cmd *cmd = mem_new(session, struct cmd);
	enum cmd_result result;

	session->cmd = cmd;
	cmd->session = session;
	cmd->command = command == NULL ? &none : command;
	cmd->tag = str_dup(cmd, parsed->tag);
	cmd->uid = parsed->uid;
	cmd->args = parsed->args;
	cmd->bytes_in = conn_bytes_in(session->conn);
	cmd->bytes_out = conn_bytes_out(session->conn);
	cmd->since = clock_monotonic_us();
	if (command == NULL) {
		result = unknown(cmd, parsed);
	} else if ((command->flags & CMD_SELECTED) != 0 &&
		   session->box == NULL) {
		result = cmd_reply(cmd, "BAD No mailbox selected");
	} else if ((command->flags & CMD_WRITES) != 0 &&
		   user_settings(session->user)->mail_read_only) {
		result = cmd_reply(cmd, "NO [NOPERM] The session is read-only");
	} else {
		mail_session_title(&session->base, command->name);
		result = command->run(cmd);
	}
	after_run(cmd, result);
}

void cmd_continue(struct session *session)
{
	struct cmd *cmd = session->cmd;
	uint64_t now = clock_monotonic_us();

	cmd->waited += now - cmd->since;
	cmd->since = now;
	after_run(cmd, cmd->more(cmd));
}

static void seconds(char out[24], uint64_t us)
{
	uint64_t ms = (us + 999) / 1000;

	snprintf(out, 24, "%llu.%03u", (unsigned long long)(ms / 1000),
		 (unsigned)(ms % 1000));
}

char *cmd_describe(const void *ctx, const struct cmd *cmd)
{
	static const char *const states[] = {
		[CMD_DONE] = "done",
		[CMD_OUTPUT] = "wait-output",
		[CMD_INPUT] = "wait-input",
		[CMD_TURN] = "wait-unambiguity",
	};
	struct session *session = cmd->session;
	const char *waits = cmd->waits_for == CMD_OUTPUT  ? "output"
			    : cmd->waits_for == CMD_INPUT ? "input"
							  : "turn";
	char ran[24], waited[24];

	seconds(ran, cmd->ran);
	seconds(waited, cmd->waited + (clock_monotonic_us() - cmd->since));
	return mem_printf(ctx,
			  "%s%s running for %s + waiting %s for %s secs, "
			  "%llu B in + %llu B out, state=%s",
			  cmd->uid ? "UID " : "", cmd->command->name, ran,
			  waits, waited,
			  (unsigned long long)(conn_bytes_in(session->conn) -
					       cmd->bytes_in),
			  (unsigned long long)(conn_bytes_out(session->conn) -
					       cmd->bytes_out),
			  states[cmd->waits_for]);
}

/* answers */

static void add_times(struct buf *out, uint64_t ran, uint64_t waited)
{
	char a[24], b[24];

	seconds(a, ran);
	seconds(b, waited);
	buf_add(out, " (");
	buf_add(out, a);
	buf_add(out, " + ");
	buf_add(out, b);
	buf_add(out, " secs).\r\n");
}

enum cmd_result cmd_reply(struct cmd *cmd, const char *fmt, ...)
{
	struct session *session = cmd->session;
	struct buf *line = &session->line;
	va_list args;

	buf_add(line, cmd->tag);
	buf_putc(line, ' ');
	va_start(args, fmt);
	buf_vprintf(line, fmt, args);
	va_end(args);
	add_times(line, cmd->ran + clock_monotonic_us() - cmd->since,
		  cmd->waited);
	session->bad_commands = 0;
	line_flush(session);
	return CMD_DONE;
}

void session_bad(struct session *session, struct str tag, const char *problem)
{
	struct buf *line = &session->line;

	if (++session->bad_commands > session->set->imap_max_bad_commands) {
		session_bye(session, "Too many invalid IMAP commands.",
			    "Too many invalid IMAP commands.");
		return;
	}
	if (tag.len == 0)
		tag = STR("*");
	buf_add_str(line, tag);
	buf_add(line, " BAD ");
	buf_add(line, problem);
	add_times(line, 1, 0);
	line_flush(session);
}

enum cmd_result cmd_bad(struct cmd *cmd, const char *fmt, ...)
{
	CLEANUP(buf_free) struct buf text = buf_init(1024);
	va_list args;

	buf_printf(&text,
		   "Error in IMAP command %s%s: ", cmd->uid ? "UID " : "",
		   cmd->command->name);
	va_start(args, fmt);
	buf_vprintf(&text, fmt, args);
	va_end(args);
	session_bad(cmd->session, str_of(cmd->tag), text.data);
	return CMD_DONE;
}

/* Paths are the log's business. */
static const char *told(const struct err *err)
{
	if (!err->system)
		return err->text;
	log_error("%s", err->text);
	return "The file system does not allow it";
}

void error_text(const struct err *err, const char *mailbox, struct buf *out)
{
	switch (err->code) {
	case ERR_NOT_FOUND:
		buf_printf(out, "Mailbox doesn't exist: %s",
			   mailbox == NULL ? "" : mailbox);
		return;
	case ERR_EXISTS:
		buf_add(out, "[ALREADYEXISTS] Mailbox already exists");
		return;
	case ERR_DENIED:
		if (err->system)
			log_error("%s", err->text);
		buf_add(out, "[NOPERM] Permission denied");
		return;
	case ERR_INVALID:
	case ERR_UNSUPPORTED:
		buf_printf(out, "[CANNOT] %s", told(err));
		return;
	case ERR_LIMIT:
		buf_printf(out, "[LIMIT] %s", told(err));
		return;
	case ERR_QUOTA:
		if (err->system)
			log_error("%s", err->text);
		buf_printf(out, "[OVERQUOTA] %s", quota_told(err));
		return;
	case ERR_NO_SPACE:
		log_error("%s", err->text);
		buf_add(out, "[OVERQUOTA] Not enough disk space");
		return;
	case ERR_EXPUNGED:
		buf_add(out, "[EXPUNGEISSUED] Some of the requested messages "
			     "no longer exist");
		return;
	case ERR_IN_USE:
	case ERR_TIMEOUT:
		log_error("%s", err->text);
		buf_add(out, "[INUSE] Timeout while waiting for lock");
		return;
	case ERR_CHANGED:
		log_error("%s", err->text);
		buf_add(out, "[INUSE] Somebody else changes the mailbox");
		return;
	case ERR_TEMPORARY:
	case ERR_CORRUPT:
	case ERR_CLOSED:
		break;
	}
	buf_add(out, "[SERVERBUG] ");
	internal_error_text(err, out);
}

enum cmd_result cmd_error(struct cmd *cmd, const struct err *err,
			  const char *mailbox)
{
	CLEANUP(buf_free) struct buf text = buf_init(2048);

	error_text(err, mailbox, &text);
	return cmd_reply(cmd, "NO %s", text.data);
}

enum cmd_result cmd_box_error(struct cmd *cmd, const struct err *err)
{
	static const char gone[] =
		"Selected mailbox was deleted, have to disconnect.";

	if (err->code != ERR_NOT_FOUND)
		return cmd_error(cmd, err, NULL);
	session_bye(cmd->session, gone, gone);
	return CMD_DONE;
}

/* writing */

void line_flush(struct session *session)
{
	if (session->line.len == 0)
		return;
	conn_write(session->conn, session->line.data, session->line.len);
	buf_reset(&session->line);
}

bool output_full(struct session *session)
{
	if (session->line.len > LINE_ENOUGH)
		line_flush(session);
	return conn_output_full(session->conn);
}
