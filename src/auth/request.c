/* SPDX-License-Identifier: MIT */
#include "auth/request.h"

#include <string.h>

#include "auth/settings.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/vars.h"

static void wipe_text(char **text)
{
	if (*text != NULL)
		mem_wipe(*text, strlen(*text));
	mem_free(*text);
	*text = NULL;
}

void request_wipe(struct request *request)
{
	wipe_text(&request->password);
	wipe_text(&request->credentials);
	wipe_text(&request->to_hash);
}

static int request_destroy(struct request *request)
{
	request_wipe(request);
	return 0;
}

struct request *request_new(const void *ctx, const struct auth_settings *set)
{
	struct request *request = mem_new(ctx, struct request);

	request->set = set;
	request->service = "";
	request->mech = "";
	request->verbose = set->auth_verbose || set->auth_debug;
	request->debug = set->auth_debug;
	request->pass_fields = fields_init(request);
	request->user_fields = fields_init(request);
	request->pass_saved = fields_init(request);
	request->user_saved = fields_init(request);
	request->more_vars = fields_init(request);
	talloc_set_destructor(request, request_destroy);
	return request;
}

/* names */

static void translate(char *name, const char *pairs)
{
	for (; *name != '\0'; name++) {
		for (const char *p = pairs; p[0] != '\0' && p[1] != '\0';
		     p += 2) {
			if (*name == p[0]) {
				*name = p[1];
				break;
			}
		}
	}
}

static int check_chars(const char *name, const char *allowed, struct err *err)
{
	if (*name == '\0')
		return err_set(err, ERR_INVALID, "Empty username");
	if (*allowed == '\0')
		return 0;
	for (const char *p = name; *p != '\0'; p++) {
		CLEANUP(ctx_free) TALLOC_CTX *shown = NULL;

		if (strchr(allowed, *p) != NULL)
			continue;
		shown = str_sanitize(NULL, str_of(name), REQUEST_NAME_MAX);
		return err_set(err, ERR_INVALID,
			       "Username character disallowed by "
			       "auth_username_chars: 0x%02x (username: %s)",
			       (unsigned char)*p, (const char *)shown);
	}
	return 0;
}

/* Realm, translation, allowed characters, format. */
static int normalise(struct request *request, const char *given,
		     const char **out, struct err *err)
{
	const struct auth_settings *set = request->set;
	const char *format = set->auth_username_format;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "name");
	char *name;

	if (strchr(given, '@') == NULL && *set->auth_default_realm != '\0')
		name = mem_printf(ctx, "%s@%s", given, set->auth_default_realm);
	else
		name = mem_strdup(ctx, given);
	translate(name, set->auth_username_translation);
	if (check_chars(name, set->auth_username_chars, err) < 0)
		return -1;
	if (*format == '\0') {
		*out = mem_strdup(request, name);
		return 0;
	}
	if (vars_expand(ctx, format, vars_user(ctx, name), &name, err) < 0)
		return err_wrap(err, "auth_username_format");
	if (*name == '\0')
		return err_set(err, ERR_INVALID, "Empty username");
	*out = mem_strdup(request, name);
	return 0;
}

int request_set_login_user(struct request *request, const char *name,
			   struct err *err)
{
	const char *out;

	if (normalise(request, name, &out, err) < 0)
		return -1;
	/* SASL clients like to send both identities even if they agree. */
	if (request->user == NULL || strcmp(out, request->user) != 0)
		request->login_user = out;
	return 0;
}

int request_set_user(struct request *request, const char *name, struct err *err)
{
	char separator = request->set->auth_master_user_separator[0];
	bool from_cert = request->set->auth_ssl_username_from_cert &&
			 request->cert_user != NULL;
	const char *at = from_cert           ? NULL
			 : separator == '\0' ? NULL
					     : strchr(name, separator);
	const char *master = at == NULL ? NULL : at + 1;
	char *login;

	if (from_cert)
		name = request->cert_user;
	request->original_user = mem_strdup(request, name);
	if (master == NULL) {
		if (normalise(request, name, &request->user, err) < 0)
			return -1;
	} else {
		login = mem_strndup(request, name, (size_t)(at - name));
		request->original_user = mem_strdup(request, master);
		if (*login == '\0') /* no default realm makes it a name */
			return err_set(err, ERR_INVALID,
				       "Empty login username");
		/* A master user's even if both are the same. */
		if (normalise(request, master, &request->user, err) < 0 ||
		    normalise(request, login, &request->login_user, err) < 0)
			return -1;
	}
	request->auth_user = request->user;
	return 0;
}

int request_set_users(struct request *request, const char *name,
		      const char *login, struct err *err)
{
	if (request_set_user(request, name, err) < 0)
		return -1;
	return *login == '\0' || strcmp(login, name) == 0
		       ? 0
		       : request_set_login_user(request, login, err);
}

void request_set_password(struct request *request, const char *password)
{
	wipe_text(&request->password);
	request->password = mem_strdup(request, password);
}

void request_set_credentials(struct request *request, const char *stored)
{
	wipe_text(&request->credentials);
	request->credentials = mem_strdup(request, stored);
}

void request_set_hash(struct request *request, const char *password)
{
	wipe_text(&request->to_hash);
	request->to_hash = mem_strdup(request, password);
}
