/* SPDX-License-Identifier: MIT */
/*
 * managesieve/session.c - what managesieve has behind session/mail_session.h:
 * the table of commands, one after the other.
 */
#include "managesieve/session.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/vars.h"
#include "net/conn.h"
#include "scripts/scripts.h"
#include "service/service.h"
#include "sieve/engine.h"
#include "storage/user.h"

enum {
	MAX_INPUT = 64 * 1024,
	BAD_COMMANDS_MAX = 20,
	OUT_ENOUGH = 4096, /* of answers before they go out */
	NAME_SHOWN_MAX = 64,
	SASL_MAX = 1024,
	MISTAKES_LOGGED = 50, /* of one session: who makes many fills disks */
};

/* answers */

void reply_ok(struct session *session, const char *text)
{
	msieve_write_reply(&session->out, "OK", "", str_of(text));
}

void reply_no(struct session *session, const char *code, const char *text)
{
	msieve_write_reply(&session->out, "NO", code, str_of(text));
}

void reply_bad(struct session *session, const char *text)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "bad");
	const struct msieve_command *command = msieve_command(session->parser);
	char *name = str_upper(
		ctx, str_of(str_sanitize(ctx, command->name, NAME_SHOWN_MAX)));

	session->bad_commands++;
	reply_no(session, "",
		 mem_printf(ctx, "Error in MANAGESIEVE command %s: %s", name,
			    text));
	if (session->bad_commands >= BAD_COMMANDS_MAX)
		mail_session_bye(&session->base,
				 "Too many invalid MANAGESIEVE commands.",
				 "Too many invalid MANAGESIEVE commands.");
}

/* RFC 5804 section 1.3. */
static const char *code_of(const struct err *err, bool *public_out)
{
	*public_out = true;
	switch (err->code) {
	case ERR_NOT_FOUND:
		return "NONEXISTENT";
	case ERR_EXISTS:
		return "ALREADYEXISTS";
	case ERR_IN_USE:
		return "ACTIVE";
	case ERR_INVALID:
	case ERR_DENIED:
		return "";
	case ERR_NO_SPACE:
	case ERR_QUOTA:
		*public_out = false;
		return "QUOTA";
	default:
		*public_out = false;
		return "TRYLATER";
	}
}

static void log_mistake(struct session *session, const char *what,
			const char *why)
{
	if (session->mistakes++ >= MISTAKES_LOGGED)
		return;
	log_info("%s: %s%s", what, why,
		 session->mistakes == MISTAKES_LOGGED
			 ? " (what fails from now on is not logged)"
			 : "");
}

void reply_error(struct session *session, struct err *err, const char *fmt, ...)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "error");
	CLEANUP(buf_free) struct buf text = buf_init(1024);
	va_list args;
	bool public;
	const char *code = code_of(err, &public);
	char *what;

	if (public)
		buf_add(&text, err->text);
	else
		internal_error_text(err, &text);
	va_start(args, fmt);
	what = mem_vprintf(ctx, fmt, args);
	va_end(args);
	log_mistake(session, str_sanitize(ctx, str_of(what), 512), text.data);
	reply_no(session, code, text.data);
}

/* small commands */

static void write_pair(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "\"%s\" ", name);
	msieve_write_string(out, str_of(value));
	buf_add(out, "\r\n");
}

struct lists {
	const void *ctx;
	const struct user *user;
};

static const char *list_name(void *ctx, unsigned number)
{
	const struct lists *lists = ctx;

	return user_plugin(lists->ctx, lists->user,
			   mem_printf(lists->ctx, "sieve_list%u_name", number));
}

/* What this user's scripts may do. */
static void cmd_capability(struct session *session,
			   const struct msieve_command *command)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "capability");
	const struct sieve_engine *engine = session->scripts->engine;
	struct lists lists = {ctx, session->scripts->user};

	(void)command;
	write_pair(&session->out, "IMPLEMENTATION",
		   session->set->managesieve_implementation_string);
	write_pair(&session->out, "SIEVE",
		   sieve_engine_capability(ctx, engine, false));
	write_pair(
		&session->out, "MAXREDIRECTS",
		mem_printf(ctx, "%u",
			   sieve_engine_settings(engine)->sieve_max_redirects));
	if (sieve_engine_find(engine, STR("enotify"), false) != NULL)
		write_pair(&session->out, "NOTIFY", "mailto");
	if (sieve_engine_find(engine, STR("extlists"), false) != NULL)
		msieve_write_extlists(&session->out, list_name, &lists);
	write_pair(&session->out, "OWNER", user_name(session->scripts->user));
	write_pair(&session->out, "VERSION", "1.0");
	reply_ok(session, "Capability completed.");
}

static void cmd_logout(struct session *session,
		       const struct msieve_command *command)
{
	(void)command;
	reply_ok(session, "Logout completed.");
	mail_session_bye(&session->base, NULL, "Logged out");
}

static void cmd_noop(struct session *session,
		     const struct msieve_command *command)
{
	if (command->count == 0) {
		reply_ok(session, "NOOP Completed");
	} else if (command->args[0].kind != MSIEVE_STRING) {
		reply_no(session, "", "Invalid echo tag.");
	} else {
		buf_add(&session->out, "OK (TAG ");
		msieve_write_string(&session->out, command->args[0].text);
		buf_add(&session->out, ") \"Done\"\r\n");
	}
}

/* running them */

/* min..max arguments; `words`: all of them are strings, "s", or whatever the
 * command itself complains of. */
static const struct command_row {
	const char *name;
	size_t min, max;
	bool strings;
	void (*run)(struct session *session,
		    const struct msieve_command *command);
	const char *missing, *extra; /* Pigeonhole's words */
} commands[] = {
	{"CAPABILITY", 0, 0, true, cmd_capability, "", ""},
	{"CHECKSCRIPT", 1, 1, true, cmd_checkscript, "Invalid arguments.",
	 "Too many command arguments."},
	{"DELETESCRIPT", 1, 1, true, cmd_deletescript, "", ""},
	{"GETSCRIPT", 1, 1, true, cmd_getscript, "", ""},
	{"HAVESPACE", 2, 2, false, cmd_havespace, "", ""},
	{"LISTSCRIPTS", 0, 0, true, cmd_listscripts, "", ""},
	{"LOGOUT", 0, 0, true, cmd_logout, "", ""},
	{"NOOP", 0, 1, false, cmd_noop, "", ""},
	{"PUTSCRIPT", 2, 2, true, cmd_putscript, "Invalid arguments.",
	 "Too many command arguments."},
	{"RENAMESCRIPT", 2, 2, true, cmd_renamescript, "", ""},
	{"SETACTIVE", 1, 1, true, cmd_setactive, "", ""},
};

static const char *first_of(const char *text, const char *other)
{
	return text[0] == '\0' ? other : text;
}

/* NULL: the arguments are right. */
static const char *wrong_arguments(const struct command_row *row,
				   const struct msieve_command *command)
{
	if (command->count < row->min)
		return first_of(row->missing, "Missing arguments.");
	if (command->count > row->max)
		return first_of(row->extra, "Too many arguments.");
	for (size_t i = 0; row->strings && i < command->count; i++) {
		if (command->args[i].kind != MSIEVE_STRING)
			return "Invalid arguments.";
	}
	return NULL;
}

static void run_command(struct session *session)
{
	const struct msieve_command *command = msieve_command(session->parser);
	const char *wrong;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!str_case_is(command->name, commands[i].name))
			continue;
		wrong = wrong_arguments(&commands[i], command);
		if (wrong != NULL) {
			reply_bad(session, wrong);
			return;
		}
		session->bad_commands = 0;
		mail_session_title(&session->base, commands[i].name);
		commands[i].run(session, command);
		return;
	}
	reply_bad(session, "Unknown command.");
}

/* False: none is there yet. */
static bool next_command(struct session *session)
{
	struct msieve_parser *parser = session->parser;
	size_t used;
	enum msieve_parse result =
		msieve_feed(parser, conn_input(session->base.conn), &used);

	conn_consume(session->base.conn, used);
	switch (result) {
	case MSIEVE_MORE:
		return false;
	case MSIEVE_COMMAND:
		run_command(session);
		msieve_next(parser, false);
		break;
	case MSIEVE_BAD:
		reply_bad(session, msieve_problem(parser));
		break;
	case MSIEVE_TOO_LONG:
		reply_bad(session, "Too long argument.");
		break;
	case MSIEVE_LARGE_SCRIPT:
		refuse_script(session, msieve_command(parser),
			      msieve_size(parser));
		break;
	case MSIEVE_LARGE_LITERAL:
		mail_session_bye(&session->base, "Literal size too large",
				 "Literal size too large");
		break;
	}
	return true;
}

static void flush(struct session *session)
{
	if (session->out.len > 0)
		conn_write(session->base.conn, session->out.data,
			   session->out.len);
	buf_free(&session->out);
	session->out = buf_init(SIZE_MAX);
}

static bool output_full(struct session *session)
{
	if (session->out.len >= OUT_ENOUGH)
		flush(session);
	return conn_output_full(session->base.conn);
}

static enum session_wait run(struct mail_session *base)
{
	struct session *session = (struct session *)base;
	enum session_wait wait = SESSION_INPUT;

	while (mail_session_goes_on(base)) {
		if (output_full(session)) {
			wait = SESSION_OUTPUT;
			break;
		}
		if (!next_command(session))
			break;
	}
	flush(session);
	mail_session_title(base, "");
	return wait;
}

/* A command is done when it returns. */
static bool busy(const struct mail_session *base)
{
	(void)base;
	return false;
}

static void say_bye(struct mail_session *base, const char *text)
{
	struct session *session = (struct session *)base;
	CLEANUP(buf_free) struct buf out = buf_init(2048);

	flush(session);
	msieve_write_reply(&out, "BYE", "", str_trim(str_of(text)));
	conn_write(base->conn, out.data, out.len);
}

/* beginning and end */

/* With what SASL says last (RFC 5804 section 2.1). */
static void say_logged_in(struct session *session, struct str sasl)
{
	char code[SASL_MAX] = "";

	if (sasl.len > 0)
		snprintf(code, sizeof(code), "SASL \"%.*s\"", STR_FMT(sasl));
	msieve_write_reply(&session->out, "OK", code, STR("Logged in."));
}

static void begin(struct mail_session *base)
{
	struct session *session = (struct session *)base;
	CLEANUP(buf_free) struct buf text = buf_init(1024);
	const struct managesieve_settings *set = base->set;
	struct msieve_limits limits = {
		.max_line = (size_t)set->managesieve_max_line_length,
	};
	struct err err;

	session->set = set;
	session->out = buf_init(SIZE_MAX);
	if (scripts_new(session, base->user, set->recipient_delimiter,
			scripts_upload_options(base->user), &session->scripts,
			&err) < 0) {
		internal_error_text(&err, &text);
		mail_session_bye(base, text.data,
				 "Failed to open script storage");
		return;
	}
	if (session->scripts->set.sieve[0] == '\0') {
		mail_session_bye(base,
				 "This user cannot manage personal Sieve "
				 "scripts.",
				 "The setting sieve is empty");
		return;
	}
	limits.max_script = sieve_engine_settings(session->scripts->engine)
				    ->sieve_max_script_size;
	if (limits.max_script == 0 || limits.max_script > INT32_MAX)
		limits.max_script = INT32_MAX;
	session->parser = msieve_parser_new(session, &limits);
	say_logged_in(session, base->login->tag);
}

static void close_session(struct mail_session *base)
{
	buf_free(&((struct session *)base)->out);
}

static char *number_text(const void *ctx, uint64_t number)
{
	return mem_printf(ctx, "%llu", (unsigned long long)number);
}

static void log_end(struct mail_session *base, uint64_t autoexpunged)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "log");
	const struct session *session = (const struct session *)base;
	const struct session_stats *stats = &session->stats;
	const struct var vars[] = {
		{0, "put_bytes", number_text(ctx, stats->put_bytes)},
		{0, "put_count", number_text(ctx, stats->put_count)},
		{0, "get_bytes", number_text(ctx, stats->get_bytes)},
		{0, "get_count", number_text(ctx, stats->get_count)},
		{0, "check_bytes", number_text(ctx, stats->check_bytes)},
		{0, "check_count", number_text(ctx, stats->check_count)},
		{0, "deleted_count", number_text(ctx, stats->deleted_count)},
		{0, "renamed_count", number_text(ctx, stats->renamed_count)},
		{0},
	};

	(void)autoexpunged;
	if (session->set != NULL)
		mail_session_log_end(base, "managesieve_logout_format",
				     session->set->managesieve_logout_format,
				     vars);
}

static const struct session_protocol protocol = {
	.name = "sieve",
	.service = "managesieve",
	.settings = managesieve_settings,
	.settings_size = sizeof(struct managesieve_settings),
	.size = sizeof(struct session),
	.max_input = MAX_INPUT,
	.inactivity_ms = 30 * 60 * 1000,
	.inactive = "Inactivity - no input for 1800 secs",
	.internal = "",
	.terse = true,
	.begin = begin,
	.run = run,
	.busy = busy,
	.bye = say_bye,
	.close = close_session,
	.log_end = log_end,
};

int managesieve_sessions_init(struct service_env *env, struct err *err)
{
	return mail_sessions_init(&protocol, env, err);
}
