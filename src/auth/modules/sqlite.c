/* SPDX-License-Identifier: MIT */
/*
 * auth/modules/sqlite.c - SQLite; connect= is the file's path.
 */
#include <sqlite3.h>

#include "auth/sql/sql.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

enum { BUSY_MS = 5000 };

struct sqlite {
	sqlite3 *db;
};

static int sqlite_destroy(struct sqlite *conn)
{
	sqlite3_close(conn->db);
	return 0;
}

static int lite_connect(const void *ctx, const char *where, void **out,
			struct err *err)
{
	struct sqlite *conn = mem_new(ctx, struct sqlite);

	talloc_set_destructor(conn, sqlite_destroy);
	if (sqlite3_open_v2(where, &conn->db, SQLITE_OPEN_READWRITE, NULL) !=
	    SQLITE_OK) {
		err_set(err, ERR_TEMPORARY, "open(%s) failed: %s", where,
			conn->db == NULL ? "out of memory"
					 : sqlite3_errmsg(conn->db));
		mem_free(conn);
		return -1;
	}
	sqlite3_busy_timeout(conn->db, BUSY_MS);
	*out = conn;
	return 0;
}

static void give_row(sqlite3_stmt *stmt, sql_row_fn *fn, void *ctx)
{
	const char *names[SQL_COLUMNS_MAX], *values[SQL_COLUMNS_MAX];
	struct sql_row row = {0, names, values};

	while (row.count < SQL_COLUMNS_MAX &&
	       row.count < (size_t)sqlite3_column_count(stmt)) {
		int n = (int)row.count++;

		names[n] = sqlite3_column_name(stmt, n);
		values[n] = (const char *)sqlite3_column_text(stmt, n);
	}
	fn(ctx, &row);
}

static int lite_query(void *data, const char *query, sql_row_fn *fn, void *ctx,
		      struct err *err)
{
	struct sqlite *conn = data;
	sqlite3_stmt *stmt = NULL;
	int ret = sqlite3_prepare_v2(conn->db, query, -1, &stmt, NULL);

	while (ret == SQLITE_OK || ret == SQLITE_ROW) {
		ret = sqlite3_step(stmt);
		if (ret == SQLITE_ROW)
			give_row(stmt, fn, ctx);
	}
	sqlite3_finalize(stmt);
	if (ret == SQLITE_DONE)
		return 0;
	return err_set(err, ERR_TEMPORARY, "query failed: %s",
		       sqlite3_errmsg(conn->db));
}

static void lite_escape(void *, struct str value, struct buf *out)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] == '\'')
			buf_putc(out, '\'');
		buf_putc(out, value.data[i]);
	}
}

static uint64_t lite_changed(void *data)
{
	struct sqlite *conn = data;

	return (uint64_t)sqlite3_changes(conn->db);
}

const struct sql_backend sql_backend = {
	.connect = lite_connect,
	.query = lite_query,
	.escape = lite_escape,
	.changed = lite_changed,
};
