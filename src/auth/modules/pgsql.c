/* SPDX-License-Identifier: MIT */
/*
 * auth/modules/pgsql.c - PostgreSQL; connect= is libpq's.
 */
#include <libpq-fe.h>
#include <stdlib.h>

#include "auth/sql/sql.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

struct pgsql {
	PGconn *pg;
	uint64_t changed;
};

static int pgsql_destroy(struct pgsql *conn)
{
	PQfinish(conn->pg);
	return 0;
}

/* libpq's messages are lines. */
static int fail(struct pgsql *conn, enum err_code code, const char *what,
		struct err *err)
{
	struct str text = str_trim(str_of(PQerrorMessage(conn->pg)));
	char *line = str_sanitize(conn, text, 300);

	err_set(err, code, "%s: %s", what, line);
	mem_free(line);
	return -1;
}

static int pg_connect(const void *ctx, const char *where, void **out,
		      struct err *err)
{
	struct pgsql *conn = mem_new(ctx, struct pgsql);
	char *info = strstr(where, "connect_timeout=") != NULL
			     ? mem_strdup(conn, where)
			     : mem_printf(conn, "%s connect_timeout=%d", where,
					  SQL_CONNECT_SECONDS);

	conn->pg = PQconnectdb(info);
	talloc_set_destructor(conn, pgsql_destroy);
	if (PQstatus(conn->pg) != CONNECTION_OK) {
		fail(conn, ERR_TEMPORARY, "Connect failed", err);
		mem_free(conn);
		return -1;
	}
	*out = conn;
	return 0;
}

static void give_row(PGresult *result, int at, sql_row_fn *fn, void *ctx)
{
	const char *names[SQL_COLUMNS_MAX], *values[SQL_COLUMNS_MAX];
	struct sql_row row = {0, names, values};

	while (row.count < SQL_COLUMNS_MAX &&
	       row.count < (size_t)PQnfields(result)) {
		int n = (int)row.count++;

		names[n] = PQfname(result, n);
		values[n] = PQgetisnull(result, at, n)
				    ? NULL
				    : PQgetvalue(result, at, n);
	}
	fn(ctx, &row);
}

static int pg_query(void *data, const char *query, sql_row_fn *fn, void *ctx,
		    struct err *err)
{
	struct pgsql *conn = data;
	PGresult *result = PQexec(conn->pg, query);
	int status = (int)PQresultStatus(result);

	conn->changed = 0;
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
		str_to_u64(str_of(PQcmdTuples(result)), &conn->changed);
		for (int i = 0; i < PQntuples(result); i++)
			give_row(result, i, fn, ctx);
		PQclear(result);
		return 0;
	}
	PQclear(result);
	return fail(conn,
		    PQstatus(conn->pg) == CONNECTION_BAD ? ERR_CLOSED
							 : ERR_TEMPORARY,
		    "query failed", err);
}

static void pg_escape(void *data, struct str value, struct buf *out)
{
	struct pgsql *conn = data;
	char *room = buf_space(out, 2 * value.len + 1);
	int error = 0;

	if (room == NULL)
		return;
	buf_grew(out, PQescapeStringConn(conn->pg, room, value.data, value.len,
					 &error));
	if (error != 0)
		out->overflow = true; /* bad UTF-8: no query at all */
}

static uint64_t pg_changed(void *data)
{
	struct pgsql *conn = data;

	return conn->changed;
}

const struct sql_backend sql_backend = {
	.connect = pg_connect,
	.query = pg_query,
	.escape = pg_escape,
	.changed = pg_changed,
};
