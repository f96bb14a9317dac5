/* SPDX-License-Identifier: MIT */
/*
 * auth/cache.h - results of lookups that cost something, for a while.
 *
 * Keys are digests of typed tuples: kind, database, user, and every value that
 * the answer may depend on. Passwords that were given are kept as a keyed digest
 * only; the key dies with the process. What is stored of a password is kept as
 * it is, for mechanisms that need it (SCRAM, CRAM-MD5), and wiped. The least
 * recently used go first.
 */
#ifndef AUTH_CACHE_H
#define AUTH_CACHE_H
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct auth_settings;
struct cache;
struct passdb;
struct request;
struct userdb;

struct cache_key {
	unsigned char digest[32];
};

struct cache *cache_new(const void *ctx, const struct auth_settings *set);
/* False if the answer of that database must not be remembered. */
bool cache_pass_key(struct cache *cache, const struct passdb *db,
		    struct request *request, struct cache_key *out);
bool cache_user_key(struct cache *cache, const struct userdb *db,
		    struct request *request, struct cache_key *out);

/* What is remembered. For a passdb it counts only if `password` is the one it
 * was remembered with (NULL: of a userdb): another one may be new, and is for
 * the database to judge, but for the last one that was wrong. `value` is valid
 * until the next call. */
enum cache_result {
	CACHE_MISS,
	CACHE_HIT,
	CACHE_NEGATIVE, /* no such user */
	CACHE_MISMATCH, /* the password was wrong */
};
enum cache_result cache_get(struct cache *cache, const struct cache_key *key,
			    const char *password, struct str *value_out);
void cache_put(struct cache *cache, const struct cache_key *key,
	       const char *user, const char *password, struct str value);
void cache_put_negative(struct cache *cache, const struct cache_key *key,
			const char *user);
/* A password that was wrong; what else is remembered stays. */
void cache_put_mismatch(struct cache *cache, const struct cache_key *key,
			const char *user, const char *password);
/* Forget one answer; false if it is gone already. */
bool cache_forget(struct cache *cache, const struct cache_key *key);
/* Forget a user, or all (NULL). Returns how many entries went. */
unsigned cache_flush(struct cache *cache, const char *user);

#endif
