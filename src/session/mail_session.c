/* SPDX-License-Identifier: MIT */
#include "session/mail_session.h"

#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "config/vars.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/sock.h"
#include "service/service.h"
#include "storage/storage.h"

enum {
	/* A client that takes no output for so long is gone. */
	OUTPUT_WAIT_MS = 5 * 60 * 1000,
	CLOSE_WAIT_MS = 60 * 1000,
};

/* All sessions of this process, and what they share. */
static struct {
	const struct session_protocol *protocol;
	struct mail_session *first;
	struct mail_session *current; /* whose prefix the log has */
	TALLOC_CTX *ctx;              /* of what follows */
	void *settings;
	bool per_session; /* settings depend on the connection */
	bool titles;
	char *stopping; /* why; NULL: it is not */
} all;

/* settings */

int mail_sessions_init(const struct session_protocol *protocol,
		       struct service_env *env, struct err *err)
{
	const struct config *config = service_config(env);
	const struct config_filter filter = {.protocol = protocol->name};
	const char *titles = config_value(config, &filter, "verbose_proctitle");

	all.protocol = protocol;
	mem_free(all.ctx);
	all.ctx = mem_ctx(NULL, "session settings");
	all.settings =
		mem_zero(all.ctx, 1, protocol->settings_size, "settings");
	if (config_read(all.ctx, config, &filter, protocol->settings,
			all.settings, err) < 0)
		return -1;
	all.per_session = config_has_filters(config);
	all.titles = titles != NULL && str_is(str_of(titles), "yes");
	all.stopping = NULL;
	return 0;
}

const void *mail_sessions_settings(void)
{
	return all.settings;
}

static int read_settings(struct mail_session *session, struct err *err)
{
	const struct session_protocol *protocol = session->protocol;
	const struct config_filter filter = {
		.protocol = protocol->name,
		.local = session->login->local,
		.remote = session->login->remote,
	};
	void *set;

	session->set = all.settings;
	if (!all.per_session &&
	    !account_has_settings(session->login->account, protocol->settings))
		return 0;
	set = mem_zero(session, 1, protocol->settings_size, "settings");
	if (config_read(session, service_config(session->env), &filter,
			protocol->settings, set, err) < 0 ||
	    account_settings(session, session->login->account,
			     protocol->settings, set, err) < 0)
		return -1;
	session->set = set;
	session->own_set = true;
	return 0;
}

/* whose turn it is */

void mail_session_enter(struct mail_session *session)
{
	if (all.current == session)
		return;
	all.current = session;
	log_prefix_set(session->log_prefix);
	log_debug_set(session->user != NULL &&
		      user_settings(session->user)->mail_debug);
}

void mail_session_title(struct mail_session *session, const char *state)
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

static size_t count_vars(const struct var *vars)
{
	size_t n = 0;

	while (vars[n].key != 0 || vars[n].name != NULL)
		n++;
	return n;
}

/* Dovecot's words, which logwatch and others read. */
void mail_session_log_end(struct mail_session *session, const char *setting,
			  const char *format, const struct var *vars)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "log");
	const struct var *user = user_vars(session->user);
	const struct var own[] = {
		{'i', "input", number_text(ctx, conn_bytes_in(session->conn))},
		{'o', "output",
		 number_text(ctx, conn_bytes_out(session->conn))},
	};
	enum { OWN = sizeof(own) / sizeof(own[0]) };
	size_t given = count_vars(vars), of_user = count_vars(user);
	struct var *set = mem_array(ctx, struct var, given + of_user + OWN + 1);
	struct err err;
	char *text;

	memcpy(set, vars, given * sizeof(*set));
	memcpy(set + given, own, sizeof(own));
	memcpy(set + given + OWN, user, of_user * sizeof(*set));
	if (vars_expand_anyway(ctx, format, set, &text, &err) < 0)
		log_error("Failed to expand %s=%s: %s", setting, format,
			  err.text);
	log_info("%s%s %s",
		 session->protocol->terse && session->gone ? ""
							   : "Disconnected: ",
		 session->end_reason, text);
}

static void session_free(struct mail_session *session)
{
	struct service_env *env = session->env;
	const struct service_session *login = session->login;

	mail_session_enter(session);
	session->protocol->close(session);
	if (session->user != NULL)
		session->protocol->log_end(session,
					   user_autoexpunge(session->user));
	timer_free(&session->turn);
	conn_free(&session->conn);
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

void mail_session_bye(struct mail_session *session, const char *text,
		      const char *reason)
{
	if (session->closing)
		return;
	session->end_reason = mem_strdup(session, reason);
	if (text != NULL)
		session->protocol->bye(session, text);
	session->closing = true;
}

bool mail_session_goes_on(const struct mail_session *session)
{
	return !session->closing && all.stopping == NULL;
}

/* running */

static void set_timeout(struct mail_session *session, uint64_t ms)
{
	if (session->timeout_ms == ms)
		return;
	session->timeout_ms = ms;
	conn_set_timeout(session->conn, (struct duration){.ms = ms});
}

static void turn_come(void *ctx);

/* After all that could be done. */
static void wait_for(struct mail_session *session, enum session_wait wait)
{
	set_timeout(session, wait == SESSION_OUTPUT ? OUTPUT_WAIT_MS
			     : session->patient || wait == SESSION_WAKE
				     ? 0
				     : session->protocol->inactivity_ms);
	if (wait == SESSION_INPUT) {
		conn_resume(session->conn);
		return;
	}
	conn_pause(session->conn);
	if (wait != SESSION_TURN)
		return;
	if (session->turn == NULL)
		session->turn =
			timer_new(service_loop(session->env),
				  session->turn_after, turn_come, session);
	else
		timer_reset(session->turn, session->turn_after);
}

/* Do what can be done now. `session` may be gone afterwards. */
static void session_run(struct mail_session *session)
{
	enum session_wait wait;

	if (session->running)
		return;
	session->running = true;
	wait = session->protocol->run(session);
	session->running = false;
	storage_settle_later(service_loop(session->env));
	if (all.stopping != NULL && !session->protocol->busy(session))
		mail_session_bye(session, all.stopping, all.stopping);
	if (session->closing)
		conn_close_later(session->conn);
	else
		wait_for(session, wait);
}

void mail_session_wake(struct mail_session *session)
{
	mail_session_enter(session);
	if (!session->closing)
		session_run(session);
}

static void on_input(void *ctx)
{
	mail_session_wake(ctx);
}

static void on_drained(void *ctx)
{
	struct mail_session *session = ctx;

	mail_session_enter(session);
	if (session->closing)
		session_free(session);
	else
		session_run(session);
}

static void on_closed(void *ctx, const char *why)
{
	struct mail_session *session = ctx;
	const char *state;

	mail_session_enter(session);
	if (!session->closing) {
		session->gone = true;
		state = session->protocol->describe == NULL
				? ""
				: session->protocol->describe(session);
		session->end_reason =
			mem_printf(session, "Connection closed%s%s%s%s%s",
				   why[0] == '\0' ? "" : ": ", why,
				   state[0] == '\0' ? "" : " (", state,
				   state[0] == '\0' ? "" : ")");
	}
	session_free(session);
}

/* What takes many turns is not done for nobody. Input is not read meanwhile, so
 * that its end is not seen; who has said all he will say, but listens on, is
 * gone for Dovecot, too. */
static void turn_come(void *ctx)
{
	struct mail_session *session = ctx;

	if (!session->closing && sock_is_left(conn_fd(session->conn)))
		on_closed(session, "");
	else
		mail_session_wake(session);
}

static void on_timeout(void *ctx)
{
	struct mail_session *session = ctx;

	mail_session_enter(session);
	if (session->closing) { /* it does not even take the last words */
		session_free(session);
		return;
	}
	if (session->timeout_ms == OUTPUT_WAIT_MS)
		mail_session_bye(
			session,
			"Disconnected for inactivity in reading our output.",
			"Disconnected for inactivity in reading our output");
	else
		mail_session_bye(session, "Disconnected for inactivity.",
				 session->protocol->inactive);
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

/* In files of the user's own: that is who we are. */
static void begin_rawlog(struct mail_session *session)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "rawlog");
	const char *dir = user_settings(session->user)->rawlog_dir;

	if (dir[0] != '\0')
		conn_rawlog(session->conn,
			    path_expand(ctx,
					user_expand(ctx, session->user, dir),
					user_home(session->user)));
}

/* mail_log_prefix ends with ": " by its nature; so does what log adds. */
static void set_log_prefix(struct mail_session *session)
{
	struct str prefix = str_of(user_log_prefix(session->user));

	if (prefix.len > 2 && str_is(str_from(prefix, prefix.len - 2), ": "))
		prefix.len -= 2;
	session->log_prefix = str_dup(session, prefix);
}

static int open_user(struct mail_session *session, struct err *err)
{
	const struct service_session *login = session->login;
	const struct user_context context = {
		.service = session->protocol->service != NULL
				   ? session->protocol->service
				   : session->protocol->name,
		.protocol = session->protocol->name,
		.session_id = mem_strdup(session, login->session_id),
		.local = login->local,
		.remote = login->remote,
	};

	if (read_settings(session, err) < 0 ||
	    user_open(session, service_config(session->env), login->account,
		      &context, &session->user, err) < 0)
		return -1;
	set_log_prefix(session);
	begin_rawlog(session);
	return 0;
}

void internal_error_text(const struct err *err, struct buf *out)
{
	char when[32];
	time_t now = time(NULL);
	struct tm tm;

	log_error("%s", err->text);
	localtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	buf_printf(out,
		   "Internal error occurred. Refer to server log for more "
		   "information. [%s]",
		   when);
}

/* The reason may name the configuration: it is for the log only. */
static void refuse(struct mail_session *session, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(1024);

	err_wrap(err, "User initialization failed");
	buf_printf(&text, "%s ", session->protocol->internal);
	internal_error_text(err, &text);
	mail_session_bye(session, text.data, "");
	conn_close_later(session->conn);
}

void mail_session_start(struct service_env *env,
			const struct service_session *login)
{
	const struct session_protocol *protocol = all.protocol;
	struct mail_session *session =
		mem_zero(NULL, 1, protocol->size, "session");
	char ip[IP_TEXT_MAX];
	struct err err;

	session->protocol = protocol;
	session->env = env;
	session->login = login;
	session->remote = mem_strdup(session, ip_text(&login->remote, ip));
	session->conn = conn_new(session, service_loop(env), login->fd,
				 protocol->max_input, &events, session);
	session->next = all.first;
	if (all.first != NULL)
		all.first->prev = session;
	all.first = session;
	if (open_user(session, &err) < 0) {
		mail_session_enter(session);
		refuse(session, &err);
		return;
	}
	mail_session_enter(session);
	mail_session_title(session, "");
	protocol->begin(session);
	if (login->input.len > 0)
		conn_add_input(session->conn, login->input);
	session_run(session);
}

void mail_sessions_stop(struct service_env *env, const char *reason)
{
	struct mail_session *session, *next;

	(void)env;
	all.stopping = mem_strdup(all.ctx, reason);
	for (session = all.first; session != NULL; session = next) {
		next = session->next;
		mail_session_enter(session);
		/* A command that runs goes to its end first. */
		if (session->protocol->busy(session))
			continue;
		mail_session_bye(session, reason, reason);
		conn_close_later(session->conn);
	}
}
