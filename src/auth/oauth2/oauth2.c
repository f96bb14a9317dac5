/* SPDX-License-Identifier: MIT */
/*
 * auth/oauth2/oauth2.c - passdb oauth2 (RFC 6749, 7662): bearer tokens that a
 * server or a signature vouches for; args is the path of a
 * dovecot-oauth2.conf.ext. What is known of a token is there for templates as
 * "%{oauth2:name}".
 */
#include <stdio.h>

#include "auth/conf_ext.h"
#include "auth/db.h"
#include "auth/http.h"
#include "auth/json.h"
#include "auth/oauth2/jwt.h"
#include "auth/passdb/drivers.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/vars.h"
#include "service/dict.h"

enum { TIMEOUT_MS = 30 * 1000 };

struct settings {
	const char *tokeninfo_url, *grant_url, *introspection_url;
	const char *introspection_mode, *force_introspection;
	const char *use_grant_password, *client_id, *client_secret, *scope;
	const char *username_attribute, *username_format;
	const char *active_attribute, *active_value, *pass_attrs;
	const char *local_validation_key_dict, *issuers, *timeout_msecs;
	const char *openid_configuration_url, *debug, *rawlog_dir;
	const char *max_idle_time_msecs;
	const char *tls_ca_cert_file, *tls_ca_cert_dir, *tls_cert_file;
	const char *tls_key_file, *tls_cipher_suite, *tls_allow_invalid_cert;
};

struct source {
	struct settings set; /* first: conf_ext fills it */
	struct dict *keys;
	unsigned timeout_ms, max_idle_ms;
	bool is_local;
};

#define ROW(name, preset)                                                      \
	{                                                                      \
#name, offsetof(struct settings, name), preset                 \
	}
static const struct conf_ext_row rows[] = {
	ROW(tokeninfo_url, ""),
	ROW(grant_url, ""),
	ROW(introspection_url, ""),
	ROW(introspection_mode, ""),
	ROW(force_introspection, "no"),
	ROW(use_grant_password, "no"),
	ROW(client_id, ""),
	ROW(client_secret, ""),
	ROW(scope, ""),
	ROW(username_attribute, "email"),
	ROW(username_format, "%Lu"),
	ROW(active_attribute, ""),
	ROW(active_value, ""),
	ROW(pass_attrs, ""),
	ROW(local_validation_key_dict, ""),
	ROW(issuers, ""),
	ROW(timeout_msecs, "0"),
	ROW(openid_configuration_url, ""),
	ROW(tls_ca_cert_file, ""),
	ROW(tls_ca_cert_dir, ""),
	ROW(tls_cert_file, ""),
	ROW(tls_key_file, ""),
	ROW(tls_cipher_suite, ""),
	ROW(tls_allow_invalid_cert, "no"),
	ROW(max_idle_time_msecs, "60000"),
	ROW(debug, "no"),
	ROW(rawlog_dir, ""),
	{"max_parallel_connections", CONF_EXT_NO_EFFECT,
	 "each auth-worker process asks one thing at a time, and "
	 "auth_worker_max_count says how many they are"},
	{"max_pipelined_requests", CONF_EXT_NO_EFFECT,
	 "each request waits for the answer to the one before"},
	{NULL, 0, NULL},
};
#undef ROW

static int check(struct source *source, struct err *err)
{
	const struct settings *set = &source->set;
	const char *mode = set->introspection_mode;

	source->is_local = strcmp(mode, "local") == 0;
	if (*mode != '\0' && !source->is_local && strcmp(mode, "auth") != 0 &&
	    strcmp(mode, "get") != 0 && strcmp(mode, "post") != 0)
		return err_set(err, ERR_INVALID,
			       "introspection_mode must be auth, get, post or "
			       "local, not %s",
			       mode);
	if (*set->introspection_url != '\0' && *mode == '\0')
		return err_set(err, ERR_INVALID,
			       "introspection_mode is not set");
	if (source->is_local && *set->local_validation_key_dict == '\0')
		return err_set(err, ERR_INVALID,
			       "local_validation_key_dict is not set");
	if (!source->is_local && *set->tokeninfo_url == '\0' &&
	    *set->introspection_url == '\0')
		return err_set(err, ERR_INVALID,
			       "tokeninfo_url or introspection_url is needed");
	if (conf_ext_bool(set->use_grant_password) && *set->grant_url == '\0')
		return err_set(err, ERR_INVALID, "grant_url is not set");
	if (!str_to_unsigned(str_of(set->timeout_msecs), &source->timeout_ms))
		return err_set(err, ERR_INVALID, "timeout_msecs is no number");
	if (!str_to_unsigned(str_of(set->max_idle_time_msecs),
			     &source->max_idle_ms))
		return err_set(err, ERR_INVALID,
			       "max_idle_time_msecs is no number");
	if (source->timeout_ms == 0 || source->timeout_ms > TIMEOUT_MS)
		source->timeout_ms = TIMEOUT_MS;
	return 0;
}

static int source_open(struct passdb *db, struct source **out, struct err *err)
{
	struct source *source = mem_new(db, struct source);

	if (conf_ext_read(source, db->args, rows, source, NULL, err) < 0)
		return -1;
	if (check(source, err) < 0 ||
	    (source->is_local &&
	     dict_open(source, source->set.local_validation_key_dict,
		       db->base_dir, &source->keys, err) < 0))
		return err_wrap(err, "%s", db->args);
	*out = source;
	return 0;
}

static int oauth2_open(struct passdb *db, struct err *err)
{
	struct source *source;

	/* Only workers, who have the rights, need all of it. */
	if (source_open(db, &source, err) < 0)
		return err->code == ERR_DENIED ? 0 : -1;
	db->data = source;
	/* The token is the password; but with use_grant_password the mechanism
	 * tells which of both it is. One that we check ourselves says when it
	 * ends: it is not remembered for longer. */
	if (!source->is_local)
		db->cache_key =
			mem_printf(db, "%%m %s", source->set.pass_attrs);
	return 0;
}

/* asking servers. ERR_DENIED: the token or password is refused. */

static const char *with(const void *ctx, const char *text, const char *key,
			const char *value)
{
	CLEANUP(buf_free) struct buf out = buf_init(64 * 1024);

	buf_printf(&out, "%s%s", text, key);
	http_escape(NULL, str_of(value), &out);
	return out.overflow ? "" : buf_steal(ctx, &out);
}

/* debug = yes, whatever auth_debug says. What follows "?" may be a token. */
static void debug(const struct source *source, struct request *request,
		  const struct http_request *http, const char *outcome,
		  uint64_t since_us)
{
	bool was_on = log_debug_on(), was_wanted = request->debug;

	if (!conf_ext_bool(source->set.debug))
		return;
	log_debug_set(true);
	request->debug = true;
	request_log(request, LOG_LEVEL_DEBUG, "http: %s %.*s: %s (%llu us)",
		    http->post != NULL ? "POST" : "GET",
		    (int)strcspn(http->url, "?"), http->url, outcome,
		    (unsigned long long)(clock_monotonic_us() - since_us));
	request->debug = was_wanted;
	log_debug_set(was_on);
}

static int ask(struct source *source, struct request *request,
	       struct http_request *http, struct err *err)
{
	const struct settings *set = &source->set;
	CLEANUP(buf_free) struct buf body = buf_init(HTTP_BODY_MAX);
	uint64_t begin = clock_monotonic_us();
	unsigned status = 0;
	char text[32];
	int ret;

	if (*set->rawlog_dir != '\0')
		http->rawlog_dir = set->rawlog_dir;
	http->max_idle_ms = source->max_idle_ms;
	http->timeout_ms = source->timeout_ms;
	http->ca_file = set->tls_ca_cert_file;
	http->ca_dir = set->tls_ca_cert_dir;
	http->cert_file = set->tls_cert_file;
	http->key_file = set->tls_key_file;
	http->ciphers = set->tls_cipher_suite;
	http->any_certificate = conf_ext_bool(set->tls_allow_invalid_cert);
	ret = http_ask(http, &status, &body, err);
	snprintf(text, sizeof(text), "status %u", status);
	debug(source, request, http, ret < 0 ? err->text : text, begin);
	if (ret == 0 && status >= 400 && status < 500)
		ret = err_set(err, ERR_DENIED, "Token is refused (%u)", status);
	else if (ret == 0 && status / 100 != 2)
		ret = err_set(err, ERR_TEMPORARY, "HTTP status %u", status);
	if (ret == 0)
		ret = json_to_fields(str_n(body.data, body.len),
				     "oauth2:", &request->more_vars, err);
	if (body.len > 0)
		mem_wipe(body.data, body.len);
	return ret;
}

static int ask_grant(struct source *source, struct request *request,
		     const char **token_out, struct err *err)
{
	const struct settings *set = &source->set;
	const char *form = "grant_type=password";
	struct http_request http = {.url = set->grant_url};
	int ret;

	if (*set->client_id != '\0')
		form = with(request, form, "&client_id=", set->client_id);
	if (*set->client_secret != '\0')
		form = with(request, form,
			    "&client_secret=", set->client_secret);
	if (*set->scope != '\0')
		form = with(request, form, "&scope=", set->scope);
	form = with(request, form, "&username=", request->user);
	http.post = with(request, form, "&password=", request->password);
	if (*form == '\0' || *http.post == '\0')
		return err_set(err, ERR_LIMIT, "the password is too long");
	ret = ask(source, request, &http, err);
	mem_wipe((char *)http.post, strlen(http.post));
	if (ret < 0)
		return err_wrap(err, "%s", set->grant_url);
	*token_out = fields_get(&request->more_vars, "oauth2:access_token");
	if (*token_out == NULL)
		return err_set(err, ERR_DENIED,
			       "No access_token in the answer");
	return 0;
}

static int ask_introspection(struct source *source, struct request *request,
			     const char *token, struct err *err)
{
	const struct settings *set = &source->set;
	struct http_request http = {.url = set->introspection_url};
	const char *active;
	size_t count = 0;

	if (strcmp(set->introspection_mode, "get") == 0)
		http.url = with(request, http.url, "", token);
	else if (strcmp(set->introspection_mode, "post") == 0)
		http.post = with(request, "token=", "", token);
	else
		http.headers[count++] =
			mem_printf(request, "Authorization: Bearer %s", token);
	if (ask(source, request, &http, err) < 0)
		return err_wrap(err, "Introspection failed");
	/* RFC 7662 section 2.2: whatever else is said of such a token, and
	 * whether active_attribute asks for it or not. */
	active = fields_get(&request->more_vars, "oauth2:active");
	if (active != NULL && strcmp(active, "false") == 0)
		return err_set(err, ERR_DENIED, "Token is not active");
	return 0;
}

static int find_out(struct source *source, struct request *request,
		    const char *token, struct err *err)
{
	const struct settings *set = &source->set;
	char *name = mem_printf(request, "oauth2:%s", set->username_attribute);

	if (strpbrk(token, "\r\n") != NULL)
		return err_set(err, ERR_DENIED, "Invalid token");
	if (source->is_local && jwt_looks_like(token))
		return jwt_check(token, source->keys, set->issuers,
				 &request->more_vars, err);
	if (source->is_local && *set->tokeninfo_url == '\0')
		return err_set(err, ERR_DENIED, "Not a JWT token");
	if (*set->tokeninfo_url != '\0') {
		struct http_request http = {
			.url = with(request, set->tokeninfo_url, "", token)};

		if (ask(source, request, &http, err) < 0)
			return err_wrap(err, "Token validation failed");
	}
	if (*set->introspection_url != '\0' && !source->is_local &&
	    (*set->tokeninfo_url == '\0' ||
	     conf_ext_bool(set->force_introspection) ||
	     fields_get(&request->more_vars, name) == NULL))
		return ask_introspection(source, request, token, err);
	return 0;
}

/* what was found out */

static int check_user(const struct source *source, struct request *request,
		      struct err *err)
{
	const struct settings *set = &source->set;
	const char *name = fields_get(
		&request->more_vars,
		mem_printf(request, "oauth2:%s", set->username_attribute));
	char *user;

	if (name == NULL)
		return err_set(err, ERR_DENIED, "No username returned");
	if (vars_expand(request, set->username_format, vars_user(request, name),
			&user, err) < 0)
		return err_wrap(err, "username_format");
	if (strcmp(user, request->user) != 0) {
		CLEANUP(ctx_free)
		TALLOC_CTX *shown = str_sanitize(NULL, str_of(user), 100);

		return err_set(err, ERR_DENIED,
			       "Username '%s' did not match '%s'",
			       (char *)shown, request->user);
	}
	return 0;
}

static int check_answer(const struct source *source, struct request *request,
			struct err *err)
{
	const struct settings *set = &source->set;
	const struct fields *got = &request->more_vars;
	const char *scope = fields_get(got, "oauth2:scope");
	const char *aud = fields_get(got, "oauth2:aud");
	struct str rest = str_of(set->scope), word;
	const char *active = fields_get(
		got, mem_printf(request, "oauth2:%s", set->active_attribute));

	if (check_user(source, request, err) < 0)
		return -1;
	if (*set->active_attribute != '\0' &&
	    (active == NULL || (*set->active_value != '\0' &&
				strcmp(active, set->active_value) != 0)))
		return err_set(err, ERR_DENIED, "User account is not active");
	while (str_word(&rest, &word)) {
		if (!str_has_word(scope, word) && !str_has_word(aud, word))
			return err_set(err, ERR_DENIED,
				       "Token is not valid for scope '%s'",
				       set->scope);
	}
	return 0;
}

static int take_fields(const struct source *source, struct request *request,
		       struct fields *fields, struct err *err)
{
	struct str rest = str_of(source->set.pass_attrs), word;

	while (str_word(&rest, &word)) {
		const char *text =
			request_expand(request, str_dup(request, word));

		if (text == NULL)
			return err_set(err, ERR_INVALID, "broken pass_attrs");
		fields_set_text(fields, str_of(text));
	}
	return 0;
}

static bool is_token(const struct request *request)
{
	return strcmp(request->mech, "OAUTHBEARER") == 0 ||
	       strcmp(request->mech, "XOAUTH2") == 0;
}

static enum pass_result
oauth2_verify(struct passdb *db, struct request *request, struct fields *fields)
{
	struct source *source = db->data;
	const char *token = request->password;
	struct err err;
	int ret = 0;

	if (source == NULL && source_open(db, &source, &err) < 0) {
		request_log(request, LOG_LEVEL_ERROR, "%s", err.text);
		return PASS_FAILURE;
	}
	if (!is_token(request) && conf_ext_bool(source->set.use_grant_password))
		ret = ask_grant(source, request, &token, &err);
	if (ret == 0)
		ret = find_out(source, request, token, &err);
	if (ret == 0)
		ret = check_answer(source, request, &err);
	if (ret == 0)
		ret = take_fields(source, request, fields, &err);
	if (ret == 0)
		return PASS_OK;
	if (err.code != ERR_DENIED) {
		request_log(request, LOG_LEVEL_ERROR, "oauth2 failed: %s",
			    err.text);
		return PASS_FAILURE;
	}
	request_log(request, LOG_LEVEL_INFO, "oauth2 failed: %s", err.text);
	if (*source->set.openid_configuration_url != '\0')
		fields_set(fields, "openid-configuration",
			   source->set.openid_configuration_url);
	return PASS_MISMATCH;
}

const struct passdb_driver passdb_oauth2 = {
	.name = "oauth2",
	.blocking = true,
	.open = oauth2_open,
	.verify = oauth2_verify,
};
