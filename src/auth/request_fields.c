/* SPDX-License-Identifier: MIT */
/*
 * auth/request_fields.c - what the fields of a passdb or userdb do.
 */
#include "auth/request.h"

#include <string.h>
#include <time.h>

#include "auth/db.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"

enum { DELAY_MAX = 300 };

static void check_nets(struct request *request, const char *key,
		       const struct ip *ip, const char *nets)
{
	char text[IP_TEXT_MAX];

	if (ip_in_networks(ip, nets))
		return;
	request->passdb_failed = true;
	request_log(request, LOG_LEVEL_INFO,
		    "%s check failed: IP %s not "
		    "in allowed networks",
		    key, ip->family == 0 ? "local" : ip_text(ip, text));
}

static void set_user(struct request *request, const char *value)
{
	if (*value != '\0')
		request->user = mem_strdup(request, value);
	else
		request->passdb_failed = true;
}

/* "1796000000+60": up to a minute after it, so that not all come at once. */
static void set_delay(struct request *request, const char *value)
{
	struct str rest = str_of(value), until;
	uint64_t seconds, random = 0;
	int64_t now = time(NULL);

	str_split(&rest, '+', &until);
	request->delay_until = 0;
	if (!str_to_u64(until, &seconds) || seconds > INT64_MAX / 2 ||
	    (rest.len > 0 &&
	     (!str_to_u64(rest, &random) || random > DELAY_MAX))) {
		request_log(request, LOG_LEVEL_ERROR,
			    "Invalid delay_until value %s", value);
		request->passdb_failed = true;
	} else if ((int64_t)seconds > now + DELAY_MAX) {
		request_log(request, LOG_LEVEL_ERROR,
			    "delay_until timestamp %s is too much in the "
			    "future, failing",
			    value);
		request->passdb_failed = true;
	} else if ((int64_t)seconds > now) {
		request->delay_until =
			(int64_t)(seconds +
				  (random > 0 ? random_u64() % random : 0));
	}
}

void request_set_user_field(struct request *request, const char *key,
			    const char *value)
{
	if (!userdb_set_field(request, &request->user_fields, key, value))
		request->user_broken = true;
}

/* Those that are for us and mean nothing more here. */
static bool is_ours(const char *key)
{
	return strcmp(key, "password") == 0 ||
	       strcmp(key, "password_noscheme") == 0 ||
	       strcmp(key, PASS_ASIDE) == 0;
}

void request_set_pass_field(struct request *request, const char *key,
			    const char *value)
{
	struct err err;

	if (strncmp(key, "userdb_", 7) == 0) {
		request_set_user_field(request, key + 7, value);
		if (strcmp(key + 7, "user") == 0)
			set_user(request, value);
	} else if (strcmp(key, "user") == 0) {
		set_user(request, value);
	} else if (strcmp(key, "fail") == 0) {
		request->passdb_failed = true;
	} else if (strcmp(key, "delay_until") == 0) {
		set_delay(request, value);
	} else if (strcmp(key, "username") == 0 || strcmp(key, "domain") == 0) {
		const char *at = request->user == NULL
					 ? NULL
					 : strchr(request->user, '@');
		int len = at == NULL ? (int)strlen(request->user == NULL
							   ? ""
							   : request->user)
				     : (int)(at - request->user);

		if (key[0] == 'd')
			request->user = mem_printf(request, "%.*s@%s", len,
						   request->user, value);
		else
			request->user = mem_printf(request, "%s%s", value,
						   at == NULL ? "" : at);
	} else if (strcmp(key, "login_user") == 0) {
		if (request_set_login_user(request, value, &err) < 0)
			request->passdb_failed = true;
	} else if (strcmp(key, "nopassword") == 0) {
		request->no_password = true;
	} else if (strcmp(key, "allow_nets") == 0) {
		check_nets(request, key, &request->remote, value);
	} else if (strcmp(key, "allow_real_nets") == 0) {
		check_nets(request, key,
			   request_real_ip(&request->real_remote,
					   &request->remote),
			   value);
	} else if (!is_ours(key)) {
		fields_set(&request->pass_fields, key, value);
	}
}

void request_fields_save(struct request *request)
{
	request->pass_saved = fields_copy(&request->pass_fields);
	request->user_saved = fields_copy(&request->user_fields);
}

void request_fields_restore(struct request *request)
{
	request->delay_until = 0;
	request->pass_fields = fields_copy(&request->pass_saved);
	request->user_fields = fields_copy(&request->user_saved);
}

void request_set_templates(struct request *request, const char *fields,
			   bool userdb)
{
	struct str rest = str_of(fields), word;

	while (str_word(&rest, &word)) {
		CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "field");
		struct str rest_of_word = word, name;
		const char *key, *value;

		str_split(&rest_of_word, '=', &name);
		key = str_dup(tmp, name);
		value = request_expand(request, str_dup(tmp, rest_of_word));
		if (value == NULL)
			request->passdb_failed = request->broken = true;
		else if (userdb)
			request_set_user_field(request, key, value);
		else
			request_set_pass_field(request, key, value);
	}
}
