/* SPDX-License-Identifier: MIT */
/*
 * auth/sql/sql.h - databases that speak SQL, as dovecot-sql.conf.ext names
 * them. Used in auth-worker processes, where waiting is allowed.
 *
 * A connection is made when it is first needed, and again when it broke; of
 * several hosts the next one is taken when one does not answer.
 */
#ifndef AUTH_SQL_SQL_H
#define AUTH_SQL_SQL_H
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf;
struct err;
struct request;

enum { SQL_COLUMNS_MAX = 128, SQL_CONNECT_SECONDS = 10 };

struct sql_row {
	size_t count;
	const char *const *names;
	const char *const *values; /* NULL: SQL's NULL */
};
/* Valid until it returns. */
typedef void sql_row_fn(void *ctx, const struct sql_row *row);

/* A kind of server; a module each (module.h), of the driver's name. */
struct sql_backend {
	/* `where` is connect= of the file, for one host. Child of ctx; freeing
	 * it disconnects. */
	int (*connect)(const void *ctx, const char *where, void **out,
		       struct err *err);
	/* ERR_CLOSED: the connection is of no use any more. */
	int (*query)(void *conn, const char *query, sql_row_fn *fn, void *ctx,
		     struct err *err);
	void (*escape)(void *conn, struct str value, struct buf *out);
	/* How many rows the last query changed. */
	uint64_t (*changed)(void *conn);
};
extern const struct sql_backend sql_backend;

struct sql_settings {
	const char *driver, *connect, *default_pass_scheme;
	const char *password_query, *user_query, *iterate_query;
	const char *app_password_query, *app_password_add_query;
	const char *app_password_expire_query, *app_password_remove_query;
	const char *app_password_used_query;
	const char *userdb_warning_disable;
};

struct sql {
	struct sql *next;
	const char *path;
	struct sql_settings set;
	const struct sql_backend *backend; /* NULL: not loaded yet */
	const char **hosts; /* connect= for each; NULL at the end */
	size_t host_count, at;
	void *conn; /* NULL: not connected */
};

/* Read the file; the same struct for the same path, for all of the process. */
int sql_open(const char *path, struct sql **out, struct err *err);
/* Run `format` with the request's variables escaped. */
int sql_query(struct sql *sql, struct request *request, const char *format,
	      sql_row_fn *fn, void *ctx, struct err *err);
enum sql_lookup { SQL_PASSWORD, SQL_USER };
/* The one row of password_query or user_query; `sql` may be NULL: `path` is
 * opened now. 1, and the row was given to `fn`; 0: there is none; -1. All but
 * the first are logged. */
int sql_find(struct sql *sql, const char *path, struct request *request,
	     enum sql_lookup lookup, sql_row_fn *fn, void *ctx);

#endif
