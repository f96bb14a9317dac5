/* SPDX-License-Identifier: MIT */
/*
 * login/view.c - the settings that hold for a client, by its addresses and the
 * name that it asks for. Those of the same blocks are read once.
 */
#include <string.h>
#include <uthash.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "login/client.h"
#include "login/login.h"
#include "login/protocol.h"
#include "net/tls.h"

enum {
	/* Certificates of as many names are kept; behind them each connection
	 * reads its own. */
	VIEWS_MAX = 4096,
	KEY_MAX = 4096,
};

struct login_view {
	UT_hash_handle hh;
	char *key; /* config_filter_key() */
	struct login_settings set;
	struct tls_settings tls_set;
	struct tls *tls; /* NULL: not to be had */
};

static struct tls *choose_tls(void *ctx, const char *name)
{
	struct client *client = ctx;
	struct err err;

	if (login_client_settings(client->login, client, name, &err) < 0)
		log_error("%s", err.text);
	return client->tls_ctx;
}

static struct tls *open_tls(const void *ctx, const struct login *login,
			    const struct tls_settings *set)
{
	struct tls *tls;
	struct err err;

	/* A global "no" holds for all blocks, as the warning at start says. */
	if (strcmp(set->ssl, "no") == 0 ||
	    strcmp(config_value(login->config, NULL, "ssl"), "no") == 0)
		return NULL;
	if (tls_new(ctx, set, &tls, &err) < 0) {
		log_error("Failed to initialize SSL server context: %s",
			  err.text);
		return NULL;
	}
	tls_set_alpn(tls, login->protocol->alpn);
	if (login->has_filters)
		tls_set_choose(tls, choose_tls);
	return tls;
}

static struct login_view *view_read(const void *ctx, struct login *login,
				    const struct config_filter *filter,
				    struct err *err)
{
	struct login_view *view = mem_new(ctx, struct login_view);

	if (config_read(view, login->config, filter, login_settings, &view->set,
			err) < 0 ||
	    config_read(view, login->config, filter, tls_settings,
			&view->tls_set, err) < 0) {
		mem_free(view);
		return NULL;
	}
	view->tls = open_tls(view, login, &view->tls_set);
	return view;
}

/* Kept, or of the client alone. */
static struct login_view *view_get(struct login *login, struct client *client,
				   const struct config_filter *filter,
				   struct err *err)
{
	CLEANUP(buf_free) struct buf key = buf_init(KEY_MAX);
	struct login_view *view;

	config_filter_key(login->config, filter, &key);
	HASH_FIND(hh, login->views, key.data, (unsigned)key.len, view);
	if (view != NULL)
		return view;
	if (client != NULL &&
	    (key.overflow || HASH_COUNT(login->views) >= VIEWS_MAX))
		return view_read(client, login, filter, err);
	view = view_read(login, login, filter, err);
	if (view == NULL)
		return NULL;
	view->key = mem_memdup(view, key.data, key.len);
	HASH_ADD_KEYPTR(hh, login->views, view->key, (unsigned)key.len, view);
	return view;
}

int login_base_settings(struct login *login, struct err *err)
{
	const struct config_filter filter = {.protocol = login->protocol->name};

	login->has_filters = config_has_filters(login->config);
	login->view = view_get(login, NULL, &filter, err);
	return login->view == NULL ? -1 : 0;
}

int login_client_settings(struct login *login, struct client *client,
			  const char *name, struct err *err)
{
	const struct config_filter filter = {.protocol = login->protocol->name,
					     .local_name = name,
					     .local = client->local,
					     .remote = client->remote};
	struct login_view *view = login->view;

	if (login->has_filters)
		view = view_get(login, client, &filter, err);
	if (view != NULL) {
		client->set = &view->set;
		client->tls_set = &view->tls_set;
		client->tls_ctx = view->tls;
		return 0;
	}
	/* At its beginning a client needs some. */
	if (client->set == NULL) {
		client->set = &login->view->set;
		client->tls_set = &login->view->tls_set;
		client->tls_ctx = login->view->tls;
	}
	return -1;
}
