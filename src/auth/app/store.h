/* SPDX-License-Identifier: MIT */
/*
 * auth/app/store.h - app passwords where they are kept: a file, or a table of
 * an SQL database. For auth-worker processes: all of it waits.
 *
 * Of a password only its SHA-256 is kept; since passwords are made here and
 * have 130 random bits, a slow hash would add nothing. A user's TOTP secret is
 * a row, too, whose id is "totp".
 *
 * A file has a line for each row, values escaped as in the auth protocol:
 *	user TAB id TAB created TAB expires TAB used TAB scopes TAB hash TAB name
 * Times are seconds since 1970. It is replaced as a whole under a lock, but for
 * `used`, whose eleven digits are written in place and without one.
 */
#ifndef AUTH_APP_STORE_H
#define AUTH_APP_STORE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

struct err;
struct request;

enum {
	APP_ROWS_MAX = 100, /* of one user, with those that are gone */
	APP_FILE_MAX = 32 * 1024 * 1024,
	APP_NAME_MAX = 64,
	APP_KEEP_GONE = 90 * 24 * 60 * 60, /* seconds */
	APP_USED_STEP = 60, /* `used` need not be more exact */
};
#define APP_TOTP "totp"

struct app_row {
	const char *id, *name, *hash, *scopes;
	int64_t created, used;
	int64_t expires; /* 0: never; negative: it was revoked then */
	enum { APP_KEEP, APP_ADD, APP_CHANGE, APP_REMOVE } change;
	off_t used_at; /* in the file */
};

/* Those of one user. */
struct app_rows {
	struct app_row *list;
	size_t count;
	int fd; /* of the file as it was read; closed with the rows */
	char *path, *text;
	size_t text_len;
};

struct app_store {
	const char *path; /* of the file, with %-variables, or of the SQL
			     settings */
	const struct app_store_kind *kind;
};

struct app_store_kind {
	/* A child of request. `lock`: for app_store.save(). */
	int (*load)(const struct app_store *store, struct request *request,
		    bool lock, struct app_rows **out, struct err *err);
	/* Carry out the change of each row. */
	int (*save)(const struct app_store *store, struct request *request,
		    struct app_rows *rows, struct err *err);
	/* Raise `used`. With *raised_out it is durable, and false there means
	 * that it was as high before: a TOTP code is used once. */
	int (*use)(const struct app_store *store, struct request *request,
		   struct app_rows *rows, size_t n, int64_t used,
		   bool *raised_out, struct err *err);
};
extern const struct app_store_kind app_store_file, app_store_sql;

/* The row of that id, or of that name which is not gone; -1: there is none. */
ptrdiff_t app_find(const struct app_rows *rows, const char *what, int64_t now);
/* Revoked or expired. */
bool app_is_gone(const struct app_row *row, int64_t now);
struct app_row *app_row_add(struct app_rows *rows);
/* A time; a negative one was revoked. */
bool app_number(struct str text, int64_t *out);

#endif
