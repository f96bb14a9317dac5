/* SPDX-License-Identifier: MIT */
/*
 * submission/relay.c - the connection to the relay, and what its loss means:
 * in the middle of something the session ends with 421; between two mails
 * nobody notices, for the next one makes a new connection.
 */
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "net/conn.h"
#include "net/sock.h"
#include "net/tls.h"
#include "service/service.h"
#include "service/smtp_client.h"
#include "storage/user.h"
#include "submission/session.h"

enum { ADDRESSES_MAX = 16, XCLIENT_PARAMS = 6 };

/* For sessions with the settings that all share; NULL: not wanted. */
static struct tls *shared_tls;
static TALLOC_CTX *shared_ctx;

static const char *const capabilities[] = {"8BITMIME", "BINARYMIME", "DSN",
					   "VRFY"};
enum { CAPABILITIES = sizeof(capabilities) / sizeof(capabilities[0]) };

/* TLS */

static int open_tls(const void *ctx, const struct config *config,
		    const struct config_filter *filter,
		    const struct submission_settings *set, struct tls **out,
		    struct err *err)
{
	struct tls_client_settings client;
	struct tls_settings tls;

	*out = NULL;
	if (strcmp(set->submission_relay_ssl, "no") == 0)
		return 0;
	if (config_read(ctx, config, filter, tls_settings, &tls, err) < 0 ||
	    config_read(ctx, config, filter, tls_client_settings, &client,
			err) < 0)
		return -1;
	client.ssl_client_require_valid_cert = set->submission_relay_ssl_verify;
	return tls_client_new(ctx, &tls, &client, out, err);
}

int relay_preload(struct service_env *env, struct err *err)
{
	const struct config_filter filter = {.protocol = "submission"};
	const struct config *config = service_config(env);
	struct submission_settings set;

	mem_free(shared_ctx);
	shared_ctx = mem_ctx(NULL, "relay");
	if (config_read(shared_ctx, config, &filter, submission_settings, &set,
			err) < 0)
		return -1;
	return open_tls(shared_ctx, config, &filter, &set, &shared_tls, err);
}

static int session_tls(struct submission *session, struct tls **out,
		       struct err *err)
{
	const struct service_session *login = session->base.login;
	const struct config_filter filter = {.protocol = "submission",
					     .local = login->local,
					     .remote = login->remote};

	*out = shared_tls;
	if (!session->base.own_set)
		return 0;
	return open_tls(session, service_config(session->base.env), &filter,
			session->set, out, err);
}

/* the loss */

static void end(struct submission *session, const char *status,
		const char *reason)
{
	submission_end(session,
		       mem_printf(session, "421 %s %s %s", status,
				  session->hostname, reason),
		       reason);
}

/* Its reason is the log's; `phrase` is the client's, too. */
static void lost(struct submission *session, const char *phrase)
{
	const char *what = strcmp(phrase, "connect") == 0
				   ? "Failed to connect to relay server"
				   : "Lost connection to relay server";

	log_error("smtp-client: conn %s:%u [1]: %s",
		  session->set->submission_relay_host,
		  session->set->submission_relay_port,
		  smtp_client_error(session->relay));
	end(session, "4.4.0", mem_printf(session, "%s (%s)", what, phrase));
}

bool relay_answered(struct submission *session, const struct smtp_reply *reply)
{
	mail_session_enter(&session->base);
	session->waiting--;
	if (session->base.closing)
		return false;
	if (reply->code == 0) {
		lost(session, reply->text);
	} else if (reply->code == 421) {
		char *text = str_sanitize(session, str_of(reply->text), 500);
		size_t status = smtp_status_length(text);

		log_error("Lost connection to relay server: 421 %s", text);
		end(session, "4.3.0",
		    mem_printf(session, "Lost connection to relay server:%s%s",
			       status > 0 ? "" : " ", text + status));
	} else {
		return true;
	}
	conn_close_later(session->base.conn);
	return false;
}

void relay_wake(struct submission *session)
{
	if (session->waiting == 0 && session->state != SUBMISSION_DATA)
		session->command = NULL;
	mail_session_wake(&session->base);
}

/* the connection */

/* What it can do counts only if nobody has said it. */
static bool caps_are_set(const struct submission *session)
{
	const struct service_session *login = session->base.login;
	const struct config_filter filter = {.protocol = "submission",
					     .local = login->local,
					     .remote = login->remote};

	return config_written(service_config(session->base.env), &filter,
			      "submission_backend_capabilities") != NULL;
}

static void on_hello(void *ctx, const struct smtp_reply *reply)
{
	struct submission *session = ctx;
	struct str args;

	if (!relay_answered(session, reply))
		return;
	if (smtp_client_can(session->relay, "SIZE", &args) &&
	    !str_to_u64(args, &session->relay_size))
		session->relay_size = 0;
	for (unsigned i = 0; i < CAPABILITIES && !caps_are_set(session); i++) {
		if (smtp_client_can(session->relay, capabilities[i], &args))
			session->relay_has |= 1u << i;
	}
	relay_wake(session);
}

static const struct smtp_param *xclient_params(struct submission *session)
{
	struct smtp_param *all =
		mem_array(session, struct smtp_param, XCLIENT_PARAMS + 1);
	const struct ip *remote = &session->base.login->remote;
	char ip[IP_TEXT_MAX];
	size_t n = 0;

	all[n++] = (struct smtp_param){"HELO", session->helo};
	all[n++] = (struct smtp_param){"PROTO", "ESMTP"};
	all[n++] = (struct smtp_param){"LOGIN", user_name(session->base.user)};
	all[n++] = (struct smtp_param){"SESSION", session->id};
	if (remote->family == 0)
		return all;
	all[n++] = (struct smtp_param){"PORT",
				       mem_printf(all, "%u", remote->port)};
	all[n++] = (struct smtp_param){
		"ADDR", mem_printf(all, "%s%s",
				   remote->family == AF_INET6 ? "IPV6:" : "",
				   ip_text(remote, ip))};
	return all;
}

static const char *unless_empty(const char *text)
{
	return text[0] == '\0' ? NULL : text;
}

static int connect_to(struct submission *session, struct err *err)
{
	const struct submission_settings *set = session->set;
	struct smtp_client_options options = {
		.host = set->submission_relay_host,
		.hello = session->hostname,
		.timeout = set->submission_relay_command_timeout,
		.connect_timeout = set->submission_relay_connect_timeout,
		.max_idle = set->submission_relay_max_idle_time,
		.user = unless_empty(set->submission_relay_user),
		.master_user = unless_empty(set->submission_relay_master_user),
		.password = set->submission_relay_password,
		.rawlog_dir = set->submission_relay_rawlog_dir,
	};
	struct ip ips[ADDRESSES_MAX];
	struct tls *tls;
	size_t count;

	if (session_tls(session, &tls, err) < 0 ||
	    sock_resolve_all(set->submission_relay_host, ips, ADDRESSES_MAX,
			     &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		ips[i].port = (uint16_t)set->submission_relay_port;
	options.ip = ips[0];
	options.more = ips + 1;
	options.more_count = count - 1;
	options.tls = tls;
	if (strcmp(set->submission_relay_ssl, "smtps") == 0)
		options.tls_mode = SMTP_TLS_AT_ONCE;
	else if (strcmp(set->submission_relay_ssl, "starttls") == 0)
		options.tls_mode = SMTP_TLS_STARTTLS;
	if (set->submission_relay_trusted)
		options.xclient = xclient_params(session);
	session->relay = smtp_client_new(
		session, service_loop(session->base.env), &options);
	session->waiting++;
	smtp_client_hello(session->relay, on_hello, session);
	return 0;
}

bool relay_ready(struct submission *session)
{
	struct err err;

	if (session->relay != NULL && !smtp_client_gone(session->relay))
		return true;
	mem_free(session->relay);
	session->relay = NULL;
	if (connect_to(session, &err) == 0)
		return true;
	log_error("submission_relay_host: %s", err.text);
	end(session, "4.4.0", "Failed to connect to relay server (connect)");
	return false;
}

void relay_begin(struct submission *session)
{
	const char *set = session->set->submission_backend_capabilities;

	if (!caps_are_set(session)) {
		relay_ready(session);
		return;
	}
	for (unsigned i = 0; i < CAPABILITIES; i++) {
		if (str_case_has_word(set, str_of(capabilities[i])))
			session->relay_has |= 1u << i;
	}
}

void relay_command(struct submission *session, const char *line,
		   void (*fn)(void *ctx, const struct smtp_reply *reply),
		   void *fn_ctx)
{
	session->waiting++;
	smtp_client_command(session->relay, line, fn, fn_ctx);
}
