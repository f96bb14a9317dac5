/* SPDX-License-Identifier: MIT */
/*
 * imap/session.c - from the hand-over by login to the line in the log.
 */
#include "imap/session.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "config/vars.h"
#include "imap/cmd.h"
#include "net/conn.h"
#include "net/loop.h"
#include "service/service.h"
#include "storage/storage.h"

enum {
	MAX_INPUT = 64 * 1024, /* read at once; literals are streamed */
	KEEP_LINE = 4096,      /* what an idle session may hold on to */
	SETTLE_MS = 1000,      /* after a command */
	INACTIVITY_MS = 30 * 60 * 1000,
	/* A client that takes no output for so long is gone. */
	OUTPUT_WAIT_MS = 5 * 60 * 1000,
	CLOSE_WAIT_MS = 60 * 1000,
};

/* All sessions of this process, and what they share. */
static struct {
	struct session *first;
	struct session *current; /* whose prefix the log has */
	TALLOC_CTX *ctx;         /* of settings and capability */
	struct imap_settings settings;
	char *capability;
	bool per_session; /* settings depend on the connection */
	bool titles;
	char *stopping; /* why; NULL: it is not */
} all;

static const char default_capability[] =
	"IMAP4rev1 SASL-IR ID ENABLE IDLE SORT SORT=DISPLAY THREAD=REFERENCES "
	"THREAD=REFS THREAD=ORDEREDSUBJECT MULTIAPPEND UNSELECT CHILDREN "
	"NAMESPACE UIDPLUS LIST-EXTENDED CONDSTORE QRESYNC ESEARCH ESORT "
	"SEARCHRES WITHIN LIST-STATUS MOVE SNIPPET=FUZZY PREVIEW=FUZZY PREVIEW "
	"STATUS=SIZE SAVEDATE OBJECTID SPECIAL-USE";

/* settings */

static char *make_capability(const void *ctx, const struct imap_settings *set)
{
	const char *extra = set->imap_capability;
	const char *literal = set->imap_literal_minus ? "LITERAL-" : "LITERAL+";

	if (extra[0] != '\0' && extra[0] != '+')
		return mem_strdup(ctx, extra);
	if (extra[0] == '+' && extra[1] != '\0')
		return mem_printf(ctx, "%s %s %s", default_capability, literal,
				  extra + 1);
	return mem_printf(ctx, "%s %s", default_capability, literal);
}

const char *session_capability(const struct session *session)
{
	if (session->set == &all.settings)
		return all.capability;
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

int imap_sessions_init(struct service_env *env, struct err *err)
{
	const struct config *config = service_config(env);
	const struct config_filter filter = {.protocol = "imap"};
	const char *titles = config_value(config, &filter, "verbose_proctitle");

	mem_free(all.ctx);
	all.ctx = mem_ctx(NULL, "imap settings");
	if (config_read(all.ctx, config, &filter, imap_settings, &all.settings,
			err) < 0)
		return -1;
	all.capability = make_capability(all.ctx, &all.settings);
	all.per_session = config_has_filters(config);
	all.titles = titles != NULL && str_is(str_of(titles), "yes");
	return 0;
}

static int read_settings(struct session *session,
			 const struct service_session *login, struct err *err)
{
	const struct config_filter filter = {
		.protocol = "imap",
		.local = login->local,
		.remote = login->remote,
	};
	struct imap_settings *set;

	session->set = &all.settings;
	if (all.per_session) {
		set = mem_new(session, struct imap_settings);
		if (config_read(session, service_config(session->env), &filter,
				imap_settings, set, err) < 0)
			return -1;
		session->set = set;
	}
	session->workarounds =
		parse_workarounds(session->set->imap_client_workarounds);
	return 0;
}

/* whose turn it is */

static void enter(struct session *session)
{
	if (all.current == session)
		return;
	all.current = session;
	log_prefix_set(session->log_prefix);
	log_debug_set(session->user != NULL &&
		      user_settings(session->user)->mail_debug);
}

void session_title(struct session *session, const char *state)
{
	if (!all.titles)
		return;
	if (all.first->next != NULL)
		service_title(session->env, "[multiple connections]");
	else
		service_title(session->env, "[%s %s%s%s]",
			      user_name(session->user), session->remote,
			      state[0] == '\0' ? "" : " ", state);
}

/* the end */

static char *number_text(const void *ctx, uint64_t number)
{
	return mem_printf(ctx, "%llu", (unsigned long long)number);
}

/* Dovecot's words, which logwatch and others read. */
static void log_end(struct session *session, uint64_t autoexpunged)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "log");
	const struct session_stats *stats = &session->stats;
	const struct var *user = vars_user(ctx, user_name(session->user));
	const struct var vars[] = {
		{'i', "input", number_text(ctx, conn_bytes_in(session->conn))},
		{'o', "output",
		 number_text(ctx, conn_bytes_out(session->conn))},
		{0, "session", session->login->session_id},
		{0, "rip", session->remote},
		{0, "fetch_hdr_count", number_text(ctx, stats->hdr_count)},
		{0, "fetch_hdr_bytes", number_text(ctx, stats->hdr_bytes)},
		{0, "fetch_body_count", number_text(ctx, stats->body_count)},
		{0, "fetch_body_bytes", number_text(ctx, stats->body_bytes)},
		{0, "deleted", number_text(ctx, stats->deleted)},
		{0, "expunged", number_text(ctx, stats->expunged)},
		{0, "trashed", number_text(ctx, stats->trashed)},
		{0, "appended", number_text(ctx, stats->appended)},
		{0, "autoexpunged", number_text(ctx, autoexpunged)},
		user[0],
		user[1],
		user[2],
		{0},
	};
	struct err err;
	char *text;

	if (vars_expand(ctx, session->set->imap_logout_format, vars, &text,
			&err) < 0) {
		log_error("imap_logout_format: %s", err.text);
		text = mem_strdup(ctx, "");
	}
	log_info("Disconnected: %s %s", session->end_reason, text);
}

/* How the session stood when the client went away. */
static const char *describe(struct session *session)
{
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

static void session_free(struct session *session)
{
	struct service_env *env = session->env;
	const struct service_session *login = session->login;

	enter(session);
	mem_free(session->cmd);
	session->cmd = NULL;
	session_deselect(session);
	if (session->user != NULL)
		log_end(session, user_autoexpunge(session->user));
	timer_free(&session->turn);
	conn_free(&session->conn);
	buf_free(&session->line);
	if (session->prev != NULL)
		session->prev->next = session->next;
	else
		all.first = session->next;
	if (session->next != NULL)
		session->next->prev = session->prev;
	mem_free(session);
	all.current = NULL;
	log_prefix_set(NULL);
	service_session_end_of(env, login);
}

void session_bye(struct session *session, const char *text, const char *reason)
{
	if (session->closing)
		return;
	session->end_reason = mem_strdup(session, reason);
	line_flush(session);
	conn_write_str(session->conn, STR("* BYE "));
	conn_write_str(session->conn, str_of(text));
	conn_write_str(session->conn, STR("\r\n"));
	session->closing = true;
}

void session_deselect(struct session *session)
{
	mailbox_close(&session->box);
	range_set_clear(&session->saved);
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

static struct duration duration_ms(uint64_t ms)
{
	return (struct duration){.ms = ms};
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

static void set_timeout(struct session *session, uint64_t ms)
{
	if (session->timeout_ms == ms)
		return;
	session->timeout_ms = ms;
	conn_set_timeout(session->conn, duration_ms(ms));
}

static void turn_come(void *ctx)
{
	session_wake(ctx);
}

/* After all that could be done: say what it waits for. */
static void wait_for_more(struct session *session)
{
	enum cmd_result wait =
		session->cmd == NULL ? CMD_INPUT : session->cmd->waits_for;

	set_timeout(session, wait == CMD_OUTPUT ? OUTPUT_WAIT_MS
			     : session->idling  ? 0
						: INACTIVITY_MS);
	switch (wait) {
	case CMD_DONE:
	case CMD_INPUT:
		conn_resume(session->conn);
		break;
	case CMD_OUTPUT:
		conn_pause(session->conn);
		break;
	case CMD_TURN:
		conn_pause(session->conn);
		if (session->turn == NULL)
			session->turn =
				timer_new(service_loop(session->env),
					  duration_ms(0), turn_come, session);
		else
			timer_reset(session->turn, duration_ms(0));
		break;
	}
}

/* Do what can be done now. `session` may be gone afterwards. */
static void session_run(struct session *session)
{
	if (session->running)
		return;
	session->running = true;
	if (session->cmd != NULL)
		cmd_continue(session);
	while (!session->closing && session->cmd == NULL &&
	       !conn_output_full(session->conn) && next_command(session))
		;
	session->running = false;
	storage_settle_later(service_loop(session->env));
	if (all.stopping != NULL && session->cmd == NULL)
		session_bye(session, all.stopping, all.stopping);
	line_flush(session);
	rest(session);
	if (session->closing) {
		conn_close_later(session->conn);
		return;
	}
	if (session->cmd == NULL && conn_output_full(session->conn)) {
		set_timeout(session, OUTPUT_WAIT_MS);
		conn_pause(session->conn);
	} else {
		wait_for_more(session);
	}
}

void session_wake(struct session *session)
{
	enter(session);
	session_run(session);
}

static void on_input(void *ctx)
{
	struct session *session = ctx;

	enter(session);
	if (!session->closing)
		session_run(session);
}

static void on_drained(void *ctx)
{
	struct session *session = ctx;

	enter(session);
	if (session->closing) {
		session_free(session);
		return;
	}
	session_run(session);
}

static void on_closed(void *ctx, const char *why)
{
	struct session *session = ctx;

	enter(session);
	if (!session->closing)
		session->end_reason = mem_printf(
			session, "Connection closed%s%s (%s)",
			why[0] == '\0' ? "" : ": ", why, describe(session));
	session_free(session);
}

static void on_timeout(void *ctx)
{
	struct session *session = ctx;

	enter(session);
	if (session->closing) { /* it does not even take BYE */
		session_free(session);
		return;
	}
	if (session->timeout_ms == OUTPUT_WAIT_MS)
		session_bye(
			session,
			"Disconnected for inactivity in reading our output.",
			"Disconnected for inactivity in reading our output");
	else
		session_bye(session, "Disconnected for inactivity.",
			    mem_printf(session,
				       "Inactivity - no input for %u secs",
				       INACTIVITY_MS / 1000));
	set_timeout(session, CLOSE_WAIT_MS);
	conn_close_later(session->conn);
}

static const struct conn_events events = {
	.input = on_input,
	.drained = on_drained,
	.closed = on_closed,
	.timeout = on_timeout,
};

/* the beginning */

static bool want_stream(const struct imap_command *so_far, void *ctx)
{
	struct session *session = ctx;

	/* Not the mailbox's name, but what follows it. */
	return session->appending ||
	       (str_case_is(so_far->name, "APPEND") && !so_far->uid &&
		so_far->args[0].kind != IMAP_ARG_END);
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

/* mail_log_prefix ends with ": " by its nature; so does what log adds. */
static void set_log_prefix(struct session *session)
{
	struct str prefix = str_of(user_log_prefix(session->user));

	if (prefix.len > 2 && str_is(str_from(prefix, prefix.len - 2), ": "))
		prefix.len -= 2;
	session->log_prefix = str_dup(session, prefix);
}

static int open_user(struct session *session,
		     const struct service_session *login, struct err *err)
{
	const struct user_context context = {
		.service = "imap",
		.session_id = mem_strdup(session, login->session_id),
		.local = login->local,
		.remote = login->remote,
	};

	if (read_settings(session, login, err) < 0)
		return -1;
	if (user_open(session, service_config(session->env), login->account,
		      &context, &session->user, err) < 0)
		return -1;
	set_log_prefix(session);
	return 0;
}

static void refuse(struct session *session, const struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(1024);
	struct err internal;

	/* The reason may name the configuration: it is for the log only. */
	err_set(&internal, ERR_TEMPORARY, "User initialization failed: %s",
		err->text);
	error_text(&internal, NULL, &text);
	session_bye(session, text.data, "");
	conn_close_later(session->conn);
}

void imap_session_start(struct service_env *env,
			const struct service_session *login)
{
	struct session *session = mem_new(NULL, struct session);
	char ip[IP_TEXT_MAX];
	struct err err;

	session->env = env;
	session->login = login;
	session->remote = mem_strdup(session, ip_text(&login->remote, ip));
	session->saved = range_set_init(session);
	session->line = buf_init(SIZE_MAX);
	session->conn = conn_new(session, service_loop(env), login->fd,
				 MAX_INPUT, &events, session);
	session->next = all.first;
	if (all.first != NULL)
		all.first->prev = session;
	all.first = session;
	if (open_user(session, login, &err) < 0) {
		enter(session);
		refuse(session, &err);
		return;
	}
	enter(session);
	make_parser(session);
	session_title(session, "");
	conn_write_str(session->conn, login->tag);
	conn_write_str(session->conn, STR(" OK [CAPABILITY "));
	conn_write_str(session->conn, str_of(session_capability(session)));
	conn_write_str(session->conn, STR("] Logged in\r\n"));
	if (login->input.len > 0)
		conn_add_input(session->conn, login->input);
	session_run(session);
}

void imap_sessions_stop(struct service_env *env, const char *reason)
{
	struct session *session, *next;

	(void)env;
	all.stopping = mem_strdup(all.ctx, reason);
	for (session = all.first; session != NULL; session = next) {
		next = session->next;
		enter(session);
		/* A command that runs goes to its end first. */
		if (session->cmd != NULL &&
		    session->cmd->waits_for != CMD_INPUT)
			continue;
		session_bye(session, reason, reason);
		conn_close_later(session->conn);
	}
}
