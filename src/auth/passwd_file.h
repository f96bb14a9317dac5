/* SPDX-License-Identifier: MIT */
/*
 * auth/passwd_file.h - passwd-like files in memory:
 * "user:password:uid:gid:gecos:home:shell:extra fields".
 *
 * A file is read at start, or when first asked for if its path has
 * %-variables, and again when it was changed; one that cannot be read leaves
 * what was there before. Files are shared by all who name the same path.
 */
#ifndef AUTH_PASSWD_FILE_H
#define AUTH_PASSWD_FILE_H
#include <stdbool.h>

struct err;
struct request;
struct userdb_place;

enum {
	PASSWD_FILE_MAX = 1024 * 1024 * 1024, /* octets */
	PASSWD_FILES_MAX = 1000, /* paths with %d: one file per domain */
};

struct passwd_entry {
	const char *user, *password, *uid, *gid, *home;
	const char *extra; /* "key=value key=value" or NULL */
};

/* args of passdb and userdb: "scheme=CRYPT username_format=%u PATH". */
struct passwd_file_args {
	const char *path, *scheme, *username_format;
};
int passwd_file_args(const void *ctx, const char *args,
		     struct passwd_file_args *out, struct err *err);

/* Read the file now rather than for the first who logs in. Does nothing if its
 * path has %-variables or it cannot be read: who asks for it is told. */
void passwd_file_load(const struct passwd_file_args *args);

/* Files of these args are a userdb's: whose line has a uid or gid that is 0 or
 * none at all is unknown, to passdbs that name the same path as well. */
void passwd_file_has_ids(const struct passwd_file_args *args);

/* The line of the request's user. 1: *out is it, until the next call; 0: there
 * is none; -1: the file cannot be read. Logs both. */
int passwd_file_find(const struct passwd_file_args *args,
		     struct request *request, const struct passwd_entry **out);
/* Calls `fn` with each name from *place on, until it returns false: then
 * returns 1. A file that has changed meanwhile goes on where as many names have
 * gone by. */
int passwd_file_each(const struct passwd_file_args *args,
		     struct request *request,
		     bool (*fn)(void *ctx, const char *name), void *ctx,
		     struct userdb_place *place, struct err *err);
/* One line, cut in place; false if it has no user (a comment). */
bool passwd_line_parse(char *line, struct passwd_entry *out);

#endif
