/* SPDX-License-Identifier: MIT */
/*
 * auth/passdb/ldap.c - passwords of an LDAP directory, or binding to it with
 * them (auth_bind); args is the path of a dovecot-ldap.conf.ext.
 */
#include "auth/ldap.h"
#include "auth/conf_ext.h"
#include "auth/db.h"
#include "auth/passdb/drivers.h"
#include "auth/settings.h"
#include "base/err.h"
#include "base/mem.h"

struct found {
	struct request *request;
	struct fields *fields;
	const char *dn, *password;
	size_t entries;
};

static int ldap_passdb_open(struct passdb *db, struct err *err)
{
	struct ldap_source *source;

	/* Only workers, who have the rights, need all of it. */
	if (ldap_source_open(db->args, &source, err) < 0)
		return err->code == ERR_DENIED ? 0 : -1;
	db->data = source;
	db->default_scheme = source->set.default_pass_scheme;
	db->cache_key =
		mem_printf(db, "%s%s%s%s", source->set.base,
			   source->set.pass_filter, source->set.pass_attrs,
			   source->set.auth_bind_userdn == NULL
				   ? ""
				   : source->set.auth_bind_userdn);
	return 0;
}

static void take_entry(void *ctx, const char *dn, struct fields *fields)
{
	struct found *found = ctx;

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

static enum pass_result find(struct ldap_source *source,
			     struct request *request, struct found *found)
{
	struct err err;

	if (ldap_source_search(source, request, source->set.pass_filter,
			       source->set.pass_attrs, take_entry, found,
			       &err) < 0) {
		request_log(request, LOG_LEVEL_ERROR, "%s", err.text);
		return PASS_FAILURE;
	}
	if (found->entries == 0) {
		request_log_unknown(request);
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
	struct found found = {request, fields, NULL, NULL, 0};
	struct ldap_source *source = db->data;
	enum pass_result result;
	struct err err;
	bool auth_bind, binds;

	if (source == NULL && ldap_source_open(db->args, &source, &err) < 0) {
		request_log(request, LOG_LEVEL_ERROR, "%s", err.text);
		return PASS_FAILURE;
	}
	auth_bind = conf_ext_bool(source->set.auth_bind) && !db->set->deny;
	binds = auth_bind && !request->lookup_only;
	/* Who binds has no password that we could read. */
	*verified_out = auth_bind && (binds || request->want_scheme == NULL);
	if (binds && source->set.auth_bind_userdn != NULL)
		return bind_as(source, request, NULL);
	result = find(source, request, &found);
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
