/* SPDX-License-Identifier: MIT */
#include "auth/policy.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "auth/auth.h"
#include "auth/db.h"
#ifdef HAVE_CURL
#include "auth/http.h"
#endif
#include "auth/json.h"
#include "auth/workers.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/loop.h"

enum { WAIT_MAX_MS = 60 * 1000, ATTRIBUTE_MAX = 8 * 1024 };

/* A question; child of its owner. */
struct policy {
	struct auth *auth;
	struct request *request;
	struct timer *timer;
	policy_fn *fn;
	void *ctx;
};

static int policy_destroy(struct policy *policy)
{
	timer_free(&policy->timer);
	return 0;
}

int policy_check_settings(const struct auth_settings *set, struct err *err)
{
	struct str rest = str_of(set->auth_policy_request_attributes), word;
	struct str url = str_of(set->auth_policy_server_url);

	if (*set->auth_policy_server_url == '\0')
		return 0;
#ifndef HAVE_CURL
	return err_set(err, ERR_UNSUPPORTED,
		       "auth_policy_server_url: this build has no libcurl");
#endif
	if (!str_starts(url, "http://") && !str_starts(url, "https://"))
		return err_set(err, ERR_INVALID,
			       "auth_policy_server_url: Not an HTTP URL: %s",
			       set->auth_policy_server_url);
	while (str_word(&rest, &word)) {
		if (str_find_char(word, '=') <= 0)
			return err_set(err, ERR_INVALID,
				       "auth_policy_request_attributes "
				       "contains invalid value: %.*s",
				       STR_FMT(word));
	}
	return 0;
}

/* The first bits of the digest of nonce, user and password, in hex. */
static const char *hash_password(struct request *request, const char *user)
{
	const struct auth_settings *set = request->set;
	CLEANUP(buf_free) struct buf hex = buf_init(2 * DIGEST_MAX + 1);
	unsigned char out[DIGEST_MAX];
	struct digest *digest = digest_new(request, set->auth_policy_hash_mech);
	unsigned bits = set->auth_policy_hash_truncate;
	size_t len;

	digest_add(digest, str_of(set->auth_policy_hash_nonce));
	digest_add(digest, str_of(user));
	digest_add(digest, str_n("", 1));
	if (request->password != NULL)
		digest_add(digest, str_of(request->password));
	len = digest_end(digest, out);
	mem_free(digest);
	if (bits > 0 && bits < len * 8) {
		unsigned over = (8 - bits % 8) % 8, carry = 0;

		len = (bits + 7) / 8;
		for (size_t i = 0; i < len; i++) {
			unsigned octet = carry | out[i];

			carry = (octet << 8) & 0xffff;
			out[i] = (unsigned char)(octet >> over);
		}
	}
	hex_encode(str_n(out, len), &hex);
	return buf_steal(request, &hex);
}

/* "a/b=x" is {"a": {"b": "x"}}. */
static void add_attribute(json_t *root, struct str key, const char *value)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "attribute");
	struct str part;

	/* JSON has no room for it otherwise, and none may be missing. */
	if (!utf8_valid(str_of(value)))
		value = str_sanitize(ctx, str_of(value), ATTRIBUTE_MAX);

	while (str_split(&key, '/', &part)) {
		const char *name = str_dup(ctx, part);
		json_t *next = json_object_get(root, name);

		if (key.data == NULL) {
			json_object_set_new(root, name, json_string(value));
			return;
		}
		if (!json_is_object(next)) {
			next = json_object();
			json_object_set_new(root, name, next);
		}
		root = next;
	}
}

static json_t *attributes(struct request *request)
{
	struct str rest = str_of(request->set->auth_policy_request_attributes);
	const char *user = request->login_user != NULL ? request->login_user
			   : request->user != NULL     ? request->user
						       : "";
	json_t *root = json_object();
	struct str word;

	fields_set(&request->more_vars, "requested_username", user);
	fields_set(&request->more_vars, "hashed_password",
		   hash_password(request, user));
	json_object_set_new(root, "tls", json_boolean(request->is_tls));
	while (str_word(&rest, &word)) {
		ptrdiff_t at = str_find_char(word, '=');
		const char *value;

		value = request_expand(
			request,
			str_dup(request, str_from(word, (size_t)at + 1)));
		add_attribute(root, str_n(word.data, (size_t)at),
			      value == NULL ? "" : value);
	}
	return root;
}

static char *text_of(const void *ctx, json_t *root)
{
	char *text = json_dumps(root, JSON_COMPACT);
	char *copy = mem_strdup(ctx, text == NULL ? "{}" : text);

	free(text);
	json_decref(root);
	return copy;
}

static void finish(struct policy *policy, bool allowed)
{
	policy_fn *fn = policy->fn;
	void *ctx = policy->ctx;

	mem_free(policy);
	fn(ctx, allowed);
}

static void on_waited(void *ctx)
{
	finish(ctx, true);
}

/* Let it wait as long as the server says. */
static void tarpit(struct policy *policy, long seconds)
{
	struct duration wait = {seconds > WAIT_MAX_MS / 1000
					? (uint64_t)WAIT_MAX_MS
					: (uint64_t)seconds * 1000};

	policy->timer = timer_new(policy->auth->loop, wait, on_waited, policy);
}

/* Whole numbers only: what it might mean else nobody knows. */
static bool take_status(const char *text, long *out)
{
	char *end;

	if (text == NULL || *text == '\0')
		return false;
	errno = 0;
	*out = strtol(text, &end, 10);
	return *end == '\0' && errno == 0;
}

static void on_answer(void *ctx, const struct pass_answer *answer)
{
	struct policy *policy = ctx;
	const struct auth_settings *set = &policy->auth->set;
	const char *message = fields_get(&answer->fields, "msg");
	bool failed;
	long status;

	failed = answer->result != PASS_OK ||
		 !take_status(fields_get(&answer->fields, "status"), &status);
	if (failed)
		status = set->auth_policy_reject_on_fail ? -1 : 0;
	if (status < 0 || set->auth_policy_log_only)
		request_log(policy->request, LOG_LEVEL_INFO,
			    "Policy check %s with status %ld%s%s",
			    failed ? "failed" : "answered", status,
			    message == NULL || *message == '\0' ? "" : ": ",
			    message == NULL ? "" : message);
	if (set->auth_policy_log_only || status == 0)
		finish(policy, true);
	else if (status < 0)
		finish(policy, false);
	else
		tarpit(policy, status);
}

void policy_ask(struct auth *auth, const void *owner, struct request *request,
		bool after, policy_fn *fn, void *ctx)
{
	const struct auth_settings *set = &auth->set;
	struct policy *policy;
	char *body;

	if (*set->auth_policy_server_url == '\0' ||
	    !(after ? set->auth_policy_check_after_auth
		    : set->auth_policy_check_before_auth)) {
		fn(ctx, true);
		return;
	}
	policy = mem_new(owner, struct policy);
	policy->auth = auth;
	policy->request = request;
	policy->fn = fn;
	policy->ctx = ctx;
	talloc_set_destructor(policy, policy_destroy);
	body = text_of(policy, attributes(request));
	workers_policy(auth->workers, policy, request, "allow", body, on_answer,
		       policy);
}

static void on_reported(void *ctx, const struct pass_answer *)
{
	mem_free(ctx);
}

void policy_report(struct auth *auth, struct request *request, bool success,
		   bool refused)
{
	struct request *own;
	json_t *root;

	if (*auth->set.auth_policy_server_url == '\0' ||
	    !auth->set.auth_policy_report_after_auth)
		return;
	root = attributes(request);
	json_object_set_new(root, "success", json_boolean(success));
	json_object_set_new(root, "policy_reject", json_boolean(refused));
	/* The one that is reported of may be gone before the answer comes. */
	own = request_new(auth, &auth->set);
	own->user = mem_strdup(own, request->user == NULL ? "" : request->user);
	own->session_id = request->session_id == NULL
				  ? NULL
				  : mem_strdup(own, request->session_id);
	own->remote = request->remote;
	own->source = "policy";
	workers_policy(auth->workers, own, own, "report", text_of(own, root),
		       on_reported, own);
}

#ifdef HAVE_CURL
int policy_send(const struct auth_settings *set, const char *command,
		const char *body, struct fields *out, struct err *err)
{
	const char *url = set->auth_policy_server_url;
	const char *end = url + strlen(url) - 1;
	CLEANUP(ctx_free)
	TALLOC_CTX *whole = mem_printf(NULL, "%s%scommand=%s", url,
				       strchr(url, '?') == NULL     ? "?"
				       : *end == '?' || *end == '&' ? ""
								    : "&",
				       command);
	CLEANUP(buf_free) struct buf answer = buf_init(HTTP_BODY_MAX);
	struct http_request http = {
		.url = (char *)whole,
		.post = body,
		.headers = {"Content-Type: application/json",
			    *set->auth_policy_server_api_header == '\0'
				    ? NULL
				    : set->auth_policy_server_api_header},
		.timeout_ms = set->auth_policy_server_timeout_msecs,
		.max_idle_ms = HTTP_IDLE_MS};
	unsigned status;

	if (http_ask(&http, &status, &answer, err) < 0)
		return -1;
	if (status / 100 != 2)
		return err_set(err, ERR_TEMPORARY, "HTTP status %u", status);
	if (strcmp(command, "report") == 0)
		return 0;
	return json_to_fields(str_n(answer.data, answer.len), "", out, err);
}
#else
int policy_send(const struct auth_settings *, const char *, const char *,
		struct fields *, struct err *err)
{
	return err_set(err, ERR_UNSUPPORTED, "this build has no libcurl");
}
#endif
