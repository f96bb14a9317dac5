/* SPDX-License-Identifier: MIT */
/*
 * auth/userdb/ldap.c - users of an LDAP directory; args is the path of a
 * dovecot-ldap.conf.ext.
 */
#include "auth/ldap.h"
#include "auth/db.h"
#include "auth/userdb/drivers.h"
#include "base/err.h"
#include "base/mem.h"

struct found {
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

	if (ldap_source_open(db->args, &source, err) < 0)
		return err->code == ERR_DENIED ? 0 : -1;
	db->data = source;
	db->cache_key =
		mem_printf(db, "%s%s%s", source->set.base,
			   source->set.user_filter, source->set.user_attrs);
	return 0;
}

static struct ldap_source *source_of(struct userdb *db, struct err *err)
{
	struct ldap_source *source = db->data;

	if (source == NULL && ldap_source_open(db->args, &source, err) < 0)
		return NULL;
	return source;
}

static void take_entry(void *ctx, const char *, struct fields *fields)
{
	struct found *found = ctx;

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
	struct found found = {request, fields, 0, false};
	struct err err;
	struct ldap_source *source = source_of(db, &err);

	if (source == NULL ||
	    ldap_source_search(source, request, source->set.user_filter,
			       source->set.user_attrs, take_entry, &found,
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
		     userdb_list_fn *fn, void *ctx, struct userdb_place *,
		     struct err *err)
{
	struct listing listing = {fn, ctx};
	struct ldap_source *source = source_of(db, err);

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
