/* SPDX-License-Identifier: MIT */
/*
 * imap/append.c - APPEND (RFC 3501 section 6.3.11) and MULTIAPPEND (RFC 3502).
 *
 * A literal goes to disk as it comes. When something is wrong, what the client
 * sends anyway is still read, so that none of it is taken for a command; a
 * client that waits for "+" is told at once.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "imap/cmd.h"
#include "imap/session.h"
#include "imap/sieve.h"
#include "net/conn.h"
#include "storage/storage.h"

enum append_fault { FAULT_NONE, FAULT_BAD, FAULT_NO };

struct append {
	struct cmd *cmd;
	char *name;
	struct mailbox *own; /* opened for this command */
	struct save *save;
	uint64_t left; /* of the literal */
	bool in_literal;
	unsigned messages;
	enum append_fault fault; /* the first; what comes is passed over */
	char *fault_text;
};

static int append_free(struct append *append)
{
	save_rollback(&append->save);
	mailbox_close(&append->own);
	return 0;
}

static void set_fault(struct append *append, enum append_fault fault,
		      const char *text)
{
	if (append->fault != FAULT_NONE)
		return;
	append->fault = fault;
	append->fault_text = mem_strdup(append, text);
	save_rollback(&append->save);
}

static void set_error(struct append *append, const struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(2048);

	if (err->code == ERR_NOT_FOUND)
		buf_add(&text, "[TRYCREATE] ");
	error_text(err, append->name, &text);
	set_fault(append, FAULT_NO, text.data);
}

static enum cmd_result finish(struct append *append)
{
	struct cmd *cmd = append->cmd;
	CLEANUP(buf_free) struct buf text = buf_init(SIZE_MAX);
	struct range_set uids = range_set_init(append);
	uint32_t uid_validity;
	struct err err;

	cmd->session->appending = false;
	if (cmd->session->base.closing)
		return CMD_DONE;
	if (append->fault == FAULT_NONE &&
	    save_commit(&append->save, &uid_validity, &uids, &err) < 0)
		set_error(append, &err);
	if (append->fault == FAULT_BAD)
		return cmd_bad(cmd, "%s", append->fault_text);
	if (append->fault == FAULT_NO)
		return cmd_reply(cmd, "NO %s", append->fault_text);
	cmd->session->stats.appended += append->messages;
	mailbox_close(&append->own);
	imap_sieve_appended(cmd, append->name, &uids);
	buf_printf(&text, "OK [APPENDUID %u ", uid_validity);
	range_set_write(&uids, &text);
	buf_add(&text, "] Append completed");
	return cmd_sync(cmd, TELL_SAVED, buf_steal(cmd, &text));
}

/* one message's arguments */

/* [flags] [date] literal; NULL or what is wrong. */
static const char *parse_message(struct append *append,
				 const struct imap_arg *arg,
				 struct save_options *options,
				 const struct imap_arg **stream_out)
{
	const char *problem;
	int zone;

	if (arg->kind == IMAP_ARG_LIST) {
		problem = flags_parse(append, arg, &options->flags,
				      &options->keywords);
		if (problem != NULL)
			return problem;
		arg++;
	}
	if (arg->kind == IMAP_ARG_STRING) {
		if (!imap_date_time(arg->text, &options->received, &zone))
			return "Invalid internal date";
		options->dated = true;
		arg++;
	}
	if (arg->kind == IMAP_ARG_END)
		return "Missing message size";
	if (arg->kind != IMAP_ARG_STREAM)
		return "Invalid arguments";
	*stream_out = arg;
	return NULL;
}

static const struct imap_arg *find_stream(const struct imap_arg *arg)
{
	while (arg->kind != IMAP_ARG_END && arg->kind != IMAP_ARG_STREAM)
		arg++;
	return arg->kind == IMAP_ARG_STREAM ? arg : NULL;
}

/* A client that waits need not send what there is no room for. */
static void ask_quota(struct append *append, uint64_t octets)
{
	struct err err;

	if (append->fault == FAULT_NONE &&
	    quota_test(append->cmd->session->user, append->name, octets, &err) <
		    0)
		set_error(append, &err);
}

/* Begin the message that `arg` announces. False: answer now, nothing of it
 * comes. */
static bool begin_message(struct append *append, const struct imap_arg *args)
{
	struct session *session = append->cmd->session;
	const struct imap_arg *stream = find_stream(args);
	struct save_options options = {0};
	const char *problem = parse_message(append, args, &options, &stream);
	struct err err;

	if (problem != NULL)
		set_fault(append, FAULT_BAD, problem);
	else if (stream->stream_size == 0)
		set_fault(append, FAULT_NO, "Can't save a zero byte message");
	if (append->fault == FAULT_NONE &&
	    save_mail_begin(append->save, &options, &err) < 0)
		set_error(append, &err);
	if (stream == NULL)
		return false;
	if (stream->stream_size > INT64_MAX) { /* no file may be so large */
		session_bye(session, "Literal size too large",
			    "Literal size too large");
		return false;
	}
	if (stream->stream_sync) {
		ask_quota(append, stream->stream_size);
		if (append->fault != FAULT_NONE)
			return false;
		conn_write_str(session->conn, STR("+ OK\r\n"));
		conn_flush(session->conn);
	}
	append->in_literal = true;
	append->left = stream->stream_size;
	return true;
}

/* the literal */

static void end_message(struct append *append)
{
	struct err err;

	append->in_literal = false;
	append->messages++;
	if (append->fault == FAULT_NONE &&
	    save_mail_finish(append->save, &err) < 0)
		set_error(append, &err);
}

/* False: more must come first. */
static bool take_literal(struct append *append)
{
	struct conn *conn = append->cmd->session->conn;
	struct err err;
	struct str in;

	while (append->left > 0) {
		in = conn_input(conn);
		if (in.len == 0)
			return false;
		if (in.len > append->left)
			in.len = append->left;
		if (append->fault == FAULT_NONE &&
		    save_mail_write(append->save, in.data, in.len, &err) < 0)
			set_error(append, &err);
		append->left -= in.len;
		conn_consume(conn, in.len);
	}
	end_message(append);
	return true;
}

/* the whole of it */

/* After a literal: the end of the command, or the next message. */
static enum cmd_result next_part(struct append *append, bool *again)
{
	struct session *session = append->cmd->session;
	struct imap_parser *parser = session->parser;
	const struct imap_command *parsed;

	*again = false;
	switch (session_parse(session)) {
	case IMAP_PARSE_MORE:
	case IMAP_PARSE_CONTINUE:
		return CMD_INPUT;
	case IMAP_PARSE_COMMAND:
		parsed = imap_parser_command(parser);
		if (parsed->args[0].kind != IMAP_ARG_END)
			set_fault(append, FAULT_BAD, "Invalid arguments");
		return finish(append);
	case IMAP_PARSE_STREAM:
		parsed = imap_parser_command(parser);
		*again = begin_message(append, parsed->args);
		return *again ? CMD_INPUT : finish(append);
	case IMAP_PARSE_BAD:
		set_fault(append, FAULT_BAD, "Invalid arguments");
		return finish(append);
	case IMAP_PARSE_FATAL:
		session_bye(session, imap_parser_problem(parser),
			    imap_parser_problem(parser));
		break;
	}
	return CMD_DONE;
}

static enum cmd_result append_more(struct cmd *cmd)
{
	struct append *append = cmd->state;
	enum cmd_result result;
	bool again;

	do {
		if (append->in_literal) {
			if (!take_literal(append))
				return CMD_INPUT;
			imap_parser_resume(cmd->session->parser);
		}
		result = next_part(append, &again);
	} while (again);
	return result;
}

static void open_target(struct append *append)
{
	struct session *session = append->cmd->session;
	struct err err;

	if (mailbox_open(session->user, append->name, MAILBOX_SAVE_ONLY,
			 &append->own, &err) < 0)
		set_error(append, &err);
	else
		append->save = save_begin(append, append->own);
}

enum cmd_result cmd_append(struct cmd *cmd)
{
	struct append *append = mem_new(cmd, struct append);
	struct str arg;

	append->cmd = cmd;
	talloc_set_destructor(append, append_free);
	cmd->state = append;
	cmd->more = append_more;
	if (cmd->args[0].kind == IMAP_ARG_END)
		return cmd_bad(cmd, "Missing arguments");
	if (!arg_string(&cmd->args[0], &arg)) {
		set_fault(append, FAULT_BAD, "Invalid arguments");
	} else {
		CLEANUP(buf_free) struct buf name = buf_init(arg.len * 3 + 16);

		if (!utf7_decode(arg, &name))
			set_fault(append, FAULT_NO,
				  "Mailbox name is not valid mUTF-7");
		append->name = buf_steal(append, &name);
	}
	if (append->fault == FAULT_NONE)
		open_target(append);
	cmd->session->appending = true;
	if (!begin_message(append, &cmd->args[1]))
		return finish(append);
	return append_more(cmd);
}
