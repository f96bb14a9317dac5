/* SPDX-License-Identifier: MIT */
/*
 * auth/passdb/sql.c - password_query of an SQL database; args is the path of a
 * dovecot-sql.conf.ext.
 */
#include "auth/sql/sql.h"
#include "auth/db.h"
#include "auth/passdb/drivers.h"
#include "base/err.h"
#include "base/mem.h"

struct found {
	struct request *request;
	struct fields *fields;
	const char *password;
	bool has_password;
};

static int sql_passdb_open(struct passdb *db, struct err *err)
{
	struct sql *sql;

	/* Only workers, who have the rights, need all of it. */
	if (sql_open(db->args, &sql, err) < 0)
		return err->code == ERR_DENIED ? 0 : -1;
	db->data = sql;
	db->default_scheme = sql->set.default_pass_scheme;
	db->cache_key = sql->set.password_query;
	return 0;
}

static void take_row(void *ctx, const struct sql_row *row)
{
	struct found *found = ctx;

	for (size_t i = 0; i < row->count; i++) {
		const char *value = row->values[i];

		if (strcmp(row->names[i], "password") == 0) {
			found->has_password = true;
			if (value != NULL)
				found->password =
					mem_strdup(found->request, value);
		} else if (value != NULL) {
			fields_set(found->fields, row->names[i], value);
		}
	}
}

static enum pass_result sql_lookup(struct passdb *db, struct request *request,
				   struct fields *fields,
				   const char **stored_out)
{
	struct found found = {request, fields, NULL, false};
	int ret = sql_find(db->data, db->args, request, SQL_PASSWORD, take_row,
			   &found);

	if (ret <= 0)
		return ret == 0 ? PASS_UNKNOWN_USER : PASS_FAILURE;
	if (!found.has_password && fields_get(fields, "nopassword") == NULL) {
		request_log(request, LOG_LEVEL_ERROR,
			    "Password query must return a field named "
			    "'password'");
		return PASS_FAILURE;
	}
	*stored_out = found.password;
	return PASS_OK;
}

const struct passdb_driver passdb_sql = {
	.name = "sql",
	.blocking = true,
	.open = sql_passdb_open,
	.lookup = sql_lookup,
};
