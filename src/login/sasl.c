/* SPDX-License-Identifier: MIT */
/*
 * login/sasl.c - a login, from the client's command to auth's last word.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "login/auth_link.h"
#include "login/client.h"
#include "login/login.h"
#include "login/protocol.h"
#include "login/proxy.h"
#include "net/conn.h"
#include "proto/auth.h"

enum { NAME_MAX_KEPT = 256 };

static void set_text(struct client *client, char **field, struct str value)
{
	mem_free(*field);
	if (value.len > NAME_MAX_KEPT)
		value.len = NAME_MAX_KEPT;
	*field = str_dup(client, value);
}

void client_refuse(struct client *client, enum login_result result,
		   const char *text)
{
	client->state = CLIENT_COMMANDS;
	client_restart_timeout(client);
	client->protocol->refuse(client, result, text);
	conn_resume(client->conn);
	if (client->attempts >= client->set->login_max_attempts)
		client_disconnect(client, "Too many failed logins.",
				  "Too many failed logins");
}

/* When it happens; what led to the end is told at the end. */
static void log_refused(struct client *client, const char *what)
{
	char text[256];

	if (!client->set->auth_verbose)
		return;
	snprintf(text, sizeof(text), "Authenticate %s failed: %s",
		 client->mech == NULL ? "?" : client->mech, what);
	client_log(client, 0, text);
}

static void refuse_mech(struct client *client)
{
	client->no_mech_tried = true;
	log_refused(client, "Unsupported authentication mechanism.");
	client_refuse(client, LOGIN_NO_MECH,
		      "Unsupported authentication mechanism.");
}

/* A certificate that holds must say whose it is. */
static bool has_no_name(const struct client *client)
{
	return client->set->auth_ssl_require_client_cert &&
	       client->set->auth_ssl_username_from_cert &&
	       conn_tls_cert_valid(client->conn) &&
	       conn_tls_cert_name(client->conn) == NULL;
}

static void start(struct client *client, const char *mech, struct str initial)
{
	if (has_no_name(client)) {
		log_refused(client, "Unable to validate certificate");
		client->authz_failed = true;
		client->attempts++;
		client_refuse(client, LOGIN_AUTHZ_FAILED,
			      "Unable to validate certificate");
		return;
	}
	client->attempt_ms = clock_monotonic_ms();
	client->bad_base64 = client->no_mech_tried = false;
	client->plaintext_tried = client->sasl_unfinished = false;
	client->cert_refused = client->authz_failed = false;
	client->dest_failed = false;
	client->failure = NULL;
	client->state = CLIENT_AUTH;
	conn_pause(client->conn);
	conn_set_timeout(client->conn,
			 (struct duration){CLIENT_ANSWER_TIMEOUT_MS});
	if (!auth_link_start(client->login->auth, client, mech, initial))
		client_auth_answer(client,
				   &(struct auth_answer){.kind = ANSWER_LOST});
}

static bool refused_without_tls(struct client *client)
{
	if (!client_needs_tls(client))
		return false;
	if (client->set->auth_verbose)
		client_log(client, 0,
			   "Login failed: SSL required for authentication");
	client->attempts++;
	client_refuse(client, LOGIN_PLAINTEXT,
		      "Authentication not allowed until SSL/TLS is enabled.");
	return true;
}

void client_authenticate(struct client *client, struct str name,
			 struct str initial)
{
	bool plaintext = false;
	const char *mech =
		auth_link_find_mech(client->login->auth, name, &plaintext);
	char *upper = str_upper(NULL, name);

	set_text(client, &client->mech, str_of(upper));
	mem_free(upper);
	if (refused_without_tls(client))
		return;
	/* Without auth nobody knows which there are: start() says so. */
	if (mech == NULL && auth_link_ready(client->login->auth)) {
		refuse_mech(client);
		return;
	}
	if (plaintext && !client_plaintext_ok(client)) {
		client->plaintext_tried = true;
		log_refused(client, "Plaintext authentication disabled.");
		client_refuse(client, LOGIN_PLAINTEXT,
			      "Plaintext authentication disabled.");
		return;
	}
	if (str_is(initial, "="))
		initial = STR("");
	start(client, mech, initial);
}

void client_start_mech(struct client *client, const char *mech,
		       struct str initial)
{
	if (refused_without_tls(client))
		return;
	set_text(client, &client->mech, str_of(mech));
	start(client, mech, initial);
}

void client_login(struct client *client, struct str user, struct str password)
{
	CLEANUP(buf_wipe_free) struct buf plain = buf_init(SASL_LINE_MAX);
	CLEANUP(buf_wipe_free)
	struct buf response = buf_init(2 * SASL_LINE_MAX);
	bool plaintext;

	mem_free(client->mech);
	client->mech = NULL;
	if (!client_plaintext_ok(client)) {
		if (client->set->auth_verbose)
			client_log(client, 0,
				   "Login failed: Plaintext authentication "
				   "disabled");
		set_text(client, &client->user, user);
		client->plaintext_tried = true;
		client->attempts++;
		client_refuse(client, LOGIN_PLAINTEXT, NULL);
		return;
	}
	set_text(client, &client->mech, STR("PLAIN"));
	/* auth would think us broken, and end everybody's connection. */
	if (auth_link_find_mech(client->login->auth, STR("PLAIN"),
				&plaintext) == NULL) {
		refuse_mech(client);
		return;
	}
	buf_putc(&plain, '\0');
	buf_add_str(&plain, user);
	buf_putc(&plain, '\0');
	buf_add_str(&plain, password);
	base64_encode(str_n(plain.data, plain.len), &response);
	if (plain.overflow || response.overflow ||
	    response.len > SASL_LINE_MAX) {
		client->attempts++;
		client_refuse(client, LOGIN_FAILED, NULL);
		return;
	}
	start(client, "PLAIN", str_n(response.data, response.len));
}

/* the client's responses */

static bool is_base64(struct str line)
{
	CLEANUP(buf_wipe_free) struct buf decoded = buf_init(SASL_LINE_MAX);

	return base64_decode(line, &decoded);
}

void client_sasl_refuse(struct client *client, const char *text)
{
	auth_link_cancel(client->login->auth, client);
	client->sasl_unfinished = true;
	log_refused(client, text);
	client_refuse(client, LOGIN_BAD_BASE64, text);
}

void client_sasl_line(struct client *client, struct str line)
{
	if (str_is(line, "*")) {
		client->sasl_unfinished = true;
		auth_link_cancel(client->login->auth, client);
		client_refuse(client, LOGIN_ABORTED,
			      "Authentication aborted by client.");
	} else if (!is_base64(line)) {
		client_sasl_refuse(client, "Invalid base64 in response");
	} else {
		client->state = CLIENT_AUTH;
		conn_pause(client->conn);
		auth_link_continue(client->login->auth, client, line);
	}
}

void client_sasl_input(struct client *client)
{
	struct str in = conn_input(client->conn), line;
	size_t used;

	if (!auth_line_next(in, &line, &used)) {
		if (in.len < client_max_input(client))
			return;
		mem_wipe((char *)in.data, in.len);
		client_disconnect(client, "Authentication response too large",
				  "Authentication response too large");
		return;
	}
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	client_sasl_line(client, line);
	/* Its memory is still there, where it was. */
	in = conn_input(client->conn);
	mem_wipe((char *)in.data, used);
	conn_consume(client->conn, used);
	if (client->state == CLIENT_COMMANDS)
		client->protocol->input(client);
}

/* auth's answers */

/* "Temporary authentication failure. [host:2026-11-22 14:50:37]": the words
 * that lead from a user's report to the log. */
static void refuse_temporarily(struct client *client)
{
	char host[256] = "", when[32], text[400];
	time_t now = time(NULL);
	struct tm tm;

	gethostname(host, sizeof(host) - 1);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S",
		 localtime_r(&now, &tm));
	client->failure = "auth service reported temporary failure";
	snprintf(text, sizeof(text),
		 "Temporary authentication failure. [%s:%s]", host, when);
	client_refuse(client, LOGIN_TEMPORARY, text);
}

static void failed(struct client *client, const struct auth_answer *answer)
{
	const char *code = answer->code == NULL ? "" : answer->code;

	client->auth_id = 0;
	client->attempts++;
	if (client->set->auth_ssl_require_client_cert &&
	    !conn_tls_cert_valid(client->conn)) {
		client->cert_refused = true;
		client_refuse(client, LOGIN_NO_MECH,
			      "Client didn't present valid SSL certificate");
	} else if (strcmp(code, "temp_fail") == 0) {
		refuse_temporarily(client);
	} else if (strcmp(code, "authz_fail") == 0) {
		client->authz_failed = true;
		client_refuse(client, LOGIN_AUTHZ_FAILED,
			      "Authorization failed");
	} else if (strcmp(code, "user_disabled") == 0) {
		/* Not told: nobody has asked for the password. */
		client->failure = "user disabled";
		client_refuse(client, LOGIN_FAILED, NULL);
	} else if (strcmp(code, "pass_expired") == 0) {
		client->failure = "password expired";
		client_refuse(client, LOGIN_EXPIRED, "Password expired");
	} else if (strcmp(code, "invalid_base64") == 0) {
		client->attempts--;
		client->bad_base64 = true;
		client_refuse(client, LOGIN_BAD_INITIAL,
			      "Invalid base64 data in initial response");
	} else {
		client_refuse(client, LOGIN_FAILED, answer->reason);
	}
}

/* "nologin": with a host the client is to go there by itself. */
static void refuse_session(struct client *client,
			   const struct auth_answer *answer)
{
	const char *reason = answer->reason;

	client->auth_id = 0;
	mem_free(client->referral);
	client->referral = client_referral(client, answer->fields);
	if (client->referral != NULL)
		client_refuse(client, LOGIN_REFERRED,
			      reason != NULL ? reason
					     : "Try this server instead.");
	else
		client_refuse(client, LOGIN_REFUSED,
			      reason != NULL ? reason
					     : "Login disabled for this user");
}

/* For the log: no secrets. */
static void keep_fields(struct client *client, const struct auth_line *line)
{
	CLEANUP(buf_free) struct buf out = buf_init(AUTH_LINE_MAX);

	for (size_t i = 0; i < line->count && i < LOGIN_FIELDS_MAX; i++) {
		if (str_starts(line->args[i], "pass=") ||
		    str_starts(line->args[i], "resp="))
			continue;
		buf_add_str(&out, line->args[i]);
		buf_putc(&out, '\t');
	}
	set_text(client, &client->fields, str_n(out.data, out.len));
}

static void succeeded(struct client *client, const struct auth_answer *answer)
{
	client->successes++;
	keep_fields(client, answer->fields);
	if (client->protocol->final_data)
		set_text(client, &client->tag,
			 auth_line_value(answer->fields, "resp"));
	if (answer->proxy && login_proxy_begin(client, answer->fields))
		return;
	if (answer->nologin)
		refuse_session(client, answer);
	else
		client_hand_over(client);
}

void client_auth_answer(struct client *client, const struct auth_answer *answer)
{
	if (answer->user != NULL)
		set_text(client, &client->user, str_of(answer->user));
	switch (answer->kind) {
	case ANSWER_CONT:
		client->state = CLIENT_SASL;
		client_restart_timeout(client);
		client->protocol->challenge(client, answer->data);
		conn_resume(client->conn);
		break;
	case ANSWER_OK:
		succeeded(client, answer);
		break;
	case ANSWER_FAIL:
		failed(client, answer);
		break;
	case ANSWER_LOST:
		client->auth_id = 0;
		client->attempts++;
		refuse_temporarily(client);
		break;
	}
}
