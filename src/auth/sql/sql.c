/* SPDX-License-Identifier: MIT */
#include "auth/sql/sql.h"

#include <stdio.h>

#include "auth/conf_ext.h"
#include "auth/request.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/module.h"
#include "config/vars.h"

static struct sql *all;

static const char drivers[] = ""
#ifdef HAVE_SQLITE
			      "sqlite "
#endif
#ifdef HAVE_PGSQL
			      "pgsql "
#endif
#ifdef HAVE_MYSQL
			      "mysql"
#endif
	;

#define ROW(name, preset)                                                      \
	{                                                                      \
#name, offsetof(struct sql_settings, name), preset             \
	}
static const struct conf_ext_row rows[] = {
	ROW(driver, NULL),
	ROW(connect, NULL),
	ROW(default_pass_scheme, "MD5"),
	ROW(password_query, "SELECT username, domain, password FROM users "
			    "WHERE username = '%n' AND domain = '%d'"),
	ROW(user_query, "SELECT home, uid, gid FROM users WHERE username = "
			"'%n' AND domain = '%d'"),
	ROW(iterate_query, "SELECT username, domain FROM users"),
	ROW(app_password_query,
	    "SELECT id, name, hash, scopes, created, expires, last_used FROM "
	    "app_passwords WHERE username = '%u'"),
	ROW(app_password_add_query,
	    "INSERT INTO app_passwords (username, id, name, hash, scopes, "
	    "created, expires, last_used) VALUES ('%u', '%{app_id}', "
	    "'%{app_name}', '%{app_hash}', '%{app_scopes}', %{app_created}, "
	    "%{app_expires}, 0)"),
	ROW(app_password_expire_query,
	    "UPDATE app_passwords SET expires = %{app_expires} WHERE username "
	    "= '%u' AND id = '%{app_id}'"),
	ROW(app_password_remove_query,
	    "DELETE FROM app_passwords WHERE username = '%u' AND id = "
	    "'%{app_id}'"),
	ROW(app_password_used_query,
	    "UPDATE app_passwords SET last_used = %{app_used} WHERE username = "
	    "'%u' AND id = '%{app_id}' AND last_used < %{app_used}"),
	ROW(userdb_warning_disable, NULL),
	{NULL, 0, NULL},
};
#undef ROW

/* "host=a host=b user=x" is "host=a user=x" and "host=b user=x". */
static void split_hosts(struct sql *sql)
{
	struct str rest = str_of(sql->set.connect), word;
	struct buf others = buf_init(8192);
	size_t count = 0;

	sql->hosts = mem_array(sql, const char *, rest.len / 5 + 2);
	while (str_word(&rest, &word)) {
		if (str_starts(word, "host=")) {
			sql->hosts[count++] = str_dup(sql, word);
			continue;
		}
		buf_putc(&others, ' ');
		buf_add_str(&others, word);
	}
	for (size_t i = 0; i < count; i++)
		sql->hosts[i] =
			mem_printf(sql, "%s%s", sql->hosts[i], others.data);
	if (count == 0)
		sql->hosts[count++] = sql->set.connect;
	sql->host_count = count;
	buf_free(&others);
}

static int read_settings(struct sql *sql, struct err *err)
{
	if (conf_ext_read(sql, sql->path, rows, &sql->set, NULL, err) < 0)
		return -1;
	if (sql->set.driver == NULL || sql->set.connect == NULL)
		return err_set(err, ERR_INVALID, "%s: %s is not set", sql->path,
			       sql->set.driver == NULL ? "driver" : "connect");
	if (!str_has_word(drivers, str_of(sql->set.driver)))
		return err_set(err, ERR_UNSUPPORTED,
			       "%s: Unknown database driver '%s' (or it was "
			       "left out of this build)",
			       sql->path, sql->set.driver);
	split_hosts(sql);
	return 0;
}

int sql_open(const char *path, struct sql **out, struct err *err)
{
	struct sql *sql;

	for (sql = all; sql != NULL; sql = sql->next) {
		if (strcmp(sql->path, path) == 0) {
			*out = sql;
			return 0;
		}
	}
	sql = mem_new(NULL, struct sql);
	sql->path = mem_strdup(sql, path);
	if (read_settings(sql, err) < 0) {
		mem_free(sql);
		return -1;
	}
	sql->next = all;
	all = sql;
	*out = sql;
	return 0;
}

static void disconnect(struct sql *sql)
{
	mem_free(sql->conn);
	sql->conn = NULL;
}

/* To the host of last time, else to the next one that answers. */
static int ensure(struct sql *sql, struct err *err)
{
	char module[40];

	if (sql->backend == NULL) {
		snprintf(module, sizeof(module), "auth-%s", sql->set.driver);
		sql->backend = module_get(module, "sql_backend", err);
	}
	if (sql->backend == NULL)
		return -1;
	for (size_t i = 0; sql->conn == NULL && i < sql->host_count; i++) {
		if (sql->backend->connect(sql, sql->hosts[sql->at], &sql->conn,
					  err) < 0) {
			err_wrap(err, "%s", sql->set.driver);
			sql->at = (sql->at + 1) % sql->host_count;
		}
	}
	return sql->conn == NULL ? -1 : 0;
}

static void add_escaped(void *ctx, struct str value, struct buf *out)
{
	struct sql *sql = ctx;

	sql->backend->escape(sql->conn, value, out);
}

int sql_query(struct sql *sql, struct request *request, const char *format,
	      sql_row_fn *fn, void *ctx, struct err *err)
{
	const struct vars_escape escape = {add_escaped, sql};

	/* Twice: the server may have closed a connection that was idle. */
	for (int tries = 0; tries < 2; tries++) {
		const char *query;

		if (ensure(sql, err) < 0)
			return -1;
		query = request_expand_escaped(request, format, &escape);
		if (query == NULL)
			return err_set(err, ERR_INVALID, "broken query");
		request_log(request, LOG_LEVEL_DEBUG, "query: %s", query);
		if (sql->backend->query(sql->conn, query, fn, ctx, err) == 0)
			return 0;
		if (err->code != ERR_CLOSED)
			return -1;
		disconnect(sql);
	}
	return -1;
}

struct first {
	sql_row_fn *fn;
	void *ctx;
	size_t rows;
};

static void take_first(void *ctx, const struct sql_row *row)
{
	struct first *first = ctx;

	if (first->rows++ == 0)
		first->fn(first->ctx, row);
}

int sql_find(struct sql *sql, const char *path, struct request *request,
	     enum sql_lookup lookup, sql_row_fn *fn, void *ctx)
{
	const char *what = lookup == SQL_PASSWORD ? "Password" : "User";
	struct first first = {fn, ctx, 0};
	struct err err;

	if ((sql == NULL && sql_open(path, &sql, &err) < 0) ||
	    sql_query(sql, request,
		      lookup == SQL_PASSWORD ? sql->set.password_query
					     : sql->set.user_query,
		      take_first, &first, &err) < 0) {
		request_log(request, LOG_LEVEL_ERROR, "%s query failed: %s",
			    what, err.text);
		return -1;
	}
	if (first.rows == 0)
		request_log_unknown(request);
	if (first.rows > 1)
		request_log(request, LOG_LEVEL_ERROR,
			    "%s query returned multiple matches", what);
	return first.rows > 1 ? -1 : (int)first.rows;
}
