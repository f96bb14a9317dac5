/* SPDX-License-Identifier: MIT */
#include "auth/auth.h"

#include "auth/cache.h"
#include "auth/db.h"
#include "auth/mech.h"
#include "auth/passdb/drivers.h"
#include "auth/policy.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "service/service.h"

/* Clients name their service: only for these may protocol blocks matter. */
static const char *const services[] = {
	"imap", "pop3", "lmtp", "lda", "sieve", "submission", "smtp", "doveadm",
};

enum { SERVICES = sizeof(services) / sizeof(services[0]) };

struct auth_dbs_entry {
	struct dbs *any, *of[SERVICES];
};

static int read_mechs(struct auth *auth, struct err *err)
{
	struct str rest = str_of(auth->set.auth_mechanisms), word;
	size_t count = 0;

	while (str_word(&rest, &word)) {
		const struct mech *mech = mech_find(word);

		if (mech == NULL)
			return err_set(
				err, ERR_INVALID,
				"Unknown authentication mechanism '%.*s'",
				STR_FMT(word));
		if (count == MECHS_MAX)
			return err_set(err, ERR_LIMIT, "Too many mechanisms");
		if (!auth_offers(auth, mech))
			auth->mechs[count++] = mech;
	}
	if (count == 0)
		return err_set(err, ERR_INVALID,
			       "No authentication mechanisms configured");
	return 0;
}

static bool has_credentials(const struct dbs *dbs)
{
	for (const struct passdb *db = dbs->passdbs; db != NULL;
	     db = db->next) {
		if (db->driver->verify == NULL && !db->set->deny &&
		    db->driver != &passdb_app_password)
			return true;
	}
	return dbs->passdbs == NULL;
}

/* A client may choose it, and would never get in. */
static int check_mechs(struct auth *auth, struct err *err)
{
	bool ok = has_credentials(auth->dbs->any);

	for (size_t i = 0; i < SERVICES && !ok; i++)
		ok = has_credentials(auth_dbs(auth, services[i]));
	for (size_t i = 0; auth->mechs[i] != NULL && !ok; i++) {
		if (auth->mechs[i]->wants_credentials)
			return err_set(err, ERR_INVALID,
				       "%s mechanism can't be supported with "
				       "given passdbs",
				       auth->mechs[i]->name);
	}
	return 0;
}

int auth_open(const void *ctx, struct service_env *env, struct auth **out,
	      struct err *err)
{
	struct auth *auth = mem_new(ctx, struct auth);

	auth->env = env;
	auth->loop = service_loop(env);
	auth->config = service_config(env);
	if (config_read(auth, auth->config, NULL, auth_settings, &auth->set,
			err) < 0 ||
	    read_mechs(auth, err) < 0 ||
	    policy_check_settings(&auth->set, err) < 0)
		return -1;
	if (auth->set.auth_debug_passwords)
		auth->set.auth_debug = true;
	if (auth->set.auth_debug)
		log_debug_set(true);
	auth->dbs = mem_new(auth, struct auth_dbs_entry);
	if (dbs_open(auth, auth->config, NULL, &auth->dbs->any, err) < 0 ||
	    check_mechs(auth, err) < 0)
		return -1;
	if (auth->set.auth_cache_size > 0 && auth->set.auth_cache_ttl.ms > 0)
		auth->cache = cache_new(auth, &auth->set);
	*out = auth;
	return 0;
}

struct dbs *auth_dbs(struct auth *auth, const char *service)
{
	struct err err;

	for (size_t i = 0; i < SERVICES; i++) {
		if (strcmp(services[i], service) != 0)
			continue;
		if (auth->dbs->of[i] == NULL &&
		    dbs_open(auth, auth->config, service, &auth->dbs->of[i],
			     &err) < 0) {
			log_error("protocol %s: %s", service, err.text);
			return auth->dbs->any;
		}
		return auth->dbs->of[i];
	}
	return auth->dbs->any;
}

void auth_debug_out(const char *what, struct str line)
{
	ptrdiff_t pass = str_find(line, STR("\tpass="));

	if (!log_debug_on())
		return;
	log_debug("%s out: %.*s%s", what,
		  (int)(pass >= 0 ? pass : (ptrdiff_t)line.len), line.data,
		  pass >= 0 ? "\tpass=<hidden>" : "");
}

bool auth_offers(const struct auth *auth, const struct mech *mech)
{
	for (size_t i = 0; auth->mechs[i] != NULL; i++) {
		if (auth->mechs[i] == mech)
			return true;
	}
	return false;
}
