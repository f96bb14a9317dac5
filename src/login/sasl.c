/* SPDX-License-Identifier: MIT */
/*
 * login/sasl.c - authentication of a client: mechanism, challenges, the answer
 * of auth, and the hand-over to the mail service. Nothing here knows which
 * protocol the client speaks.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "login/client.h"
#include "login/post_login.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/sock.h"
#include "proto/auth.h"
#include "service/handover.h"
#include "service/service.h"

enum { PLAIN_MAX = 4096 };

static void stop_waiting(struct login_client *client)
{
	client->request = NULL;
	client->authenticating = client->waiting_response = false;
	conn_resume(client->conn);
}

static void fail(struct login_client *client, enum login_outcome outcome,
		 struct str text)
{
	unsigned max = client->context->set.login_max_attempts;

	stop_waiting(client);
	client->last_outcome = outcome;
	client->process->protocol->failed(client, outcome, text);
	if (client->attempts >= max)
		login_client_end(client, "Too many failed logins.",
				 "Too many failed logins");
}

/* What never reached auth, or made no sense to it, is said in the log here;
 * auth tells of the others. */
static void fail_logged(struct login_client *client, enum login_outcome outcome,
			const char *why)
{
	char *text = mem_printf(client, "Authenticate %s failed: %s",
				client->mech, why);

	login_log(client, text);
	mem_free(text);
	fail(client, outcome, STR(""));
}

/* --- the mail service --------------------------------------------------------
 */

static void proxy_done(void *ctx, uint64_t to_client, uint64_t to_mail,
		       const char *why)
{
	struct login_client *client = ctx;

	(void)to_client;
	(void)to_mail;
	(void)why;
	login_client_end(client, NULL, NULL);
}

static void handed_over(void *ctx, const struct handover_reply *reply)
{
	struct login_client *client = ctx;

	client->post_login_id = 0;
	if (reply == NULL || !reply->ok) {
		conn_free(&client->proxy);
		if (reply == NULL) {
			login_log(client, "Login failed: the mail service "
					  "can't be reached");
			fail(client, LOGIN_TEMPORARY, STR(""));
			return;
		}
		char *text =
			mem_printf(client, "%.*s", STR_FMT(reply->message));
		login_log(client, text);
		fail(client,
		     str_is(reply->code, "[LIMIT]") ? LOGIN_LIMIT
						    : LOGIN_TEMPORARY,
		     reply->message);
		mem_free(text);
		return;
	}
	client->authenticating = false;
	client->mail_pid = reply->pid;
	login_log(client, "Login");
	if (client->proxy == NULL) {
		login_client_end(client, NULL, NULL);
		return;
	}
	/* What was read already went with the hand-over. */
	conn_consume(client->conn, conn_input(client->conn).len);
	timer_free(&client->timer);
	conn_set_timeout(client->conn, (struct duration){0});
	conn_join(client->conn, client->proxy, proxy_done, client);
}

/* The descriptor that the mail service gets: the client's own, or one end of
 * a pair whose other end is joined to the TLS connection. */
static int descriptor_to_give(struct login_client *client, struct err *err)
{
	static const struct conn_events none = {0};
	int pair[2];

	if (!conn_has_tls(client->conn))
		return conn_fd(client->conn);
	if (sock_pair(pair, err) < 0)
		return -1;
	client->proxy = conn_new(client, service_loop(client->process->env),
				 pair[0], LOGIN_PROXY_INPUT, &none, NULL);
	conn_pause(client->proxy);
	return pair[1];
}

static void hand_over(struct login_client *client,
		      const struct auth_request *request)
{
	bool tls = conn_has_tls(client->conn);
	struct handover handover = {
		.local = client->local,
		.remote = client->remote,
		.session_id = str_of(client->session_id),
		.tag = str_of(client->tag == NULL ? "" : client->tag),
		.input = conn_input(client->conn),
	};
	struct err err;
	int fd;

	auth_request_token(request, &handover.token);
	if (login_client_secured(client))
		handover.flags |= HANDOVER_SECURED;
	if (tls)
		handover.flags |= HANDOVER_TLS;
	conn_flush(client->conn);
	fd = descriptor_to_give(client, &err);
	if (fd < 0) {
		log_error("%s", err.text);
		fail(client, LOGIN_TEMPORARY, STR(""));
		return;
	}
	client->post_login_id =
		post_login_send(client->process->post_login, &handover, fd,
				handed_over, client);
	if (tls)
		fd_close(&fd);
	if (client->post_login_id == 0) {
		conn_free(&client->proxy);
		fail(client, LOGIN_TEMPORARY, STR(""));
	}
}

/* --- auth's answers
 * ----------------------------------------------------------- */

static void set_user(struct login_client *client, const struct auth_line *line)
{
	struct str user = line == NULL ? (struct str){NULL, 0}
				       : auth_line_value(line, "user");

	if (user.data == NULL)
		return;
	mem_free(client->user);
	client->user = str_tab_unescape(client, user);
}

static enum login_outcome outcome_of(const struct auth_line *line,
				     struct str *text)
{
	struct str code = auth_line_value(line, "code");

	*text = auth_line_value(line, "reason");
	if (str_is(code, "temp_fail") ||
	    auth_line_value(line, "temp").data != NULL)
		return LOGIN_TEMPORARY;
	if (str_is(code, "user_disabled") ||
	    auth_line_value(line, "user_disabled").data != NULL)
		return LOGIN_USER_DISABLED;
	if (str_is(code, "pass_expired") ||
	    auth_line_value(line, "pass_expired").data != NULL)
		return LOGIN_PASS_EXPIRED;
	if (text->data != NULL)
		return LOGIN_DENIED_REASON;
	return LOGIN_DENIED;
}

static void failed(struct login_client *client, const struct auth_line *line)
{
	struct str text;
	enum login_outcome outcome = outcome_of(line, &text);
	char *plain = text.data == NULL ? mem_strdup(client, "")
					: str_tab_unescape(client, text);

	set_user(client, line);
	fail(client, outcome, str_of(plain));
	mem_free(plain);
}

static void succeeded(struct login_client *client, struct auth_request *request,
		      const struct auth_line *line)
{
	struct str reason = auth_line_value(line, "reason");

	set_user(client, line);
	if (auth_line_value(line, "proxy").data != NULL ||
	    auth_line_value(line, "proxy_maybe").data != NULL) {
		log_error("user %s: the passdb field `proxy' asks for a "
			  "proxy, which this version is not",
			  client->user);
		fail(client, LOGIN_TEMPORARY, STR(""));
		return;
	}
	if (auth_line_value(line, "nologin").data != NULL) {
		char *text = reason.data == NULL
				     ? mem_strdup(client, "")
				     : str_tab_unescape(client, reason);

		fail(client, LOGIN_NOT_ALLOWED, str_of(text));
		mem_free(text);
		return;
	}
	hand_over(client, request);
}

static void auth_answered(void *ctx, enum auth_result result,
			  const struct auth_line *line)
{
	struct login_client *client = ctx;
	struct auth_request *request = client->request;

	switch (result) {
	case AUTH_CONTINUE:
		client->waiting_response = true;
		client->process->protocol->challenge(
			client, line->count > 0 ? line->args[0] : STR(""));
		conn_resume(client->conn);
		return;
	case AUTH_OK:
		client->request = NULL;
		succeeded(client, request, line);
		return;
	case AUTH_FAIL:
		failed(client, line);
		return;
	case AUTH_UNAVAILABLE:
		fail(client, LOGIN_TEMPORARY, STR(""));
		return;
	}
}

/* --- the client's side
 * ---------------------------------------------------------- */

/* Whether the mechanism may be used here; tells the client if not. */
static bool mech_allowed(struct login_client *client, struct str name,
			 const struct auth_mech **mech_out)
{
	const struct auth_mech *mech =
		auth_client_mech(client->process->auth, name);

	if (!login_client_secured(client) &&
	    strcmp(client->context->tls_set.ssl, "required") == 0) {
		client->plaintext_disallowed = true;
		login_log(client, "Login failed: SSL required for "
				  "authentication");
		fail(client, LOGIN_NEEDS_SSL, STR(""));
		return false;
	}
	if (mech == NULL) {
		fail_logged(client, LOGIN_UNKNOWN_MECH,
			    "Unsupported authentication mechanism.");
		return false;
	}
	if (mech->plaintext && !login_client_secured(client) &&
	    client->context->set.disable_plaintext_auth) {
		client->plaintext_disallowed = true;
		fail_logged(client, LOGIN_NEEDS_TLS,
			    "Plaintext authentication disabled.");
		return false;
	}
	*mech_out = mech;
	return true;
}

static void ask(struct login_client *client, const struct auth_mech *mech,
		bool has_initial, struct str initial)
{
	const struct auth_info info = {
		.mech = mech->name,
		.service = client->process->protocol->name,
		.session_id = client->session_id,
		.cert_name = conn_tls_cert_name(client->conn),
		.local_name = conn_tls_server_name(client->conn),
		.local = client->local,
		.remote = client->remote,
		.secured = login_client_secured(client),
		.tls = conn_has_tls(client->conn),
		.no_penalty = client->trusted,
		.has_initial = has_initial,
		.initial = initial,
	};

	client->auth_started_ms = clock_monotonic_ms();
	if (client->attempts++ == 0)
		client->first_attempt_ms = client->started_ms;
	client->last_outcome = LOGIN_DENIED;
	client->authenticating = true;
	conn_pause(client->conn);
	client->request = auth_request_new(client->process->auth, &info,
					   auth_answered, client);
	if (client->request == NULL)
		fail(client, LOGIN_TEMPORARY, STR(""));
}

static bool base64_ok(struct str text)
{
	struct buf out = buf_init(text.len + 4);
	bool ok = base64_decode(text, &out);

	mem_wipe(out.data, out.len);
	buf_free(&out);
	return ok;
}

void login_sasl_begin(struct login_client *client, struct str name,
		      bool has_initial, struct str initial)
{
	const struct auth_mech *mech;

	mem_free(client->mech);
	client->mech =
		str_upper(client, str_of(str_sanitize(client, name, 64)));
	if (!mech_allowed(client, name, &mech))
		return;
	if (has_initial && !base64_ok(initial)) {
		client->bad_base64 = true;
		fail_logged(client, LOGIN_BAD_BASE64,
			    "Invalid base64 data in initial response");
		return;
	}
	ask(client, mech, has_initial, initial);
}

void login_sasl_plain(struct login_client *client, struct str user,
		      struct str password)
{
	struct buf plain = buf_init(PLAIN_MAX), coded = buf_init(2 * PLAIN_MAX);

	buf_putc(&plain, '\0');
	buf_add_str(&plain, user);
	buf_putc(&plain, '\0');
	buf_add_str(&plain, password);
	base64_encode(str_n(plain.data, plain.len), &coded);
	if (plain.overflow || coded.overflow)
		fail(client, LOGIN_DENIED, STR(""));
	else
		login_sasl_begin(client, STR("PLAIN"), true,
				 str_n(coded.data, coded.len));
	mem_wipe(plain.data, plain.len);
	mem_wipe(coded.data, coded.len);
	buf_free(&plain);
	buf_free(&coded);
}

void login_sasl_response(struct login_client *client, struct str line)
{
	client->waiting_response = false;
	if (str_is(line, "*")) {
		auth_request_cancel(&client->request);
		fail(client, LOGIN_ABORTED, STR(""));
		return;
	}
	if (!base64_ok(line)) {
		auth_request_cancel(&client->request);
		client->bad_base64 = true;
		fail_logged(client, LOGIN_BAD_BASE64,
			    "Invalid base64 in response");
		return;
	}
	conn_pause(client->conn);
	auth_request_continue(client->request, line);
}

void login_sasl_cancel(struct login_client *client)
{
	auth_request_cancel(&client->request);
	if (client->post_login_id != 0)
		post_login_forget(client->process->post_login,
				  client->post_login_id);
	client->post_login_id = 0;
}
