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
	bool found, had_failure;
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

static void set_templates(struct request *request, const char *fields)
{
	request->passdb_failed = request->broken = false;
	request_set_templates(request, fields, true);
}

/* As in Dovecot the first one never is skipped. */
static struct userdb *next_of(const struct lookup *lookup)
{
	const char *skipped = lookup->found ? "found" : "notfound";
	struct userdb *db = lookup->db->next;

	while (db != NULL && strcmp(db->set->skip, skipped) == 0)
		db = db->next;
	return db;
}

static void end(struct lookup *lookup, enum user_result result)
{
	struct request *request = lookup->request;

	if (!lookup->found) {
		finish(lookup, lookup->had_failure || result == USER_FAILURE
				       ? USER_FAILURE
				       : USER_NOT_FOUND);
		return;
	}
	set_templates(request, lookup->db->set->override_fields);
	finish(lookup, request->passdb_failed || request->user_broken
			       ? USER_FAILURE
			       : USER_OK);
}

static void obey(struct lookup *lookup, enum user_result result)
{
	const char *rule = rule_for(lookup->db, result);
	bool goes_on = strncmp(rule, "continue", 8) == 0;
	struct request *request = lookup->request;
	struct userdb *next;

	if (strstr(rule, "-ok") != NULL)
		lookup->found = true;
	else if (strstr(rule, "-fail") != NULL)
		lookup->found = false;
	next = next_of(lookup);
	if (!goes_on || next == NULL) {
		end(lookup, result);
		return;
	}
	lookup->had_failure = lookup->had_failure || result == USER_FAILURE;
	if (result == USER_OK) {
		set_templates(request, lookup->db->set->override_fields);
		request_fields_save(request);
	} else {
		request_fields_restore(request);
	}
	lookup->db = next;
	go_on(lookup);
}

static void decide(struct lookup *lookup, enum user_result result,
		   const struct fields *fields)
{
	struct request *request = lookup->request;

	for (size_t i = 0; result == USER_OK && i < fields->count; i++) {
		const struct field *field = &fields->list[i];

		if (strcmp(field->key, "user") == 0)
			request->user = mem_strdup(request, field->value);
		else
			request_set_user_field(request, field->key,
					       field->value);
	}
	obey(lookup, result);
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

	userdb_enter(db, request);
	request->verbose =
		db_verbose(&lookup->auth->set, db->set->auth_verbose);
	if (!db->blocking)
		decide(lookup, db->driver->lookup(db, request, &fields),
		       &fields);
	else if (!is_cached(lookup))
		workers_user(lookup->auth->workers, lookup, db, request,
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
	/* What results of passdbs mean for logins is not asked here. */
	switch (request->last_success ? PASS_OK : result) {
	case PASS_OK:
		request_fields_save(request);
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

static void go_on(struct lookup *lookup)
{
	/* Over what earlier ones and the passdbs have: what this one finds
	 * comes over it again. */
	set_templates(lookup->request, lookup->db->set->default_fields);
	if (lookup->request->passdb_failed) {
		obey(lookup, USER_FAILURE);
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
	request_fields_save(request);
	if (lookup->db == NULL)
		finish(lookup, USER_NOT_FOUND);
	else
		go_on(lookup);
}
