/* SPDX-License-Identifier: MIT */
#include "login/client.h"

#include <string.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "login/post_login.h"
#include "net/conn.h"
#include "net/loop.h"
#include "service/service.h"

/* Longer than a client's first words, shorter than what a stranger may make us
 * keep; the rest waits in the kernel. */
enum { AUTH_WAIT_NOTICE_MS = 30 * 1000 };

static void client_input(void *ctx);
static void client_closed(void *ctx, const char *why);
static void client_timeout(void *ctx);
static void last_written(void *ctx);

static const struct conn_events events = {
	.input = client_input,
	.closed = client_closed,
};

/* After the last line: only its writing matters. */
static void gone(void *ctx, const char *why);
static const struct conn_events last_events = {
	.drained = last_written,
	.closed = gone,
};

/* --- settings ------------------------------------------------------------- */

static int context_new(const void *ctx, struct login_process *process,
		       const struct config_filter *filter,
		       struct login_context **out, struct err *err)
{
	const struct config *config = service_config(process->env);
	struct login_context *context = mem_new(ctx, struct login_context);

	*out = context;
	if (config_read(context, config, filter, login_settings, &context->set,
			err) < 0 ||
	    config_read(context, config, filter, tls_settings,
			&context->tls_set, err) < 0)
		return -1;
	if (strcmp(context->tls_set.ssl, "no") == 0)
		return 0;
	if (tls_new(context, &context->tls_set, &context->tls, err) < 0)
		return -1;
	tls_set_alpn(context->tls, process->protocol->name);
	return 0;
}

/* A wrong certificate must not keep people from reading mail without TLS, and
 * must be heard of at once and each time it is wanted. */
static void complain(struct login_context *context, const struct err *err)
{
	context->tls = NULL;
	log_error("Failed to initialize SSL server context: %s", err->text);
}

static struct login_context *context_of(struct login_client *client)
{
	struct login_process *process = client->process;
	const struct config_filter filter = {
		.protocol = process->protocol->name,
		.local = client->local,
		.remote = client->remote,
	};
	struct login_context *context;
	struct err err;

	if (!config_has_filters(service_config(process->env)))
		return process->context;
	if (context_new(client, process, &filter, &context, &err) < 0)
		complain(context, &err);
	return context;
}

/* --- a client's life --------------------------------------------------------
 */

bool login_client_secured(const struct login_client *client)
{
	return conn_has_tls(client->conn) || client->trusted ||
	       ip_equal(&client->local, &client->remote);
}

static void free_now(void *ctx)
{
	struct login_client *client = ctx;
	struct service_env *env = client->process->env;

	DL_DELETE(client->process->clients, client);
	timer_free(&client->timer);
	conn_free(&client->proxy);
	conn_free(&client->conn);
	mem_free(client);
	service_client_end(env);
}

static void free_soon(struct login_client *client)
{
	timer_free(&client->timer);
	client->timer = timer_new(service_loop(client->process->env),
				  (struct duration){0}, free_now, client);
}

static void last_written(void *ctx)
{
	free_soon(ctx);
}

static void gone(void *ctx, const char *why)
{
	(void)why;
	free_soon(ctx);
}

void login_client_end(struct login_client *client, const char *bye,
		      const char *reason)
{
	if (client->ended)
		return;
	if (reason != NULL)
		login_log_disconnect(client, reason);
	client->ended = true;
	login_sasl_cancel(client);
	conn_set_events(client->conn, &last_events, client);
	if (bye == NULL) {
		free_soon(client);
		return;
	}
	client->process->protocol->bye(client, bye);
	conn_set_timeout(client->conn, (struct duration){5000});
	conn_close_later(client->conn);
}

bool login_client_bad_command(struct login_client *client, const char *bye,
			      const char *reason)
{
	if (++client->bad_commands <
	    client->context->set.login_max_bad_commands)
		return true;
	login_client_end(client, bye, reason);
	return false;
}

static void client_closed(void *ctx, const char *why)
{
	struct login_client *client = ctx;
	char *reason = mem_printf(client, "Connection closed%s%s",
				  why[0] != '\0' ? ": " : "", why);

	if (conn_has_tls(client->conn) || client->handshaking)
		client->tls_error = why[0] != '\0' ? mem_strdup(client, why)
						   : "Connection closed";
	login_client_end(client, NULL, reason);
}

static void client_timeout(void *ctx)
{
	struct login_client *client = ctx;

	if (client->handshaking) {
		client->tls_error = "timed out";
		login_client_end(client, NULL, "Inactivity");
		return;
	}
	login_client_end(client, "Disconnected for inactivity.",
			 client->attempts > 0 && (client->authenticating ||
						  client->waiting_response)
				 ? "Inactivity during authentication"
				 : "Inactivity");
}

static void arm(struct login_client *client, struct duration timeout)
{
	timer_free(&client->timer);
	client->timer = timer_new(service_loop(client->process->env), timeout,
				  client_timeout, client);
}

static void client_input(void *ctx)
{
	struct login_client *client = ctx;

	if (client->ended || !client->greeted || client->handshaking)
		return;
	/* A client that talks is waited for; the whole has a limit, too. */
	if (client->authenticating && !client->waiting_response)
		return;
	client->process->protocol->input(client);
}

/* --- beginning
 * ----------------------------------------------------------------- */

static void greet(struct login_client *client)
{
	if (client->greeted || client->handshaking || client->ended ||
	    !auth_client_ready(client->process->auth))
		return;
	client->greeted = true;
	client->process->protocol->greeting(client);
	client_input(client);
}

static void secured(void *ctx)
{
	struct login_client *client = ctx;

	client->handshaking = false;
	arm(client, client->context->set.login_timeout);
	client->process->protocol->reset(client);
	greet(client);
}

void login_client_start_tls(struct login_client *client)
{
	client->handshaking = true;
	arm(client, client->context->set.login_handshake_timeout);
	conn_start_tls(client->conn, client->context->tls, secured);
}

void login_client_new(struct login_process *process,
		      const struct service_client *accepted)
{
	struct login_client *client = mem_new(process, struct login_client);

	client->process = process;
	client->local = accepted->local;
	client->remote = client->real_remote = accepted->remote;
	client->session_id = service_session_id(client);
	client->tls_listener = accepted->listener->ssl;
	client->started_ms = clock_monotonic_ms();
	client->context = context_of(client);
	client->protocol_data =
		mem_zero(client, 1, process->protocol->memory_size, "protocol");
	client->trusted = ip_in_networks(
		&client->remote, client->context->set.login_trusted_networks);
	client->conn =
		conn_new(client, service_loop(process->env), accepted->fd,
			 client->context->set.login_max_input, &events, client);
	DL_APPEND(process->clients, client);
	process->protocol->begin(client);
	if (!client->tls_listener) {
		arm(client, client->context->set.login_timeout);
		greet(client);
	} else if (client->context->tls != NULL) {
		login_client_start_tls(client);
	} else {
		login_client_end(client, NULL, "TLS is not available");
	}
}

/* --- the process
 * --------------------------------------------------------------- */

static struct login_process *process;
static const struct login_protocol *protocol_of_process;

static void auth_ready(void *ctx)
{
	struct login_process *self = ctx;
	struct login_client *client, *tmp;

	DL_FOREACH_SAFE(self->clients, client, tmp)
	greet(client);
}

static int login_init(struct service_env *env, struct err *err)
{
	const struct config_filter filter = {.protocol =
						     protocol_of_process->name};

	process = mem_new(NULL, struct login_process);
	process->env = env;
	process->protocol = protocol_of_process;
	if (context_new(process, process, &filter, &process->context, err) < 0)
		complain(process->context, err);
	process->post_login = post_login_new(
		process, service_loop(env),
		service_socket_path(process, env,
				    process->protocol->post_login));
	process->auth = auth_client_new(
		process, service_loop(env),
		service_socket_path(process, env, "login/login"), auth_ready,
		process);
	return 0;
}

static void login_accept(struct service_env *env,
			 const struct service_client *accepted)
{
	(void)env;
	login_client_new(process, accepted);
}

/* A TLS proxy is a session: it lives on. Who has not logged in has to go. */
static void login_stop(struct service_env *env, const char *reason)
{
	struct login_client *client, *tmp;

	(void)env;
	process->stopping = true;
	DL_FOREACH_SAFE(process->clients, client, tmp)
	{
		if (client->proxy == NULL || client->post_login_id != 0)
			login_client_end(client, reason, reason);
	}
}

int login_main(const struct login_protocol *protocol, const char *name,
	       int argc, char **argv)
{
	const struct service service = {
		.name = name,
		.settings = login_settings,
		.sandbox = SANDBOX_UNIX,
		.init = login_init,
		.accept = login_accept,
		.stop = login_stop,
	};

	protocol_of_process = protocol;
	return service_run(&service, argc, argv);
}
