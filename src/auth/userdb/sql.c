/* SPDX-License-Identifier: MIT */
/*
 * auth/userdb/sql.c - user_query and iterate_query of an SQL database; args is
 * the path of a dovecot-sql.conf.ext.
 */
#include "auth/sql/sql.h"
#include "auth/db.h"
#include "auth/userdb/drivers.h"
#include "base/err.h"
#include "base/mem.h"

struct found {
	struct request *request;
	struct fields *fields;
	bool failed;
};

struct listing {
	userdb_list_fn *fn;
	void *ctx;
	bool failed;
};

static int sql_userdb_open(struct userdb *db, struct err *err)
{
	struct sql *sql;

	if (sql_open(db->args, &sql, err) < 0)
		return err->code == ERR_DENIED ? 0 : -1;
	db->data = sql;
	db->cache_key = sql->set.user_query;
	return 0;
}

static void take_row(void *ctx, const struct sql_row *row)
{
	struct found *found = ctx;

	for (size_t i = 0; i < row->count; i++) {
		if (row->values[i] != NULL &&
		    !userdb_set_field(found->request, found->fields,
				      row->names[i], row->values[i]))
			found->failed = true;
	}
}

static enum user_result sql_lookup(struct userdb *db, struct request *request,
				   struct fields *fields)
{
	struct found found = {request, fields, false};
	int ret = sql_find(db->data, db->args, request, SQL_USER, take_row,
			   &found);

	if (ret <= 0)
		return ret == 0 ? USER_NOT_FOUND : USER_FAILURE;
	return found.failed ? USER_FAILURE : USER_OK;
}

/* "user", or "username" and "domain". */
static void list_row(void *ctx, const struct sql_row *row)
{
	struct listing *listing = ctx;
	const char *user = NULL, *domain = NULL;
	char *whole;

	for (size_t i = 0; i < row->count; i++) {
		if (strcmp(row->names[i], "user") == 0 ||
		    strcmp(row->names[i], "username") == 0)
			user = row->values[i];
		else if (strcmp(row->names[i], "domain") == 0)
			domain = row->values[i];
	}
	if (user == NULL) {
		listing->failed = true;
		return;
	}
	if (domain == NULL) {
		listing->fn(listing->ctx, user);
		return;
	}
	whole = mem_printf(NULL, "%s@%s", user, domain);
	listing->fn(listing->ctx, whole);
	mem_free(whole);
}

static int sql_list(struct userdb *db, struct request *request,
		    userdb_list_fn *fn, void *ctx, struct userdb_place *,
		    struct err *err)
{
	struct listing listing = {fn, ctx, false};
	struct sql *sql = db->data;

	if ((sql == NULL && sql_open(db->args, &sql, err) < 0) ||
	    sql_query(sql, request, sql->set.iterate_query, list_row, &listing,
		      err) < 0)
		return err_wrap(err, "sql: Iterate query failed");
	if (listing.failed)
		return err_set(err, ERR_INVALID,
			       "sql: Iterate query returned no user column");
	return 0;
}

const struct userdb_driver userdb_sql = {
	.name = "sql",
	.blocking = true,
	.open = sql_userdb_open,
	.lookup = sql_lookup,
	.list = sql_list,
};
