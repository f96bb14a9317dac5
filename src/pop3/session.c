/* SPDX-License-Identifier: MIT */
/*
 * pop3/session.c - what pop3 has behind session/mail_session.h: the table of
 * commands, one after the other.
 */
#include "pop3/session.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/vars.h"
#include "net/conn.h"
#include "proto/pop3.h"
#include "service/service.h"
#include "storage/storage.h"

enum {
	MAX_INPUT = 64 * 1024,
	BAD_COMMANDS_MAX = 20,
	LINE_ENOUGH = 4096, /* of small answers before they go out */
};

/* answers */

void line_flush(struct session *session)
{
	if (session->line.len == 0)
		return;
	conn_write(session->conn, session->line.data, session->line.len);
	buf_reset(&session->line);
}

bool output_full(struct session *session)
{
	if (session->line.len >= LINE_ENOUGH)
		line_flush(session);
	return conn_output_full(session->conn);
}

void reply(struct session *session, const char *text)
{
	buf_add(&session->line, text);
	buf_add(&session->line, "\r\n");
}

void reply_bad(struct session *session, const char *text)
{
	buf_add(&session->line, "-ERR ");
	reply(session, text);
	if (++session->bad_commands > BAD_COMMANDS_MAX)
		mail_session_bye(&session->base, "Too many bad commands.",
				 "Too many bad commands.");
}

/* RFC 2449 section 8, RFC 3206 */
void error_text(const struct err *err, struct buf *out)
{
	switch (err->code) {
	case ERR_IN_USE:
	case ERR_CHANGED:
	case ERR_TIMEOUT:
		buf_add(out, "[IN-USE] ");
		break;
	case ERR_DENIED:
	case ERR_INVALID:
	case ERR_UNSUPPORTED:
		buf_add(out, "[SYS/PERM] ");
		break;
	case ERR_TEMPORARY:
	case ERR_NOT_FOUND:
	case ERR_EXISTS:
	case ERR_LIMIT:
	case ERR_NO_SPACE:
	case ERR_QUOTA:
	case ERR_EXPUNGED:
	case ERR_CORRUPT:
	case ERR_CLOSED:
		buf_add(out, "[SYS/TEMP] ");
		break;
	}
	internal_error_text(err, out);
}

void reply_error(struct session *session, const struct err *err)
{
	buf_add(&session->line, "-ERR ");
	error_text(err, &session->line);
	buf_add(&session->line, "\r\n");
}

/* arguments */

uint32_t msg_number(const struct session *session, const struct msg *msg)
{
	return (uint32_t)(msg - session->msgs) + 1;
}

struct msg *take_msg(struct session *session, struct str *args, bool last)
{
	CLEANUP(buf_free) struct buf problem = buf_init(SIZE_MAX);
	uint32_t number;

	if (!pop3_message_number(args, &number, &problem)) {
		reply_bad(session, problem.data);
		return NULL;
	}
	if ((last ? args->len > 0 : !str_starts(*args, " "))) {
		buf_add(&problem, "Noise after message number: ");
		buf_add_str(&problem, *args);
		reply_bad(session, problem.data);
		return NULL;
	}
	if (number == 0 || number > session->count) {
		buf_printf(&problem, "There's no message %u.", number);
		reply_bad(session, problem.data);
		return NULL;
	}
	if (session->msgs[number - 1].deleted) {
		reply_bad(session, "Message is deleted.");
		return NULL;
	}
	return &session->msgs[number - 1];
}

bool workaround(const struct session *session, const char *name)
{
	struct str rest = str_of(session->set->pop3_client_workarounds), word;

	while (str_word(&rest, &word)) {
		if (str_is(word, name))
			return true;
	}
	return false;
}

/* commands */

static void cmd_capa(struct session *session, struct str args)
{
	(void)args;
	reply(session, "+OK");
	pop3_write_capabilities(&session->line);
	reply(session, ".");
}

static void cmd_lang(struct session *session, struct str args)
{
	pop3_lang(args, &session->line);
}

static void cmd_noop(struct session *session, struct str args)
{
	(void)args;
	reply(session, "+OK");
}

/* Sorted by what is asked most. */
static const struct {
	const char *name;
	void (*run)(struct session *session, struct str args);
} commands[] = {
	{"RETR", cmd_retr}, {"TOP", cmd_top},   {"DELE", cmd_dele},
	{"LIST", cmd_list}, {"UIDL", cmd_uidl}, {"STAT", cmd_stat},
	{"QUIT", cmd_quit}, {"CAPA", cmd_capa}, {"NOOP", cmd_noop},
	{"RSET", cmd_rset}, {"LANG", cmd_lang}, {"LAST", cmd_last},
};

static void unknown(struct session *session, struct str name)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "name");

	if (name.len == 0)
		reply_bad(session, "Unknown command.");
	else
		reply_bad(session, mem_printf(ctx, "Unknown command: %s",
					      str_upper(ctx, name)));
}

static void run_command(struct session *session, const struct pop3_line *line)
{
	unsigned bad = session->bad_commands;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!str_case_is(line->name, commands[i].name) ||
		    (commands[i].run == cmd_last &&
		     !session->set->pop3_enable_last))
			continue;
		mail_session_title(&session->base, commands[i].name);
		commands[i].run(session, line->args);
		if (session->bad_commands == bad)
			session->bad_commands = 0;
		return;
	}
	unknown(session, line->name);
}

/* False: none is there yet. */
static bool next_command(struct session *session)
{
	struct str in = conn_input(session->conn);
	struct pop3_line line;
	size_t used;

	switch (pop3_line_next(in, session->set->pop3_max_line_length, &line,
			       &used)) {
	case POP3_PARSE_MORE:
		return false;
	case POP3_PARSE_TOO_LONG:
		mail_session_bye(&session->base, "Input line too long.",
				 "Input line too long");
		return true;
	case POP3_PARSE_LINE:
		break;
	}
	/* Answers collect in the line: the input stays where it is. */
	run_command(session, &line);
	conn_consume(session->conn, used);
	return true;
}

static enum session_wait run(struct mail_session *base)
{
	struct session *session = (struct session *)base;
	enum session_wait wait = SESSION_INPUT;

	while (!base->closing) {
		if (session->more != NULL) {
			wait = session->more(session);
			if (session->more != NULL)
				break;
		} else if (output_full(session)) {
			wait = SESSION_OUTPUT;
			break;
		} else if (!mail_session_goes_on(base) ||
			   !next_command(session)) {
			wait = SESSION_INPUT;
			break;
		}
	}
	line_flush(session);
	mail_session_title(base, "");
	return wait;
}

static bool busy(const struct mail_session *base)
{
	return ((const struct session *)base)->more != NULL;
}

static void say_bye(struct mail_session *base, const char *text)
{
	struct session *session = (struct session *)base;

	if (base->user != NULL)
		line_flush(session);
	conn_printf(base->conn, "-ERR %s\r\n", text);
}

static void begin(struct mail_session *base)
{
	struct session *session = (struct session *)base;

	session->conn = base->conn;
	session->user = base->user;
	session->set = base->set;
	session->line = buf_init(SIZE_MAX);
	maildrop_open(session);
}

/* the end */

static char *number_text(const void *ctx, uint64_t number)
{
	return mem_printf(ctx, "%llu", (unsigned long long)number);
}

static void close_session(struct mail_session *base)
{
	struct session *session = (struct session *)base;

	mem_free(session->retr);
	session->retr = NULL;
	maildrop_close(session);
	buf_free(&session->line);
}

static void log_end(struct mail_session *base, uint64_t autoexpunged)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "log");
	struct session *session = (struct session *)base;
	const struct session_stats *stats = &session->stats;
	const struct var vars[] = {
		{'t', "top_count", number_text(ctx, stats->top_count)},
		{'p', "top_bytes", number_text(ctx, stats->top_bytes)},
		{'r', "retr_count", number_text(ctx, stats->retr_count)},
		{'b', "retr_bytes", number_text(ctx, stats->retr_bytes)},
		{'d', "deleted_count",
		 number_text(ctx, session->quit ? session->deleted : 0)},
		{'m', "message_count", number_text(ctx, session->count)},
		{'s', "message_bytes", number_text(ctx, session->size)},
		{'u', "uidl_change", uidls_change(ctx, session)},
		{0, "deleted_bytes",
		 number_text(ctx, session->quit ? session->deleted_size : 0)},
		{0, "autoexpunged", number_text(ctx, autoexpunged)},
		{0},
	};

	if (session->set == NULL)
		return;
	mail_session_log_end(base, "pop3_logout_format",
			     session->set->pop3_logout_format, vars);
}

static const struct session_protocol protocol = {
	.name = "pop3",
	.settings = pop3_settings,
	.settings_size = sizeof(struct pop3_settings),
	.size = sizeof(struct session),
	.max_input = MAX_INPUT,
	.inactivity_ms = 10 * 60 * 1000,
	.inactive = "Inactivity - no input for 600 secs",
	.internal = "[SYS/TEMP]",
	.begin = begin,
	.run = run,
	.busy = busy,
	.bye = say_bye,
	.close = close_session,
	.log_end = log_end,
};

int pop3_sessions_init(struct service_env *env, struct err *err)
{
	return mail_sessions_init(&protocol, env, err);
}
