/* SPDX-License-Identifier: MIT */
/*
 * login/main.c - what all login processes share.
 */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "config/config.h"
#include "login/auth_link.h"
#include "login/client.h"
#include "login/handover_link.h"
#include "login/login.h"
#include "login/protocol.h"
#include "login/proxy.h"
#include "login/proxy_list.h"
#include "service/service.h"

static struct login *login;
static const struct login_protocol *the_protocol;

static int preload(struct service_env *env, struct err *err)
{
	login = mem_new(NULL, struct login);
	login->env = env;
	login->protocol = the_protocol;
	login->config = service_config(env);
	if (login_base_settings(login, err) < 0)
		return -1;
	login_proxy_preload(login);
	return 0;
}

static int init(struct service_env *env, struct err *err)
{
	char *path;

	(void)err;
	if (*config_value(login->config, NULL, "login_proxy_rawlog_dir") !=
	    '\0')
		service_may(env, SANDBOX_FILES);
	login->env = env;
	login->loop = service_loop(env);
	login->auth = auth_link_new(
		login, login, service_socket_path(login, env, "login/login"));
	login->proxied = proxy_list_new(
		login, login, service_socket_path(login, env, "login/anvil"));
	path = mem_printf(login, "login/%s", the_protocol->name);
	login->handover = handover_link_new(
		login, login, service_socket_path(login, env, path));
	return 0;
}

/* Proxies need nobody else; an auth and a manager of before the reload would
 * wait for them. */
static void let_others_go(struct login *of)
{
	if (!of->retired || of->count > of->proxies)
		return;
	auth_link_close(of->auth);
	handover_link_close(of->handover);
}

void login_counted(struct login *of)
{
	service_title(of->env, "%u pre-login + %u TLS proxies",
		      of->count - of->proxies, of->proxies);
	let_others_go(of);
}

static void retire(struct service_env *env)
{
	(void)env;
	login->retired = true;
	let_others_go(login);
}

static void accept_client(struct service_env *env,
			  const struct service_client *from)
{
	(void)env;
	client_accept(login, from);
}

/* Who has not logged in for longest goes: nobody keeps others out by just
 * being here. */
static bool make_room(struct service_env *env)
{
	struct client *client;

	(void)env;
	for (client = login->clients; client != NULL; client = client->next) {
		if (client->state == CLIENT_GREETING ||
		    client->state == CLIENT_COMMANDS ||
		    client->state == CLIENT_SASL) {
			client_disconnect(client, "Connection queue full",
					  "Connection queue full");
			return true;
		}
	}
	return false;
}

/* Those that only talk to us are told; proxies go on. */
static void stop(struct service_env *env, const char *reason)
{
	struct client *client, *next;

	(void)env;
	login->stopping = true;
	for (client = login->clients; client != NULL; client = next) {
		next = client->next;
		if (client->state == CLIENT_GREETING ||
		    client->state == CLIENT_COMMANDS ||
		    client->state == CLIENT_SASL)
			client_disconnect(client, reason, "Shutting down");
	}
}

int login_main(const struct login_protocol *protocol, const char *name,
	       int argc, char **argv)
{
	static struct service service = {
		.settings = login_settings,
		.sandbox = SANDBOX_UNIX | SANDBOX_INET, /* proxying */
		.preload = preload,
		.init = init,
		.accept = accept_client,
		.make_room = make_room,
		.stop = stop,
		.retire = retire,
	};

	service.name = name;
	the_protocol = protocol;
	return service_run(&service, argc, argv);
}
