/* SPDX-License-Identifier: MIT */
/*
 * login/main.c - what all login processes share.
 */
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "login/auth_link.h"
#include "login/client.h"
#include "login/handover_link.h"
#include "login/login.h"
#include "login/protocol.h"
#include "net/tls.h"
#include "service/service.h"

enum { TLS_ENTRIES_MAX = 1000 };

/* A TLS context for settings that a local or remote block made. */
struct tls_entry {
	struct tls_entry *next;
	struct tls_settings set;
	struct tls *tls;
};

static struct login *login;
static const struct login_protocol *the_protocol;

static struct tls *open_tls(const void *ctx, const struct tls_settings *set)
{
	struct tls *tls;
	struct err err;

	if (strcmp(set->ssl, "no") == 0)
		return NULL;
	if (tls_new(ctx, set, &tls, &err) < 0) {
		log_error("Failed to initialize SSL server context: %s",
			  err.text);
		return NULL;
	}
	tls_set_alpn(tls, the_protocol->name);
	return tls;
}

static int preload(struct service_env *env, struct err *err)
{
	struct config_filter filter = {.protocol = the_protocol->name};

	login = mem_new(NULL, struct login);
	login->env = env;
	login->protocol = the_protocol;
	login->config = service_config(env);
	login->has_filters = config_has_filters(login->config);
	if (config_read(login, login->config, &filter, login_settings,
			&login->set, err) < 0 ||
	    config_read(login, login->config, &filter, tls_settings,
			&login->tls_set, err) < 0)
		return -1;
	login->tls = open_tls(login, &login->tls_set);
	return 0;
}

static int init(struct service_env *env, struct err *err)
{
	char *path;

	(void)err;
	login->env = env;
	login->loop = service_loop(env);
	login->auth = auth_link_new(
		login, login, service_socket_path(login, env, "login/login"));
	path = mem_printf(login, "login/%s", the_protocol->name);
	login->handover = handover_link_new(
		login, login, service_socket_path(login, env, path));
	return 0;
}

static bool same_tls(const struct tls_settings *a, const struct tls_settings *b)
{
	return strcmp(a->ssl, b->ssl) == 0 &&
	       strcmp(a->ssl_cert, b->ssl_cert) == 0 &&
	       strcmp(a->ssl_key, b->ssl_key) == 0 &&
	       strcmp(a->ssl_ca, b->ssl_ca) == 0 &&
	       strcmp(a->ssl_min_protocol, b->ssl_min_protocol) == 0 &&
	       strcmp(a->ssl_cipher_list, b->ssl_cipher_list) == 0 &&
	       strcmp(a->ssl_cipher_suites, b->ssl_cipher_suites) == 0 &&
	       a->ssl_verify_client_cert == b->ssl_verify_client_cert;
}

/* The context for these settings, made when first needed. */
static struct tls *find_tls(const struct config_filter *filter,
			    const struct tls_settings *set)
{
	struct err err;
	struct tls_entry *entry;
	unsigned count = 0;

	if (same_tls(set, &login->tls_set))
		return login->tls;
	for (entry = login->tls_entries; entry != NULL; entry = entry->next) {
		if (same_tls(set, &entry->set))
			return entry->tls;
		if (++count == TLS_ENTRIES_MAX)
			return login->tls;
	}
	entry = mem_new(login, struct tls_entry);
	/* Its own copy: that of the client goes with it. */
	if (config_read(entry, login->config, filter, tls_settings, &entry->set,
			&err) < 0) {
		mem_free(entry);
		return login->tls;
	}
	entry->tls = open_tls(entry, &entry->set);
	entry->next = login->tls_entries;
	login->tls_entries = entry;
	return entry->tls;
}

int login_client_settings(struct login *of, struct client *client,
			  struct err *err)
{
	struct config_filter filter = {.protocol = the_protocol->name,
				       .local = client->local,
				       .remote = client->remote};
	struct login_settings *set;
	struct tls_settings *tls_set;

	client->set = &of->set;
	client->tls_set = &of->tls_set;
	client->tls_ctx = of->tls;
	if (!of->has_filters)
		return 0;
	set = mem_new(client, struct login_settings);
	tls_set = mem_new(client, struct tls_settings);
	if (config_read(client, of->config, &filter, login_settings, set, err) <
		    0 ||
	    config_read(client, of->config, &filter, tls_settings, tls_set,
			err) < 0)
		return -1;
	client->set = set;
	client->tls_set = tls_set;
	client->tls_ctx = find_tls(&filter, tls_set);
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
		.sandbox = SANDBOX_UNIX,
		.preload = preload,
		.init = init,
		.accept = accept_client,
		.stop = stop,
		.retire = retire,
	};

	service.name = name;
	the_protocol = protocol;
	return service_run(&service, argc, argv);
}
