/* SPDX-License-Identifier: MIT */
#include "submission/session.h"

#include <stdarg.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/vars.h"
#include "delivery/deliver.h"
#include "delivery/settings.h"
#include "net/conn.h"
#include "service/service.h"
#include "service/smtp_client.h"

enum {
	INPUT_MAX = 128 * 1024,
	LINE_MAX_OCTETS = 4096,
	TEXT_MAX = 16 * 1024,
	BAD_COMMANDS_MAX = 10,
	INACTIVITY_MS = 10 * 60 * 1000,
};

/* answers */

void submission_reply(struct submission *session, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = mem_vprintf(session, fmt, args);
	va_end(args);
	conn_printf(session->base.conn, "%s\r\n", text);
	session->reply_count++;
	mem_free(text);
}

void submission_pass(struct submission *session, const struct smtp_reply *reply)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "reply");
	struct str rest = str_of(reply->text), line;
	size_t len = smtp_status_length(reply->text);
	const char *status =
		len > 0 ? mem_strndup(ctx, reply->text, len)
			: mem_printf(ctx, "%u.0.0", reply->code / 100);

	while (str_split(&rest, '\n', &line)) {
		char *text = str_dup(ctx, line);

		conn_printf(
			session->base.conn, "%u%c%s %s\r\n", reply->code,
			rest.data == NULL ? ' ' : '-', status,
			str_trim(str_of(text + smtp_status_length(text))).data);
	}
	session->reply_count++;
}

static const char *state_name(enum submission_state state)
{
	static const char *const names[] = {"GREETING", "READY", "MAIL FROM",
					    "RCPT TO",  "DATA",  "DATA"};

	return names[state];
}

/* "unfinished DATA command) (state=DATA", in parentheses itself. */
static const char *describe(struct mail_session *base)
{
	struct submission *session = (struct submission *)base;
	const char *state = state_name(session->state);

	if (session->command == NULL)
		return mem_printf(session, "state=%s", state);
	return mem_printf(session, "unfinished %s command) (state=%s",
			  session->command, state);
}

void submission_end(struct submission *session, const char *bye,
		    const char *reason)
{
	mail_session_bye(&session->base, bye,
			 mem_printf(session, "%s (%s)", reason,
				    describe(&session->base)));
}

void submission_bad(struct submission *session, const char *text)
{
	if (++session->bad_commands <= BAD_COMMANDS_MAX) {
		submission_reply(session, "%s", text);
		return;
	}
	submission_end(session,
		       mem_printf(session,
				  "421 4.7.0 %s Too many invalid commands.",
				  session->hostname),
		       "Too many invalid commands.");
}

/* the transaction */

static void ignore(void *ctx, const struct smtp_reply *reply)
{
	(void)ctx;
	(void)reply;
}

void submission_reset(struct submission *session)
{
	if (session->from != NULL && !session->mail_refused &&
	    session->relay != NULL && !smtp_client_gone(session->relay))
		smtp_client_command(session->relay, "RSET", ignore, session);
	mem_free(session->ctx);
	session->ctx = mem_ctx(session, "transaction");
	session->transaction_id = session->from = session->only_rcpt = NULL;
	session->mail_refused = session->binary = false;
	session->rcpt_count = 0;
	session->spool = NULL;
	session->chunking = session->chunk_failed = false;
	session->state = SUBMISSION_READY;
}

/* input */

/* Whether there is a line now. */
static bool take_line(struct submission *session, struct str in)
{
	size_t used;
	enum smtp_parse parsed =
		smtp_parser_feed(session->parser, in, &used, &session->line);

	session->held = parsed != SMTP_PARSE_MORE;
	session->line_problem =
		parsed == SMTP_PARSE_TOO_LONG ? "500 5.5.2 Line too long"
		: parsed == SMTP_PARSE_BAD ? "500 5.5.2 Invalid command syntax"
					   : NULL;
	conn_consume(session->base.conn, used);
	return session->held || used < in.len;
}

/* False when the line has to wait. */
static bool run_line(struct submission *session)
{
	if (session->line_problem == NULL)
		return submission_command(session, &session->line);
	if (session->waiting > 0)
		return false;
	submission_bad(session, session->line_problem);
	return true;
}

/* False when nothing can be done. */
static bool step(struct submission *session)
{
	struct str in = conn_input(session->base.conn);

	if (session->held) {
		session->held = !run_line(session);
		return !session->held;
	}
	if (in.len == 0)
		return false;
	if (session->state == SUBMISSION_DATA)
		conn_consume(session->base.conn,
			     submission_data_feed(session, in));
	else if (session->state == SUBMISSION_CHUNK)
		conn_consume(session->base.conn,
			     submission_chunk_feed(session, in));
	else
		return take_line(session, in);
	return true;
}

static enum session_wait run(struct mail_session *base)
{
	struct submission *session = (struct submission *)base;
	enum session_wait wait = SESSION_INPUT;

	conn_cork(base->conn, true);
	while (mail_session_goes_on(base)) {
		if (conn_output_full(base->conn)) {
			wait = SESSION_OUTPUT;
			break;
		}
		if (!step(session))
			break;
	}
	conn_cork(base->conn, false);
	/* The relay is asked. */
	return session->held && wait == SESSION_INPUT ? SESSION_WAKE : wait;
}

/* beginning and end */

static bool busy(const struct mail_session *base)
{
	return ((const struct submission *)base)->waiting > 0;
}

/* A reply, or a text of mail_session.c's. */
static void say_bye(struct mail_session *base, const char *text)
{
	struct submission *session = (struct submission *)base;

	if (text[0] >= '0' && text[0] <= '9')
		submission_reply(session, "%s", text);
	else
		submission_reply(session, "421 %s %s %s",
				 str_starts(str_of(text), "Disconnected for")
					 ? "4.4.2"
					 : "4.3.2",
				 session->hostname, text);
}

static void begin(struct mail_session *base)
{
	struct submission *session = (struct submission *)base;
	const struct submission_settings *set = base->set;
	const struct lda_settings names = {.hostname = set->hostname};
	struct str helo = base->login->tag;

	session->set = set;
	session->hostname = lda_hostname(session, &names);
	session->id = delivery_id(session);
	/* Whoever took a login process over must not write into Received. */
	session->helo =
		smtp_helo_clean(session, helo.len == 0 ? STR("unknown") : helo);
	session->parser = smtp_parser_new(session, LINE_MAX_OCTETS);
	session->chunk = buf_init(INPUT_MAX);
	session->ctx = mem_ctx(session, "transaction");
	if (set->submission_relay_host[0] == '\0') {
		log_error("No relay host configured for submission proxy "
			  "(submission_relay_host is unset)");
		submission_end(session,
			       "451 4.3.5 Internal error occurred. Refer to "
			       "server log for more information.",
			       "No relay host configured");
		return;
	}
	submission_reply(session, "235 2.7.0 Logged in.");
	relay_begin(session);
}

static void close_session(struct mail_session *base)
{
	struct submission *session = (struct submission *)base;

	smtp_client_quit(&session->relay);
	buf_free(&session->chunk);
}

static char *number_text(const void *ctx, uint64_t number)
{
	return mem_printf(ctx, "%llu", (unsigned long long)number);
}

static void log_end(struct mail_session *base, uint64_t autoexpunged)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "log");
	const struct submission *session = (const struct submission *)base;
	const struct var vars[] = {
		{0, "command_count", number_text(ctx, session->command_count)},
		{0, "reply_count", number_text(ctx, session->reply_count)},
		{0, "transaction_id",
		 session->transaction_id == NULL ? ""
						 : session->transaction_id},
		{0},
	};

	(void)autoexpunged;
	if (session->set != NULL)
		mail_session_log_end(base, "submission_logout_format",
				     session->set->submission_logout_format,
				     vars);
}

static const struct session_protocol protocol = {
	.name = "submission",
	.settings = submission_settings,
	.settings_size = sizeof(struct submission_settings),
	.size = sizeof(struct submission),
	.max_input = INPUT_MAX,
	.inactivity_ms = INACTIVITY_MS,
	.inactive = "Disconnected for inactivity",
	.internal = "451 4.7.0",
	.begin = begin,
	.run = run,
	.busy = busy,
	.bye = say_bye,
	.describe = describe,
	.close = close_session,
	.log_end = log_end,
};

int submission_sessions_init(struct service_env *env, struct err *err)
{
	return mail_sessions_init(&protocol, env, err);
}
