/* SPDX-License-Identifier: MIT */
#include "auth/verify.h"

#include "auth/app/app.h"
#include "auth/auth.h"
#include "auth/cache.h"
#include "auth/db.h"
#include "auth/passdb/drivers.h"
#include "auth/workers.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mask.h"
#include "base/mem.h"
#include "proto/auth.h"

/* A walk along the passdbs; child of its request. */
struct verify {
	struct auth *auth;
	struct request *request;
	struct dbs *dbs;
	struct passdb *db;
	struct cache_key key;
	bool has_key;
	bool masters;     /* it is about the master user's password */
	bool pass;        /* then the user must be in a passdb, too */
	bool master_done; /* now the user that the master user wants to be */
	bool accepted;    /* result_success = continue-ok */
	bool refused;     /* what makes the end: -fail */
	bool known;       /* the password was right: it is not asked again */
	bool had_failure; /* something could not be asked */
	enum pass_result last;
	/* Whom passdb app-password was asked about; NULL: it was not. */
	struct passdb *gate;
	const char *gate_user, *want_scheme;
	verify_fn *fn;
	void *ctx;
};

static void go_on(struct verify *verify);

static void finish(struct verify *verify, enum pass_result result)
{
	struct request *request = verify->request;
	verify_fn *fn = verify->fn;
	void *ctx = verify->ctx;

	request->source = NULL;
	request->success = result == PASS_OK;
	request->refused = request->refused && !request->success;
	request->last_success = verify->last == PASS_OK;
	mem_free(verify);
	fn(ctx, request, result);
}

/* which passdbs count */

static bool mech_wanted(const struct passdb *db, const struct request *request)
{
	struct str rest = str_of(db->set->mechanisms), word;
	const char *mech = *request->mech == '\0' ? "none" : request->mech;
	bool any = true;

	while (str_item(&rest, &word)) {
		if (str_case_is(word, mech))
			return true;
		any = false;
	}
	return any;
}

/* "*@example.com !root": no pattern with "!" matches, and if there are others,
 * one of them does. */
static bool user_wanted(const struct passdb *db, const struct request *request)
{
	struct str rest = str_of(db->set->username_filter), word;
	bool others = false, found = false;

	while (str_item(&rest, &word)) {
		bool negative = word.data[0] == '!';
		char *mask = str_dup(NULL, str_from(word, negative ? 1 : 0));
		bool match = mask_match(mask, request->user);

		mem_free(mask);
		if (negative && match)
			return false;
		others = others || !negative;
		found = found || match;
	}
	return !others || found;
}

static bool is_skipped(const struct verify *verify, const struct passdb *db)
{
	const char *skip = db->set->skip;
	bool accepted =
		verify->accepted || verify->known || verify->master_done;

	if (strcmp(skip, "authenticated") == 0 && accepted)
		return true;
	if (strcmp(skip, "unauthenticated") == 0 && !accepted)
		return true;
	return !mech_wanted(db, verify->request) ||
	       !user_wanted(db, verify->request);
}

/* what an answer leads to */

/* A master user was accepted: from here on it is about the user that he wants
 * to be. */
static void become_login_user(struct verify *verify)
{
	struct request *request = verify->request;

	request->master_user = request->user;
	request->user = request->login_user;
	request->login_user = NULL;
	request->in_master = false;
	if (request->verbose && request->want_scheme == NULL)
		log_info("Master user logging in as %s", request->user);
	verify->master_done = true;
	verify->masters = false;
	verify->gate = NULL; /* codes are between the users and us */
}

static void on_gate(void *ctx, const struct pass_answer *answer)
{
	struct verify *verify = ctx;
	bool closed = fields_get(&answer->fields, PASS_GATE) != NULL;

	verify->request->want_scheme = verify->want_scheme;
	finish(verify, closed ? answer->result : PASS_OK);
}

/* A passdb behind the gate may have made another user of him, who needs a code:
 * that he cannot give here. */
static void finish_accepted(struct verify *verify)
{
	struct request *request = verify->request;

	if (verify->gate == NULL || verify->gate_user == NULL ||
	    strcmp(verify->gate_user, request->user) == 0) {
		finish(verify, PASS_OK);
		return;
	}
	verify->want_scheme = request->want_scheme;
	request->want_scheme = "PLAIN";
	workers_pass(verify->auth->workers, verify, verify->gate, request,
		     on_gate, verify);
}

static void accept_user(struct verify *verify)
{
	struct request *request = verify->request;

	if (!verify->masters) {
		if (request->login_user != NULL) /* a field said so */
			become_login_user(verify);
		finish_accepted(verify);
		return;
	}
	if (request->login_user == NULL) {
		/* A login_user field of the masterdb may be needed. */
		finish(verify, PASS_MISMATCH);
		return;
	}
	become_login_user(verify);
	if (!verify->pass) {
		finish(verify, PASS_OK);
		return;
	}
	request->lookup_only = true;
	request->want_scheme = NULL; /* the master user's counted */
	verify->accepted = verify->known = false;
	verify->last = PASS_UNKNOWN_USER;
	verify->db = verify->dbs->passdbs;
	go_on(verify);
}

static void refuse(struct verify *verify, enum pass_result result)
{
	if (verify->master_done && result != PASS_FAILURE)
		verify->request->fail_code = "authz_fail";
	finish(verify, result);
}

/* The end of the list. */
static void run_out(struct verify *verify)
{
	if (verify->accepted && !verify->refused)
		accept_user(verify);
	else if (verify->had_failure)
		refuse(verify, PASS_FAILURE);
	else
		refuse(verify,
		       verify->last == PASS_OK ? PASS_MISMATCH : verify->last);
}

static const char *rule_for(const struct passdb *db, enum pass_result result)
{
	switch (result) {
	case PASS_OK:
		return db->set->result_success;
	case PASS_FAILURE:
		return db->set->result_internalfail;
	default:
		return db->set->result_failure;
	}
}

static void obey(struct verify *verify, enum pass_result result)
{
	const char *rule = rule_for(verify->db, result);
	struct passdb *next = verify->db->next;

	verify->last = result;
	verify->pass = verify->masters && verify->db->set->pass;
	/* "return" stands by what an earlier one said. */
	if (strcmp(rule, "return-ok") == 0 ||
	    (strcmp(rule, "return") == 0 && verify->accepted)) {
		accept_user(verify);
	} else if (strncmp(rule, "return", 6) == 0) {
		refuse(verify, result == PASS_OK ? PASS_MISMATCH : result);
	} else {
		if (strcmp(rule, "continue-ok") == 0) {
			verify->accepted = verify->known = true;
			verify->refused = false;
		} else if (strcmp(rule, "continue-fail") == 0) {
			verify->refused = true;
			verify->known = false;
		} else if (result == PASS_OK) {
			verify->known = true;
		}
		verify->had_failure =
			verify->had_failure || result == PASS_FAILURE;
		verify->db = next;
		go_on(verify);
	}
}

/* The fields get their meaning; they may refuse the user. */
static enum pass_result apply(struct verify *verify,
			      const struct fields *fields)
{
	struct request *request = verify->request;

	request_set_templates(request, verify->db->set->default_fields, false);
	for (size_t i = 0; i < fields->count; i++)
		request_set_pass_field(request, fields->list[i].key,
				       fields->list[i].value);
	request_set_templates(request, verify->db->set->override_fields, false);
	if (!request->passdb_failed)
		return PASS_OK;
	if (request->broken)
		return PASS_FAILURE;
	request->refused = true;
	return PASS_MISMATCH;
}

/* What those who verify passwords themselves have for a client that they
 * refuse. */
static void tell_why(struct request *request, const struct fields *fields)
{
	static const char *const keys[] = {"reason", "openid-configuration"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *value = fields_get(fields, keys[i]);

		if (value != NULL)
			fields_set(&request->pass_saved, keys[i], value);
	}
}

/* Whether that was the end of it: PASS_GATE. */
static bool is_gate_closed(struct verify *verify,
			   const struct pass_answer *answer)
{
	const char *gate = fields_get(&answer->fields, PASS_GATE);
	struct request *request = verify->request;
	char *password = request->password;
	unsigned octets;

	if (gate == NULL || answer->result == PASS_OK ||
	    verify->db->driver != &passdb_app_password)
		return false;
	if (!str_to_unsigned(str_of(gate), &octets)) {
		refuse(verify, answer->result);
		return true;
	}
	if (password != NULL && octets <= strlen(password)) {
		password += strlen(password) - octets;
		mem_wipe(password, octets); /* that is "" now */
	}
	return false;
}

/* Nobody passes but whom it does not know: who is in it is refused, whatever it
 * says of his password, and if it cannot tell, so is everybody. */
static void decide_denied(struct verify *verify, enum pass_result result)
{
	struct request *request = verify->request;

	if (result == PASS_UNKNOWN_USER) {
		verify->last = result;
		verify->db = verify->db->next;
		go_on(verify);
		return;
	}
	if (result != PASS_FAILURE) {
		request_log(request, LOG_LEVEL_INFO,
			    "User found from deny passdb");
		result = PASS_DISABLED;
	}
	request->refused = true;
	refuse(verify, result);
}

static void decide(struct verify *verify, const struct pass_answer *answer)
{
	enum pass_result result = answer->result;

	if (is_gate_closed(verify, answer))
		return;
	verify->request->refused |= result == PASS_EXPIRED;
	if (verify->db->set->deny) {
		decide_denied(verify, result);
		return;
	}
	if (result == PASS_OK) {
		if (answer->credentials != NULL)
			request_set_credentials(verify->request,
						answer->credentials);
		result = apply(verify, &answer->fields);
		if (result == PASS_OK &&
		    fields_get(&answer->fields, PASS_ASIDE) != NULL) {
			request_fields_save(verify->request);
			verify->last = PASS_FAILURE;
			verify->db = verify->db->next;
			go_on(verify);
			return;
		}
	} else if (verify->db->driver->lookup == NULL) {
		tell_why(verify->request, &answer->fields);
	}
	/* What it said of a user that it refuses counts for nothing. */
	if (result == PASS_OK)
		request_fields_save(verify->request);
	else
		request_fields_restore(verify->request);
	if (result != PASS_OK && !verify->masters && !verify->master_done)
		verify->request->login_user = NULL;
	obey(verify, result);
}

/* asking */

static void remember(struct verify *verify, const struct pass_answer *answer)
{
	CLEANUP(buf_free) struct buf value = buf_init(32 * 1024);
	struct cache *cache = verify->auth->cache;
	const struct request *request = verify->request;

	if (!verify->has_key)
		return;
	if (answer->result == PASS_UNKNOWN_USER) {
		cache_put_negative(cache, &verify->key, request->user);
	} else if (answer->result == PASS_MISMATCH &&
		   request->password != NULL && !request->lookup_only) {
		cache_put_mismatch(cache, &verify->key, request->user,
				   request->password);
	} else if (answer->result == PASS_OK) {
		fields_write(&answer->fields, &value);
		if (answer->credentials != NULL)
			auth_write_value(&value, "password",
					 answer->credentials);
		if (!value.overflow)
			cache_put(cache, &verify->key, request->user,
				  request->password,
				  str_n(value.data, value.len));
		mem_wipe(value.data, value.len);
	}
}

static void worker_answered(void *ctx, const struct pass_answer *answer)
{
	struct verify *verify = ctx;

	remember(verify, answer);
	decide(verify, answer);
}

static bool is_cached(struct verify *verify)
{
	struct request *request = verify->request;
	struct cache *cache = verify->auth->cache;
	struct pass_answer answer = {PASS_OK, fields_init(request), NULL};
	struct str value;

	/* What was not compared is not remembered. */
	verify->has_key =
		!request->password_known &&
		cache_pass_key(cache, verify->db, request, &verify->key);
	if (!verify->has_key)
		return false;
	switch (cache_get(cache, &verify->key, request->password, &value)) {
	case CACHE_MISS:
		return false;
	case CACHE_NEGATIVE:
		request_log(request, LOG_LEVEL_INFO, "unknown user (cached)");
		answer.result = PASS_UNKNOWN_USER;
		break;
	case CACHE_MISMATCH:
		request_log_mismatch(request);
		answer.result = PASS_MISMATCH;
		break;
	case CACHE_HIT:
		fields_parse(&answer.fields, value);
		if (request->want_scheme == NULL)
			break;
		answer.credentials = fields_get(&answer.fields, "password");
		fields_remove(&answer.fields, "password");
		request->remembered =
			mem_memdup(request, &verify->key, sizeof(verify->key));
		break;
	}
	decide(verify, &answer);
	return true;
}

static void ask(struct verify *verify)
{
	struct request *request = verify->request;
	struct pass_answer answer = {PASS_OK, fields_init(request), NULL};

	if (verify->db->driver == &passdb_app_password &&
	    app_concerns(request)) {
		verify->gate = verify->db;
		verify->gate_user = request->user;
	}
	passdb_enter(verify->db, request);
	request->passdb_failed = request->broken = false;
	request->password_known = verify->known;
	request->in_master = verify->db->set->master;
	request->verbose =
		db_verbose(&verify->auth->set, verify->db->set->auth_verbose);
	passdb_ask(verify->db, request, false, &answer);
	if (answer.result != PASS_SLOW)
		decide(verify, &answer);
	else if (!is_cached(verify))
		workers_pass(verify->auth->workers, verify, verify->db, request,
			     worker_answered, verify);
}

static void skip(struct verify *verify)
{
	while (verify->db != NULL && is_skipped(verify, verify->db))
		verify->db = verify->db->next;
}

static void go_on(struct verify *verify)
{
	skip(verify);
	if (verify->db == NULL)
		run_out(verify);
	else
		ask(verify);
}

void verify_begin(struct auth *auth, struct request *request, verify_fn *fn,
		  void *ctx)
{
	struct verify *verify = mem_new(request, struct verify);

	verify->auth = auth;
	verify->request = request;
	verify->dbs = auth_dbs(auth, request->service);
	verify->fn = fn;
	verify->ctx = ctx;
	verify->masters = request->login_user != NULL;
	verify->db =
		verify->masters ? verify->dbs->masterdbs : verify->dbs->passdbs;
	/* If there are some, but none for him, nobody can tell whether he
	 * exists. */
	verify->last = verify->db != NULL ? PASS_FAILURE : PASS_UNKNOWN_USER;
	if (verify->db == NULL && verify->masters)
		request_log(request, LOG_LEVEL_INFO,
			    "Master user login attempted without master "
			    "passdbs");
	skip(verify);
	if (verify->db == NULL && verify->last == PASS_FAILURE &&
	    !request->lookup_only)
		request_log(request, LOG_LEVEL_ERROR,
			    "All password databases were skipped");
	go_on(verify);
}
