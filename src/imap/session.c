/* SPDX-License-Identifier: MIT */
/*
 * imap/session.c - what imap has behind session/mail_session.h: settings, the
 * parser, one command after the other.
 */
#include "imap/session.h"
#include "imap/sieve.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/vars.h"
#include "imap/cmd.h"
#include "imap/context.h"
#include "net/conn.h"
#include "service/service.h"
#include "storage/storage.h"

enum {
	MAX_INPUT = 64 * 1024, /* read at once; literals are streamed */
	KEEP_LINE = 4096,      /* what an idle session may hold on to */
};

static char *shared_capability;

static const char default_capability[] =
	"IMAP4rev1 SASL-IR ID ENABLE IDLE SORT SORT=DISPLAY THREAD=REFERENCES "
	"THREAD=REFS THREAD=ORDEREDSUBJECT MULTIAPPEND UNSELECT CHILDREN "
	"NAMESPACE UIDPLUS LIST-EXTENDED CONDSTORE QRESYNC ESEARCH ESORT "
	"SEARCHRES WITHIN CONTEXT=SEARCH LIST-STATUS MOVE SNIPPET=FUZZY "
	"PREVIEW=FUZZY PREVIEW "
	"STATUS=SIZE SAVEDATE OBJECTID SPECIAL-USE";

/* settings */

static char *make_capability(const void *ctx, const struct imap_settings *set)
{
	const char *extra = set->imap_capability;
	const char *literal = set->imap_literal_minus ? "LITERAL-" : "LITERAL+";
	const char *metadata = set->imap_metadata ? " METADATA" : "";

	if (extra[0] != '\0' && extra[0] != '+')
		return mem_strdup(ctx, extra);
	if (extra[0] == '+' && extra[1] != '\0')
		return mem_printf(ctx, "%s %s%s %s", default_capability,
				  literal, metadata, extra + 1);
	return mem_printf(ctx, "%s %s%s", default_capability, literal,
			  metadata);
}

const char *session_capability(const struct session *session)
{
	if (!session->base.own_set)
		return shared_capability;
	return make_capability(session, session->set);
}

static unsigned parse_workarounds(const char *text)
{
	static const struct {
		const char *name;
		unsigned flag;
	} names[] = {
		{"delay-newmail", WORKAROUND_DELAY_NEWMAIL},
		{"tb-extra-mailbox-sep", WORKAROUND_EXTRA_MAILBOX_SEP},
		{"tb-lsub-flags", WORKAROUND_LSUB_FLAGS},
	};
	struct str rest = str_of(text), word;
	unsigned flags = 0;

	while (str_word(&rest, &word)) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			if (str_is(word, names[i].name))
				flags |= names[i].flag;
		}
	}
	return flags;
}

/* the end */

static char *number_text(const void *ctx, uint64_t number)
{
	return mem_printf(ctx, "%llu", (unsigned long long)number);
}

static void log_end(struct mail_session *base, uint64_t autoexpunged)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "log");
	struct session *session = (struct session *)base;
	const struct session_stats *stats = &session->stats;
	const struct var vars[] = {
		{0, "fetch_hdr_count", number_text(ctx, stats->hdr_count)},
		{0, "fetch_hdr_bytes", number_text(ctx, stats->hdr_bytes)},
		{0, "fetch_body_count", number_text(ctx, stats->body_count)},
		{0, "fetch_body_bytes", number_text(ctx, stats->body_bytes)},
		{0, "deleted", number_text(ctx, stats->deleted)},
		{0, "expunged", number_text(ctx, stats->expunged)},
		{0, "trashed", number_text(ctx, stats->trashed)},
		{0, "appended", number_text(ctx, stats->appended)},
		{0, "autoexpunged", number_text(ctx, autoexpunged)},
		{0},
	};

	mail_session_log_end(base, "imap_logout_format",
			     session->set->imap_logout_format, vars);
}

/* How the session stood when the client went away. */
static const char *describe(struct mail_session *base)
{
	struct session *session = (struct session *)base;
	uint64_t ago;

	if (session->cmd != NULL)
		return cmd_describe(session, session->cmd);
	if (session->last_command[0] == '\0')
		return "No commands sent";
	ago = (clock_monotonic_us() - session->last_command_end + 999) / 1000;
	return mem_printf(session, "%s finished %llu.%03u secs ago",
			  session->last_command,
			  (unsigned long long)(ago / 1000),
			  (unsigned)(ago % 1000));
}

static void close_session(struct mail_session *base)
{
	struct session *session = (struct session *)base;

	mem_free(session->cmd);
	session->cmd = NULL;
	session_deselect(session);
	buf_free(&session->line);
}

static void say_bye(struct mail_session *base, const char *text)
{
	struct session *session = (struct session *)base;

	if (session->user != NULL) /* else there never was a line */
		line_flush(session);
	conn_write_str(base->conn, STR("* BYE "));
	conn_write_str(base->conn, str_of(text));
	conn_write_str(base->conn, STR("\r\n"));
}

void session_bye(struct session *session, const char *text, const char *reason)
{
	mail_session_bye(&session->base, text, reason);
}

void session_deselect(struct session *session)
{
	mailbox_close(&session->box);
	range_set_clear(&session->saved);
	contexts_end(session);
	session->keywords_told = 0;
}

/* input */

enum imap_parse session_parse(struct session *session)
{
	enum imap_parse result;
	struct str in;
	size_t used;

	do {
		in = conn_input(session->conn);
		if (in.len == 0)
			return IMAP_PARSE_MORE;
		result = imap_parser_feed(session->parser, in, &used);
		conn_consume(session->conn, used);
		if (result == IMAP_PARSE_CONTINUE) {
			line_flush(session);
			conn_write_str(session->conn, STR("+ OK\r\n"));
			conn_flush(session->conn);
		}
	} while (result == IMAP_PARSE_CONTINUE || result == IMAP_PARSE_MORE);
	return result;
}

/* The next command of the client; false: none is there yet. */
static bool next_command(struct session *session)
{
	struct imap_parser *parser = session->parser;

	switch (session_parse(session)) {
	case IMAP_PARSE_MORE:
	case IMAP_PARSE_CONTINUE:
		return false;
	case IMAP_PARSE_COMMAND:
	case IMAP_PARSE_STREAM:
		cmd_start(session, imap_parser_command(parser));
		break;
	case IMAP_PARSE_BAD:
		session_bad(session, imap_parser_command(parser)->tag,
			    imap_parser_problem(parser));
		imap_parser_reset(parser);
		break;
	case IMAP_PARSE_FATAL:
		session_bye(session, imap_parser_problem(parser),
			    imap_parser_problem(parser));
		break;
	}
	return true;
}

/* What an idle session does without. */
static void rest(struct session *session)
{
	if (session->line.cap > KEEP_LINE) {
		size_t max = session->line.max;

		buf_free(&session->line);
		session->line = buf_init(max);
	}
}

static enum session_wait run(struct mail_session *base)
{
	struct session *session = (struct session *)base;

	if (session->cmd != NULL)
		cmd_continue(session);
	while (mail_session_goes_on(base) && session->cmd == NULL &&
	       !conn_output_full(session->conn) && next_command(session))
		;
	line_flush(session);
	rest(session);
	base->patient = session->idling;
	if (session->cmd == NULL)
		return conn_output_full(session->conn) ? SESSION_OUTPUT
						       : SESSION_INPUT;
	switch (session->cmd->waits_for) {
	case CMD_OUTPUT:
		return SESSION_OUTPUT;
	case CMD_TURN:
		return SESSION_TURN;
	case CMD_DONE:
	case CMD_INPUT:
		break;
	}
	return SESSION_INPUT;
}

static bool busy(const struct mail_session *base)
{
	const struct session *session = (const struct session *)base;

	return session->cmd != NULL && session->cmd->waits_for != CMD_INPUT;
}

/* the beginning */

static bool want_stream(const struct imap_command *command, size_t before,
			void *ctx)
{
	struct session *session = ctx;

	/* Not the mailbox's name, but what follows it. */
	return session->appending || (str_case_is(command->name, "APPEND") &&
				      !command->uid && before > 0);
}

static void make_parser(struct session *session)
{
	const struct imap_settings *set = session->set;
	const struct imap_limits limits = {
		.max_line = set->imap_max_line_length,
		.max_literal = set->imap_max_line_length,
		.max_command = set->imap_max_line_length,
		.max_args = set->imap_max_arguments,
		.max_depth = set->imap_max_nesting,
		.literal_minus = set->imap_literal_minus,
	};

	session->parser = imap_parser_new(session, &limits);
	imap_parser_set_stream(session->parser, want_stream, session);
}

static void greet(struct session *session)
{
	const struct service_session *login = session->base.login;
	struct conn *conn = session->conn;

	conn_write_str(conn, login->alone ? STR("* PREAUTH") : login->tag);
	conn_write_str(conn, login->alone ? STR(" [CAPABILITY ")
					  : STR(" OK [CAPABILITY "));
	conn_write_str(conn, str_of(session_capability(session)));
	conn_write_str(conn, str_of(imap_sieve_capability(session->sieve)));
	if (imap_quota_on(session))
		conn_write_str(conn, STR(" QUOTA"));
	conn_write_str(conn, STR("] Logged in"));
	if (login->alone) {
		conn_write_str(conn, STR(" as "));
		conn_write_str(conn, str_of(user_name(session->user)));
	}
	conn_write_str(conn, STR("\r\n"));
}

static void begin(struct mail_session *base)
{
	struct session *session = (struct session *)base;

	session->env = base->env;
	session->conn = base->conn;
	session->user = base->user;
	session->set = base->set;
	session->workarounds =
		parse_workarounds(session->set->imap_client_workarounds);
	session->saved = range_set_init(session);
	session->changed_uids = range_set_init(session);
	session->line = buf_init(SIZE_MAX);
	make_parser(session);
	session->sieve = imap_sieve_new(session);
	greet(session);
}

static const struct session_protocol protocol = {
	.name = "imap",
	.settings = imap_settings,
	.settings_size = sizeof(struct imap_settings),
	.size = sizeof(struct session),
	.max_input = MAX_INPUT,
	.inactivity_ms = 30 * 60 * 1000,
	.inactive = "Inactivity - no input for 1800 secs",
	.internal = "[SERVERBUG]",
	.begin = begin,
	.run = run,
	.busy = busy,
	.bye = say_bye,
	.describe = describe,
	.close = close_session,
	.log_end = log_end,
};

int imap_sessions_init(struct service_env *env, struct err *err)
{
	if (mail_sessions_init(&protocol, env, err) < 0)
		return -1;
	mem_free(shared_capability);
	shared_capability = make_capability(NULL, mail_sessions_settings());
	imap_sieve_sandbox(env);
	return 0;
}
