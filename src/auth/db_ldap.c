/* SPDX-License-Identifier: MIT */
/*
 * auth/db_ldap.c - passwords of an LDAP directory, or binding to it with them
 * (auth_bind), and users; args is the path of a dovecot-ldap.conf.ext.
 */
#include "auth/ldap.h"

#include "auth/conf_ext.h"
#include "auth/db.h"
#include "auth/drivers.h"
#include "auth/settings.h"
#include "base/err.h"
#include "base/mem.h"

/* 0: only workers, who have the rights, can read it, and only they need to. */
static int open_source(const char *args, struct ldap_source **out,
		       struct err *err)
{
	if (ldap_source_open(args, out, err) == 0)
		return 1;
	return err->code == ERR_DENIED ? 0 : -1;
}

static struct ldap_source *source_of(struct ldap_source *source,
				     const char *args, struct err *err)
{
	if (source == NULL && ldap_source_open(args, &source, err) < 0)
		return NULL;
	return source;
}

/* passdb */

struct found_password {
	struct request *request;
	struct fields *fields;
	const char *dn, *password;
	size_t entries;
};

static int ldap_passdb_open(struct passdb *db, struct err *err)
{
	struct ldap_source *source;
	int ret = open_source(db->args, &source, err);

	if (ret <= 0)
		return ret;
	db->data = source;
	db->default_scheme = source->set.default_pass_scheme;
	db->cache_key =
		mem_printf(db, "%s%s%s", source->set.base,
			   source->set.pass_filter, source->set.pass_attrs);
	return 0;
}

static void take_password(void *ctx, const char *dn, struct fields *fields)
{
	struct found_password *found = ctx;

	if (found->entries++ > 0)
		return;
	found->dn = mem_strdup(found->request, dn);
	for (size_t i = 0; i < fields->count; i++) {
		if (strcmp(fields->list[i].key, "password") == 0)
			found->password = fields->list[i].value;
		else
			fields_set(found->fields, fields->list[i].key,
				   fields->list[i].value);
	}
}

static enum pass_result find_password(struct ldap_source *source,
				      struct request *request,
				      struct found_password *found)
{
	struct err err;

	if (ldap_source_search(source, request, source->set.pass_filter,
			       source->set.pass_attrs, take_password, found,
			       &err) < 0) {
		request_log(request, LOG_LEVEL_ERROR, "%s", err.text);
		return PASS_FAILURE;
	}
	if (found->entries == 0) {
		request_log(request, LOG_LEVEL_INFO,
			    "unknown user (no search results)");
		return PASS_UNKNOWN_USER;
	}
	if (found->entries > 1) {
		request_log(request, LOG_LEVEL_ERROR,
			    "pass_filter matched multiple objects, aborting");
		return PASS_FAILURE;
	}
	return PASS_OK;
}

static enum pass_result bind_as(struct ldap_source *source,
				struct request *request, const char *dn)
{
	struct err err;

	switch (ldap_source_bind(source, request, dn, &err)) {
	case 1:
		return PASS_OK;
	case 0:
		request_log_mismatch(request);
		return PASS_MISMATCH;
	default:
		request_log(request, LOG_LEVEL_ERROR, "%s", err.text);
		return PASS_FAILURE;
	}
}

static enum pass_result ldap_ask(struct passdb *db, struct request *request,
				 struct fields *fields, const char **stored_out,
				 bool *verified_out)
{
	struct found_password found = {request, fields, NULL, NULL, 0};
	struct err err;
	struct ldap_source *source = source_of(db->data, db->args, &err);
	enum pass_result result;
	bool binds;

	if (source == NULL) {
		request_log(request, LOG_LEVEL_ERROR, "%s", err.text);
		return PASS_FAILURE;
	}
	binds = conf_ext_bool(source->set.auth_bind) && !request->lookup_only &&
		!db->set->deny;
	*verified_out = binds;
	if (binds && source->set.auth_bind_userdn != NULL)
		return bind_as(source, request, NULL);
	result = find_password(source, request, &found);
	if (result == PASS_OK && binds)
		result = bind_as(source, request, found.dn);
	*stored_out = found.password;
	return result;
}

const struct passdb_driver passdb_ldap = {
	.name = "ldap",
	.blocking = true,
	.open = ldap_passdb_open,
	.ask = ldap_ask,
};

/* userdb */

struct found_user {
	struct request *request;
	struct fields *fields;
	size_t entries;
	bool failed;
};

struct listing {
	userdb_list_fn *fn;
	void *ctx;
};

static int ldap_userdb_open(struct userdb *db, struct err *err)
{
	struct ldap_source *source;
	int ret = open_source(db->args, &source, err);

	if (ret <= 0)
		return ret;
	db->data = source;
	db->cache_key =
		mem_printf(db, "%s%s%s", source->set.base,
			   source->set.user_filter, source->set.user_attrs);
	return 0;
}

static void take_user(void *ctx, const char *, struct fields *fields)
{
	struct found_user *found = ctx;

	if (found->entries++ > 0)
		return;
	for (size_t i = 0; i < fields->count; i++) {
		if (!userdb_set_field(found->request, found->fields,
				      fields->list[i].key,
				      fields->list[i].value))
			found->failed = true;
	}
}

static enum user_result ldap_lookup(struct userdb *db, struct request *request,
				    struct fields *fields)
{
	struct found_user found = {request, fields, 0, false};
	struct err err;
	struct ldap_source *source = source_of(db->data, db->args, &err);

	if (source == NULL ||
	    ldap_source_search(source, request, source->set.user_filter,
			       source->set.user_attrs, take_user, &found,
			       &err) < 0) {
		request_log(request, LOG_LEVEL_ERROR, "%s", err.text);
		return USER_FAILURE;
	}
	if (found.entries == 0) {
		request_log(request, LOG_LEVEL_INFO, "unknown user");
		return USER_NOT_FOUND;
	}
	if (found.entries > 1) {
		request_log(request, LOG_LEVEL_ERROR,
			    "user_filter matched multiple objects, aborting");
		return USER_FAILURE;
	}
	return found.failed ? USER_FAILURE : USER_OK;
}

static void list_entry(void *ctx, const char *, struct fields *fields)
{
	struct listing *listing = ctx;
	const char *user = fields_get(fields, "user");

	if (user != NULL)
		listing->fn(listing->ctx, user);
}

static int ldap_list(struct userdb *db, struct request *request,
		     userdb_list_fn *fn, void *ctx, struct err *err)
{
	struct listing listing = {fn, ctx};
	struct ldap_source *source = source_of(db->data, db->args, err);

	if (source == NULL ||
	    ldap_source_search(source, request, source->set.iterate_filter,
			       source->set.iterate_attrs, list_entry, &listing,
			       err) < 0)
		return err_wrap(err, "ldap");
	return 0;
}

const struct userdb_driver userdb_ldap = {
	.name = "ldap",
	.blocking = true,
	.open = ldap_userdb_open,
	.lookup = ldap_lookup,
	.list = ldap_list,
};
