/* SPDX-License-Identifier: MIT */
/*
 * auth/modules/mysql.c - MySQL and MariaDB; connect= is "host=HOST|/SOCKET
 * port=N dbname=DB user=U password=P ssl_ca=... client_flags=N ...".
 */
#include <errmsg.h>
#include <mysql.h>
#include <stdlib.h>

#include "auth/sql/sql.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

enum { READ_SECONDS = 30 };

struct mysql {
	MYSQL *my;
	char *host, *user, *password, *dbname, *option_file, *option_group;
	char *ssl_ca, *ssl_ca_path, *ssl_cert, *ssl_key, *ssl_cipher;
	char *ssl_verify_server_cert;
	unsigned port, connect_timeout, read_timeout, write_timeout,
		client_flags;
};

static int mysql_destroy(struct mysql *conn)
{
	if (conn->password != NULL)
		mem_wipe(conn->password, strlen(conn->password));
	if (conn->my != NULL)
		mysql_close(conn->my);
	return 0;
}

static bool set_word(struct mysql *conn, struct str key, struct str value)
{
	const struct {
		const char *key;
		char **text;
	} texts[] = {
		{"host", &conn->host},
		{"user", &conn->user},
		{"password", &conn->password},
		{"dbname", &conn->dbname},
		{"option_file", &conn->option_file},
		{"option_group", &conn->option_group},
		{"ssl_ca", &conn->ssl_ca},
		{"ssl_ca_path", &conn->ssl_ca_path},
		{"ssl_cert", &conn->ssl_cert},
		{"ssl_key", &conn->ssl_key},
		{"ssl_cipher", &conn->ssl_cipher},
		{"ssl_verify_server_cert", &conn->ssl_verify_server_cert},
	};
	const struct {
		const char *key;
		unsigned *number;
	} numbers[] = {
		{"port", &conn->port},
		{"connect_timeout", &conn->connect_timeout},
		{"read_timeout", &conn->read_timeout},
		{"write_timeout", &conn->write_timeout},
		{"client_flags", &conn->client_flags},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (str_is(key, texts[i].key)) {
			*texts[i].text = str_dup(conn, value);
			return true;
		}
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (str_is(key, numbers[i].key))
			return str_to_unsigned(value, numbers[i].number);
	}
	return false;
}

static int parse(struct mysql *conn, const char *where, struct err *err)
{
	struct str rest = str_of(where), word;

	conn->connect_timeout = SQL_CONNECT_SECONDS;
	conn->read_timeout = conn->write_timeout = READ_SECONDS;
	while (str_word(&rest, &word)) {
		ptrdiff_t at = str_find_char(word, '=');

		if (at <= 0 || !set_word(conn, str_n(word.data, (size_t)at),
					 str_from(word, (size_t)at + 1)))
			return err_set(err, ERR_INVALID,
				       "connect: Unknown or invalid: %.*s",
				       at <= 0 ? (int)word.len : (int)at,
				       word.data);
	}
	return 0;
}

static void set_options(struct mysql *conn)
{
	my_bool verify = conn->ssl_verify_server_cert != NULL &&
			 *conn->ssl_verify_server_cert == 'y';

	mysql_options(conn->my, MYSQL_OPT_CONNECT_TIMEOUT,
		      &conn->connect_timeout);
	mysql_options(conn->my, MYSQL_OPT_READ_TIMEOUT, &conn->read_timeout);
	mysql_options(conn->my, MYSQL_OPT_WRITE_TIMEOUT, &conn->write_timeout);
	if (conn->option_file != NULL)
		mysql_options(conn->my, MYSQL_READ_DEFAULT_FILE,
			      conn->option_file);
	mysql_options(conn->my, MYSQL_READ_DEFAULT_GROUP,
		      conn->option_group != NULL ? conn->option_group
						 : "client");
	if (conn->ssl_ca == NULL && conn->ssl_ca_path == NULL)
		return;
	mysql_ssl_set(conn->my, conn->ssl_key, conn->ssl_cert, conn->ssl_ca,
		      conn->ssl_ca_path, conn->ssl_cipher);
	mysql_options(conn->my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
}

static int my_connect(const void *ctx, const char *where, void **out,
		      struct err *err)
{
	struct mysql *conn = mem_new(ctx, struct mysql);
	bool is_path;

	talloc_set_destructor(conn, mysql_destroy);
	if (parse(conn, where, err) < 0) {
		mem_free(conn);
		return -1;
	}
	conn->my = mysql_init(NULL);
	if (conn->my == NULL)
		mem_fatal(sizeof(MYSQL));
	set_options(conn);
	is_path = conn->host != NULL && *conn->host == '/';
	if (mysql_real_connect(conn->my, is_path ? NULL : conn->host,
			       conn->user, conn->password, conn->dbname,
			       conn->port, is_path ? conn->host : NULL,
			       conn->client_flags) == NULL) {
		err_set(err, ERR_TEMPORARY,
			"Connect failed to database (%s): %s",
			conn->dbname == NULL ? "" : conn->dbname,
			mysql_error(conn->my));
		mem_free(conn);
		return -1;
	}
	*out = conn;
	return 0;
}

static void give_row(MYSQL_RES *result, MYSQL_ROW values, sql_row_fn *fn,
		     void *ctx)
{
	const MYSQL_FIELD *fields = mysql_fetch_fields(result);
	const char *names[SQL_COLUMNS_MAX];
	struct sql_row row = {0, names, (const char *const *)values};

	while (row.count < SQL_COLUMNS_MAX &&
	       row.count < mysql_num_fields(result)) {
		names[row.count] = fields[row.count].name;
		row.count++;
	}
	fn(ctx, &row);
}

static int fail(struct mysql *conn, struct err *err)
{
	unsigned code = mysql_errno(conn->my);

	return err_set(err,
		       code == CR_SERVER_GONE_ERROR || code == CR_SERVER_LOST
			       ? ERR_CLOSED
			       : ERR_TEMPORARY,
		       "query failed: %s", mysql_error(conn->my));
}

static int my_query(void *data, const char *query, sql_row_fn *fn, void *ctx,
		    struct err *err)
{
	struct mysql *conn = data;
	MYSQL_RES *result;
	MYSQL_ROW row;

	if (mysql_query(conn->my, query) != 0)
		return fail(conn, err);
	result = mysql_store_result(conn->my);
	if (result == NULL)
		return mysql_errno(conn->my) == 0 ? 0 : fail(conn, err);
	while ((row = mysql_fetch_row(result)) != NULL)
		give_row(result, row, fn, ctx);
	mysql_free_result(result);
	return 0;
}

static void my_escape(void *data, struct str value, struct buf *out)
{
	struct mysql *conn = data;
	char *room = buf_space(out, 2 * value.len + 1);

	if (room != NULL)
		buf_grew(out, mysql_real_escape_string(conn->my, room,
						       value.data, value.len));
}

static uint64_t my_changed(void *data)
{
	struct mysql *conn = data;

	return mysql_affected_rows(conn->my);
}

const struct sql_backend sql_backend = {
	.connect = my_connect,
	.query = my_query,
	.escape = my_escape,
	.changed = my_changed,
};
