/* SPDX-License-Identifier: MIT */
/*
 * auth/lookup.c - the userdb half of auth/verify.h.
 */
#include "auth/auth.h"
#include "auth/cache.h"
#include "auth/db.h"
#include "auth/userdb/static.h"
#include "auth/verify.h"
#include "auth/workers.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"

struct lookup {
	struct auth *auth;
	struct request *request;
	struct userdb *db;
	struct cache_key key;
	bool has_key;
	bool logged_in;
	bool found, had_failure, refused;
	lookup_fn *fn;
	void *ctx;
};

static void go_on(struct lookup *lookup);

static void finish(struct lookup *lookup, enum user_result result)
{
	struct request *request = lookup->request;
	lookup_fn *fn = lookup->fn;
	void *ctx = lookup->ctx;

	request->source = NULL;
	mem_free(lookup);
	fn(ctx, request, result);
}

static const char *rule_for(const struct userdb *db, enum user_result result)
{
	switch (result) {
	case USER_OK:
		return db->set->result_success;
	case USER_NOT_FOUND:
		return db->set->result_failure;
	default:
		return db->set->result_internalfail;
	}
}

static void set_templates(struct lookup *lookup)
{
	const struct userdb_settings *set = lookup->db->set;
	struct request *request = lookup->request;

	request->passdb_failed = false;
	request_set_templates(request, set->override_fields, true, false);
	request_set_templates(request, set->default_fields, true, true);
}

static void obey(struct lookup *lookup, enum user_result result)
{
	const char *rule = rule_for(lookup->db, result);

	if (result == USER_NOT_FOUND && strstr(rule, "-ok") != NULL)
		set_templates(lookup);
	/* "return" stands by what an earlier one said. */
	if (strcmp(rule, "return-ok") == 0 ||
	    (strcmp(rule, "return") == 0 && lookup->found)) {
		finish(lookup, USER_OK);
		return;
	}
	if (strncmp(rule, "return", 6) == 0) {
		finish(lookup, result == USER_OK ? USER_NOT_FOUND : result);
		return;
	}
	if (strcmp(rule, "continue-ok") == 0) {
		lookup->found = true;
		lookup->refused = false;
	} else if (strcmp(rule, "continue-fail") == 0) {
		lookup->refused = true;
	}
	lookup->had_failure = lookup->had_failure || result == USER_FAILURE;
	lookup->db = lookup->db->next;
	go_on(lookup);
}

static void decide(struct lookup *lookup, enum user_result result,
		   const struct fields *fields)
{
	struct request *request = lookup->request;

	if (result != USER_OK) {
		obey(lookup, result);
		return;
	}
	for (size_t i = 0; i < fields->count; i++) {
		const struct field *field = &fields->list[i];

		if (strcmp(field->key, "user") == 0)
			request->user = mem_strdup(request, field->value);
		else
			fields_set(&request->user_fields, field->key,
				   field->value);
	}
	set_templates(lookup);
	obey(lookup, request->passdb_failed ? USER_FAILURE : USER_OK);
}

static void remember(struct lookup *lookup, enum user_result result,
		     const struct fields *fields)
{
	CLEANUP(buf_free) struct buf value = buf_init(32 * 1024);
	struct cache *cache = lookup->auth->cache;

	if (!lookup->has_key)
		return;
	if (result == USER_NOT_FOUND) {
		cache_put_negative(cache, &lookup->key, lookup->request->user);
	} else if (result == USER_OK) {
		fields_write(fields, &value);
		if (!value.overflow)
			cache_put(cache, &lookup->key, lookup->request->user,
				  NULL, str_n(value.data, value.len));
	}
}

static void worker_answered(void *ctx, enum user_result result,
			    const struct fields *fields)
{
	struct lookup *lookup = ctx;

	remember(lookup, result, fields);
	decide(lookup, result, fields);
}

static bool is_cached(struct lookup *lookup)
{
	struct request *request = lookup->request;
	struct fields fields = fields_init(request);
	struct cache *cache = lookup->auth->cache;
	struct str value;

	lookup->has_key =
		cache_user_key(cache, lookup->db, request, &lookup->key);
	if (!lookup->has_key)
		return false;
	switch (cache_get(cache, &lookup->key, NULL, &value)) {
	case CACHE_MISS:
	case CACHE_MISMATCH: /* of passdbs */
		return false;
	case CACHE_NEGATIVE:
		request_log(request, LOG_LEVEL_INFO, "unknown user (cached)");
		decide(lookup, USER_NOT_FOUND, &fields);
		return true;
	case CACHE_HIT:
		break;
	}
	fields_parse(&fields, value);
	decide(lookup, USER_OK, &fields);
	return true;
}

static void ask(struct lookup *lookup)
{
	struct request *request = lookup->request;
	struct userdb *db = lookup->db;
	struct fields fields = fields_init(request);

	request->source = userdb_name(db);
	request->verbose =
		db_verbose(&lookup->auth->set, db->set->auth_verbose);
	if (!db->blocking)
		decide(lookup, db->driver->lookup(db, request, &fields),
		       &fields);
	else if (!is_cached(lookup))
		workers_user(lookup->auth->workers, lookup, db->index, request,
			     worker_answered, lookup);
}

/* userdb static: the passdbs know who exists. */
static void passdb_answered(void *ctx, struct request *request,
			    enum pass_result result)
{
	struct lookup *lookup = ctx;
	struct fields none = fields_init(request);

	request->lookup_only = false;
	request->source = lookup->db->driver->name;
	switch (result) {
	case PASS_OK:
		ask(lookup);
		break;
	case PASS_NOT_FOR_USER:
		request_log(request, LOG_LEVEL_ERROR,
			    "passdb doesn't support lookups, can't verify "
			    "user's existence");
		/* fall through */
	case PASS_FAILURE:
		decide(lookup, USER_FAILURE, &none);
		break;
	default:
		decide(lookup, USER_NOT_FOUND, &none);
		break;
	}
}

/* As in Dovecot the first one never is. */
static bool is_skipped(const struct lookup *lookup)
{
	const char *skip = lookup->db->set->skip;

	if (lookup->db ==
	    auth_dbs(lookup->auth, lookup->request->service)->userdbs)
		return false;
	return (strcmp(skip, "found") == 0 && lookup->found) ||
	       (strcmp(skip, "notfound") == 0 && !lookup->found);
}

static void go_on(struct lookup *lookup)
{
	while (lookup->db != NULL && is_skipped(lookup))
		lookup->db = lookup->db->next;
	if (lookup->db == NULL) {
		if (lookup->found && !lookup->refused)
			finish(lookup, USER_OK);
		else
			finish(lookup, lookup->had_failure ? USER_FAILURE
							   : USER_NOT_FOUND);
		return;
	}
	if (!lookup->logged_in && userdb_static_asks_passdb(lookup->db)) {
		lookup->request->lookup_only = true;
		verify_begin(lookup->auth, lookup->request, passdb_answered,
			     lookup);
	} else {
		ask(lookup);
	}
}

void lookup_begin(struct auth *auth, struct request *request, bool logged_in,
		  lookup_fn *fn, void *ctx)
{
	struct lookup *lookup = mem_new(request, struct lookup);

	lookup->auth = auth;
	lookup->request = request;
	lookup->logged_in = logged_in;
	lookup->db = auth_dbs(auth, request->service)->userdbs;
	lookup->fn = fn;
	lookup->ctx = ctx;
	go_on(lookup);
}
