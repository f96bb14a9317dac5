/* SPDX-License-Identifier: MIT */
#include "login/client.h"

#include <stdio.h>
#include <unistd.h>
#include <utlist.h>

#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "login/auth_link.h"
#include "login/handover_link.h"
#include "login/login.h"
#include "login/protocol.h"
#include "login/proxy.h"
#include "net/conn.h"
#include "net/tls.h"
#include "service/haproxy.h"
#include "service/service.h"

static const struct conn_events client_events;

void client_free(struct client *client)
{
	struct login *login = client->login;
	bool joined = client->to != NULL && client->to->joined;

	auth_link_cancel(login->auth, client);
	handover_link_forget(login->handover, client);
	login_proxy_free(client);
	DL_DELETE(login->clients, client);
	login->count--;
	if (client->proxy != NULL || joined)
		login->proxies--;
	conn_free(&client->proxy);
	conn_free(&client->conn);
	if (client->proxy_fd >= 0)
		close(client->proxy_fd);
	mem_free(client);
	login_counted(login);
	service_client_end(login->env);
}

void client_disconnect(struct client *client, const char *bye,
		       const char *reason)
{
	char why[128] = "", text[768];

	if (client->state == CLIENT_CLOSING)
		return;
	/* The reason that handover gives says all. */
	if (client->state != CLIENT_HANDOVER || bye == NULL)
		client_why(client, why, sizeof(why));
	snprintf(text, sizeof(text), "%s%s%s", "Disconnected: ", reason, why);
	client_log(client, 0, text);
	auth_link_cancel(client->login->auth, client);
	login_proxy_free(client);
	if (bye != NULL)
		client->protocol->bye(client, bye);
	client->state = CLIENT_CLOSING;
	conn_set_timeout(client->conn, (struct duration){5000});
	conn_close_later(client->conn);
}

bool client_bad_command(struct client *client)
{
	return ++client->bad_commands >= client->set->login_max_bad_commands;
}

size_t client_max_input(const struct client *client)
{
	uint64_t max = client->set->login_max_input;

	if (max < CLIENT_INPUT_MIN)
		return CLIENT_INPUT_MIN;
	return max > CLIENT_INPUT_MAX ? CLIENT_INPUT_MAX : (size_t)max;
}

void client_restart_timeout(struct client *client)
{
	conn_set_timeout(client->conn, client->set->login_timeout);
}

bool client_plaintext_ok(const struct client *client)
{
	if (client->secured)
		return true;
	return !client->set->disable_plaintext_auth &&
	       !client_needs_tls(client);
}

bool client_needs_tls(const struct client *client)
{
	return !client->secured &&
	       strcmp(client->tls_set->ssl, "required") == 0;
}

const char *client_server_name(const struct client *client)
{
	return client->tls ? conn_tls_server_name(client->conn)
			   : client->server_name;
}

bool client_can_tls(const struct client *client)
{
	return client->tls_ctx != NULL && !client->tls;
}

static void find_security(struct client *client)
{
	client->secured = client->tls || client->trusted ||
			  client->proxied_tls || client->remote.family == 0 ||
			  (!client->haproxy &&
			   ip_equal(&client->real_remote, &client->real_local));
}

/* greeting */

static void greet(struct client *client)
{
	if (!auth_link_ready(client->login->auth))
		return; /* client_auth_ready() comes back to it */
	client->state = CLIENT_COMMANDS;
	client->protocol->greet(client);
	client->protocol->input(client);
}

void client_auth_ready(struct client *client)
{
	/* Who is in a handshake is greeted behind it, or was before it. */
	if (client->state == CLIENT_GREETING && !client->starttls &&
	    (!client->ssl_listener || client->tls))
		greet(client);
}

static void on_secured(void *ctx)
{
	struct client *client = ctx;
	bool had_greeting = client->starttls;

	client->tls = true;
	find_security(client);
	client_restart_timeout(client);
	if (had_greeting) {
		client->state = CLIENT_COMMANDS;
		if (client->protocol->secured != NULL)
			client->protocol->secured(client);
		client->protocol->input(client);
	} else {
		greet(client);
	}
}

void client_start_tls(struct client *client)
{
	client->starttls = true;
	client->state = CLIENT_GREETING;
	client->protocol->reset(client);
	conn_start_tls(client->conn, client->tls_ctx, on_secured);
}

/* events */

static void on_input(void *ctx)
{
	struct client *client = ctx;

	if (client->state == CLIENT_COMMANDS)
		client->protocol->input(client);
	else if (client->state != CLIENT_SASL)
		return;
	else if (client->protocol->sasl_input != NULL)
		client->protocol->sasl_input(client);
	else
		client_sasl_input(client);
}

static void on_closed(void *ctx, const char *why)
{
	struct client *client = ctx;
	char reason[512];

	if (client->state == CLIENT_CLOSING) {
		client_free(client);
		return;
	}
	if (*why != '\0' && (client->ssl_listener || client->starttls))
		client->ssl_error = mem_strdup(client, why);
	else if (client->state == CLIENT_GREETING && client->ssl_listener &&
		 !client->tls)
		client->ssl_error = "Connection closed";
	if (*why == '\0')
		snprintf(reason, sizeof(reason), "Connection closed");
	else
		snprintf(reason, sizeof(reason), "Connection closed: %s", why);
	client_disconnect(client, NULL, reason);
	client_free(client);
}

static void on_drained(void *ctx)
{
	struct client *client = ctx;

	if (client->state == CLIENT_CLOSING)
		client_free(client);
}

static void on_timeout(void *ctx)
{
	struct client *client = ctx;

	if (client->state == CLIENT_CLOSING) {
		client_free(client);
		return;
	}
	client_disconnect(client, "Disconnected for inactivity.", "Inactivity");
}

static const struct conn_events client_events = {
	.input = on_input,
	.drained = on_drained,
	.closed = on_closed,
	.timeout = on_timeout,
};

/* begin */

/* How it came: in TLS from the start, or greeted in plain. */
static void begin(struct client *client)
{
	if (!client->ssl_listener) {
		greet(client);
		return;
	}
	if (client->tls_ctx == NULL) {
		client_disconnect(client, NULL, "TLS initialization failed.");
		return;
	}
	conn_start_tls(client->conn, client->tls_ctx, on_secured);
}

/* What a proxy in front says of its client. */
static void take_haproxy(struct client *client, const struct haproxy *from)
{
	client->haproxy = from != NULL;
	if (from == NULL)
		return;
	client->proxied_tls = from->tls;
	if (from->server_name[0] != '\0')
		client->server_name = mem_strdup(client, from->server_name);
	if (from->cert_name[0] != '\0')
		client->cert_name = mem_strdup(client, from->cert_name);
}

void client_accept(struct login *login, const struct service_client *from)
{
	struct client *client = mem_new(NULL, struct client);
	struct err err;

	client->login = login;
	client->protocol = login->protocol;
	client->proxy_fd = -1;
	client->ttl = PROXY_TTL;
	client->ssl_listener = from->listener->ssl;
	client->listener = from->listener->name;
	client->local = from->local;
	client->remote = from->remote;
	client->real_local = from->real_local;
	client->real_remote = from->real_remote;
	take_haproxy(client, from->haproxy);
	client->since_ms = clock_monotonic_ms();
	client->session_id = service_session_id(client);
	/* Blocks of settings that do not hold were refused at start. */
	if (login_client_settings(login, client, client->server_name, &err) < 0)
		log_error("%s", err.text);
	client->conn =
		conn_new(client, login->loop, from->fd,
			 client_max_input(client), &client_events, client);
	DL_APPEND(login->clients, client);
	login->count++;
	/* It is about who speaks here, not about a proxy in front of him; and
	 * not about whom he will say that he speaks for. */
	client->trusted = ip_in_networks(&client->remote,
					 client->set->login_trusted_networks);
	find_security(client);
	client_restart_timeout(client);
	client->protocol->init(client);
	login_counted(login);
	begin(client);
}
