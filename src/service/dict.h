/* SPDX-License-Identifier: MIT */
/*
 * service/dict.h - dictionaries, as Dovecot names them by URI: keys are paths
 * ("shared/passdb/alice"), values text. Read only; they block.
 *
 *	file:PATH                  key and value in turns, a line each
 *	fs:posix:prefix=DIR/       a file for each key
 *	proxy:[SOCKET]:NAME        dictionary NAME of Dovecot's dict service
 */
#ifndef SERVICE_DICT_H
#define SERVICE_DICT_H

struct buf;
struct dict;
struct err;
struct str;

enum { DICT_VALUE_MAX = 256 * 1024, DICT_TIMEOUT_MS = 10 * 1000 };

/* Child of ctx; nothing is looked at yet. `base_dir` is where the socket of
 * "proxy::NAME" is. */
int dict_open(const void *ctx, const char *uri, const char *base_dir,
	      struct dict **out, struct err *err);
/* Whose keys below "priv/" are, for dictionaries behind proxy:. Not copied. */
void dict_set_user(struct dict *dict, const char *user);
/* 1: *value_out (child of ctx); 0: there is none; -1. */
int dict_lookup(struct dict *dict, const void *ctx, const char *key,
		const char **value_out, struct err *err);
/* Calls `fn` with what each key has behind `prefix`. */
int dict_each(struct dict *dict, const char *prefix,
	      void (*fn)(void *ctx, const char *rest), void *ctx,
	      struct err *err);
/* A part of a key: "/" and "\" in it are none of the path's. For vars_escape,
 * whose ctx is not used. */
void dict_escape(void *ctx, struct str part, struct buf *out);

#endif
