/* SPDX-License-Identifier: MIT */
/*
 * auth/app/sql.c - app passwords in an SQL database: app_password_*_query of a
 * dovecot-sql.conf.ext.
 */
#include "auth/app/store.h"
#include "auth/request.h"
#include "auth/sql/sql.h"
#include "base/err.h"
#include "base/mem.h"

struct loading {
	struct app_rows *rows;
	bool broken, many;
};

static void take_row(void *ctx, const struct sql_row *from)
{
	struct loading *loading = ctx;
	struct app_rows *rows = loading->rows;
	struct app_row *row;

	if (rows->count == APP_ROWS_MAX) {
		loading->many = true;
		return;
	}
	row = app_row_add(rows);
	row->name = "";
	for (size_t i = 0; i < from->count; i++) {
		const struct {
			const char *column, **text;
			int64_t *number;
		} all[] = {
			{"id", &row->id, NULL},
			{"name", &row->name, NULL},
			{"hash", &row->hash, NULL},
			{"scopes", &row->scopes, NULL},
			{"created", NULL, &row->created},
			{"expires", NULL, &row->expires},
			{"last_used", NULL, &row->used},
		};
		const char *value = from->values[i];

		for (size_t n = 0; n < sizeof(all) / sizeof(all[0]); n++) {
			if (value == NULL ||
			    strcmp(from->names[i], all[n].column) != 0)
				continue;
			if (all[n].number != NULL)
				loading->broken |= !app_number(str_of(value),
							       all[n].number);
			else
				*all[n].text = mem_strdup(rows, value);
		}
	}
	loading->broken |=
		row->id == NULL || row->hash == NULL || row->scopes == NULL;
}

static int load(const struct app_store *store, struct request *request, bool,
		struct app_rows **out, struct err *err)
{
	struct loading loading = {mem_new(request, struct app_rows), false,
				  false};
	struct sql *sql;

	*out = loading.rows;
	loading.rows->fd = -1;
	if (sql_open(store->path, &sql, err) < 0 ||
	    sql_query(sql, request, sql->set.app_password_query, take_row,
		      &loading, err) < 0)
		return -1;
	if (loading.broken)
		return err_set(err, ERR_CORRUPT,
			       "app_password_query: id, hash, scopes, created, "
			       "expires or last_used is not right");
	if (loading.many)
		return err_set(err, ERR_LIMIT, "the user has more than %d rows",
			       APP_ROWS_MAX);
	return 0;
}

static void no_row(void *, const struct sql_row *)
{
}

static void set_number(struct request *request, const char *name, int64_t value)
{
	fields_set(&request->more_vars, name,
		   mem_printf(request, "%lld", (long long)value));
}

static void set_vars(struct request *request, const struct app_row *row)
{
	fields_set(&request->more_vars, "app_id", row->id);
	fields_set(&request->more_vars, "app_name", row->name);
	fields_set(&request->more_vars, "app_hash", row->hash);
	fields_set(&request->more_vars, "app_scopes", row->scopes);
	set_number(request, "app_created", row->created);
	set_number(request, "app_expires", row->expires);
	set_number(request, "app_used", row->used);
}

static int save(const struct app_store *store, struct request *request,
		struct app_rows *rows, struct err *err)
{
	bool debug = request->debug;
	struct sql *sql;
	int ret = sql_open(store->path, &sql, err);

	request->debug = false; /* queries have secrets in them */
	for (size_t i = 0; ret == 0 && i < rows->count; i++) {
		const struct app_row *row = &rows->list[i];

		if (row->change == APP_KEEP)
			continue;
		set_vars(request, row);
		ret = sql_query(sql, request,
				row->change == APP_ADD
					? sql->set.app_password_add_query
				: row->change == APP_CHANGE
					? sql->set.app_password_expire_query
					: sql->set.app_password_remove_query,
				no_row, NULL, err);
	}
	request->debug = debug;
	return ret;
}

static int use(const struct app_store *store, struct request *request,
	       struct app_rows *rows, size_t n, int64_t used, bool *raised_out,
	       struct err *err)
{
	struct app_row row = rows->list[n];
	struct sql *sql;

	row.used = used;
	row.hash = "";
	set_vars(request, &row);
	if (sql_open(store->path, &sql, err) < 0 ||
	    sql_query(sql, request, sql->set.app_password_used_query, no_row,
		      NULL, err) < 0)
		return -1;
	if (raised_out != NULL)
		*raised_out = sql->backend->changed(sql->conn) > 0;
	return 0;
}

const struct app_store_kind app_store_sql = {load, save, use};
