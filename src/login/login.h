/* SPDX-License-Identifier: MIT */
/*
 * login/login.h - the process: settings, TLS contexts, its connections to auth
 * and to the post-login service.
 */
#ifndef LOGIN_LOGIN_H
#define LOGIN_LOGIN_H
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "login/settings.h"

struct auth_link;
struct client;
struct config;
struct err;
struct handover_link;
struct login_protocol;
struct loop;
struct login_view;
struct proxy_list;
struct proxy_sources;
struct service_env;

struct login {
	struct service_env *env;
	struct loop *loop;
	const struct config *config;
	const struct login_protocol *protocol;
	struct login_view *view;  /* settings outside of all blocks */
	struct login_view *views; /* all, by their blocks */
	bool has_filters;
	/* For proxied users; NULL: not to be had. */
	struct tls *proxy_tls, *proxy_tls_any_cert;
	struct auth_link *auth;
	struct handover_link *handover;
	struct proxy_list *proxied;
	struct proxy_sources *sources;
	int notify_fd, notify_errno; /* login_proxy_notify_path; or -1 */
	struct client *clients;
	unsigned count, proxies;
	bool stopping, retired;
};

/* view.c: the settings outside of all blocks; once, before the first client */
int login_base_settings(struct login *login, struct err *err);
/* The settings that hold for a client's addresses and the name that it asks
 * for (NULL: not known), and its TLS context. */
int login_client_settings(struct login *login, struct client *client,
			  const char *name, struct err *err);
/* The number of clients or proxies has changed. */
void login_counted(struct login *login);

#endif
