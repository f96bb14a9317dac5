/* SPDX-License-Identifier: MIT */
#include "lda/lmtp.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "delivery/deliver.h"
#include "lda/lmtp_proxy.h"
#include "net/conn.h"
#include "net/loop.h"
#include "service/service.h"

enum {
	LMTP_INPUT_MAX = 128 * 1024,
	LMTP_CHUNK_MAX = LMTP_INPUT_MAX + 16,
	POOL_SIZE = 8192, /* of a transaction, usually */
};

/* Servers that a mail may pass; Dovecot's. */
enum { LMTP_PROXY_TTL = 6 };

static const char *state_name(const struct lmtp_session *session)
{
	static const char *const names[] = {"READY", "MAIL FROM", "RCPT TO",
					    "DATA", "DATA"};

	return session->begun ? names[session->state] : "GREETING";
}

static const char *peer_name(const struct lmtp_session *session,
			     char text[IP_TEXT_MAX])
{
	if (session->remote.family == 0)
		return "local";
	return ip_text(&session->remote, text);
}

void lmtp_reply(struct lmtp_session *session, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = mem_vprintf(session, fmt, args);
	va_end(args);
	conn_printf(session->conn, "%s\r\n", text);
	mem_free(text);
}

void lmtp_reset(struct lmtp_session *session)
{
	lmtp_proxy_end(session);
	mem_free(session->ctx);
	session->ctx = mem_pool(session, POOL_SIZE);
	session->session_id = session->from = NULL;
	session->body = NULL;
	session->binary = false;
	session->rcpts = session->last_rcpt = NULL;
	session->unanswered = NULL;
	session->rcpt_count = session->rcpt_tries = 0;
	session->spool = NULL;
	session->chunking = session->chunk_failed = session->chunk_cr = false;
	session->state = LMTP_READY;
	lmtp_known_forget(session, false);
}

/* the end */

static int session_free(struct lmtp_session *session)
{
	struct service_env *env = session->process->env;

	lmtp_proxy_end(session);
	DL_DELETE(session->process->sessions, session);
	conn_free(&session->conn);
	buf_free(&session->chunk);
	service_client_end(env);
	return 0;
}

static void last_written(void *ctx)
{
	mem_free(ctx);
}

static void last_closed(void *ctx, const char *why)
{
	(void)why;
	mem_free(ctx);
}

static const struct conn_events last_events = {
	.drained = last_written,
	.closed = last_closed,
};

static void log_end(const struct lmtp_session *session, const char *reason)
{
	char ip[IP_TEXT_MAX];

	if (session->command != NULL)
		log_info("Disconnect from %s: %s (unfinished %s command) "
			 "(state=%s)",
			 peer_name(session, ip), reason, session->command,
			 state_name(session));
	else
		log_info("Disconnect from %s: %s (state=%s)",
			 peer_name(session, ip), reason, state_name(session));
}

void lmtp_end(struct lmtp_session *session, const char *bye, const char *reason)
{
	if (session->ended)
		return;
	session->ended = true;
	log_end(session, reason);
	if (bye != NULL)
		lmtp_reply(session, "%s", bye);
	conn_set_events(session->conn, &last_events, session);
	conn_set_timeout(session->conn, (struct duration){5000});
	conn_close_later(session->conn);
}

void lmtp_shut_down(struct lmtp_session *session)
{
	const char *reason = session->process->stopping;

	/* Its client must hear of the mail, or would send it again. */
	if (session->waiting > 0)
		return;
	lmtp_end(session,
		 mem_printf(session, "421 4.3.2 %s %s",
			    session->process->hostname, reason),
		 reason);
}

static void closed(void *ctx, const char *why)
{
	struct lmtp_session *session = ctx;
	char *reason = mem_printf(session, "Connection closed%s%s",
				  why[0] != '\0' ? ": " : "", why);

	log_end(session, reason);
	mem_free(session);
}

static void timeout(void *ctx)
{
	struct lmtp_session *session = ctx;
	char *bye;

	/* It is the next server that is silent, and has a time of its own. */
	if (session->waiting > 0)
		return;
	bye = mem_printf(session, "421 4.4.2 %s Disconnected for inactivity",
			 session->process->hostname);
	lmtp_end(session, bye, "Disconnected for inactivity");
}

/* input */

static size_t take_line(struct lmtp_session *session, struct str in)
{
	struct smtp_line line;
	size_t used;

	switch (smtp_parser_feed(session->parser, in, &used, &line)) {
	case SMTP_PARSE_LINE:
		lmtp_command(session, &line);
		break;
	case SMTP_PARSE_TOO_LONG:
		lmtp_bad(session, "500 5.5.2 Line too long");
		break;
	case SMTP_PARSE_BAD:
		lmtp_bad(session, "500 5.5.2 Invalid command syntax");
		break;
	case SMTP_PARSE_MORE:
		break;
	}
	return used;
}

/* A lookup or a client that does not read its replies stops it. */
static void input(void *ctx)
{
	struct lmtp_session *session = ctx;

	/* A lookup was answered at once: the loop below goes on. */
	if (session->in_input)
		return;
	session->in_input = true;
	conn_cork(session->conn, true);
	while (!session->ended && !session->looking_up &&
	       !conn_output_full(session->conn)) {
		struct str in = conn_input(session->conn);
		size_t used;

		if (in.len == 0)
			break;
		if (session->state == LMTP_DATA)
			used = lmtp_data_feed(session, in);
		else if (session->state == LMTP_CHUNK)
			used = lmtp_chunk_feed(session, in);
		else
			used = take_line(session, in);
		conn_consume(session->conn, used);
	}
	session->in_input = false;
	/* What a lookup stops is not idle: its reply goes with the others. */
	conn_cork(session->conn, session->looking_up);
}

void lmtp_resume(struct lmtp_session *session)
{
	if (session->ended)
		return;
	conn_resume(session->conn);
	input(session);
}

void lmtp_greet(struct lmtp_session *session)
{
	session->greeted = true;
	lmtp_reply(session, "220 %s %s", session->process->hostname,
		   session->process->greeting);
}

static void secured(void *ctx)
{
	struct lmtp_session *session = ctx;

	if (!session->greeted)
		lmtp_greet(session);
	input(session);
}

void lmtp_start_tls(struct lmtp_session *session)
{
	lmtp_reset(session);
	smtp_parser_reset(session->parser);
	mem_free(session->helo);
	session->helo = NULL;
	conn_start_tls(session->conn, session->process->tls, secured);
}

static const struct conn_events events = {
	.input = input,
	.drained = input,
	.closed = closed,
	.timeout = timeout,
};

void lmtp_session_new(struct lmtp_process *process,
		      const struct service_client *client)
{
	struct lmtp_session *session = mem_new(process, struct lmtp_session);
	struct loop *loop = service_loop(process->env);
	char ip[IP_TEXT_MAX];

	session->process = process;
	session->number = ++process->session_count;
	session->local = client->local;
	session->remote = client->remote;
	session->trusted =
		ip_in_networks(&session->remote, process->trusted_networks);
	session->proxied.ttl = LMTP_PROXY_TTL;
	session->started_ms = clock_monotonic_ms();
	session->chunk = buf_init(LMTP_CHUNK_MAX);
	session->id = delivery_id(session);
	session->parser =
		smtp_parser_new(session, process->set.lmtp_max_line_length);
	session->conn = conn_new(session, loop, client->fd, LMTP_INPUT_MAX,
				 &events, session);
	conn_rawlog(session->conn, process->set.lmtp_rawlog_dir);
	DL_APPEND(process->sessions, session);
	talloc_set_destructor(session, session_free);
	lmtp_reset(session);
	conn_set_timeout(session->conn, process->set.lmtp_timeout);
	log_info("Connect from %s", peer_name(session, ip));
	if (client->listener->ssl && process->tls != NULL)
		lmtp_start_tls(session);
	else
		lmtp_greet(session);
}
