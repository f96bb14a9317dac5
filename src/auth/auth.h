/* SPDX-License-Identifier: MIT */
/*
 * auth/auth.h - the process: what every connection to it shares.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H
#include <stdbool.h>

#include "auth/settings.h"
#include "base/str.h"

struct anvil;
struct auth_client;
struct cache;
struct config;
struct dbs;
struct err;
struct loop;
struct mech;
struct peers;
struct service_env;
struct workers;

enum { MECHS_MAX = 32 };

struct auth {
	struct service_env *env;
	struct loop *loop;
	const struct config *config;
	struct auth_settings set;
	const struct mech *mechs[MECHS_MAX + 1]; /* that are offered */
	struct cache *cache;     /* NULL: nothing is remembered */
	struct workers *workers; /* of auth */
	struct anvil *anvil;
	struct relay *relay;         /* of auth */
	struct auth_dbs_entry *dbs;  /* by service, opened when first asked */
	struct auth_client *clients; /* by pid */
	struct peers *peers;         /* login processes */
};

/* Settings, mechanisms, databases. */
int auth_open(const void *ctx, struct service_env *env, struct auth **out,
	      struct err *err);
/* The databases for a service; those of unknown services for all others. */
struct dbs *auth_dbs(struct auth *auth, const char *service);
/* Whether `mech` is among auth_mechanisms. */
bool auth_offers(const struct auth *auth, const struct mech *mech);

/* An answer for the log, without the password that goes to a proxy. */
void auth_debug_out(const char *what, struct str line);

#endif
