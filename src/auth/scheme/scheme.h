/* SPDX-License-Identifier: MIT */
/*
 * auth/scheme/scheme.h - password schemes: "{SSHA256}0Bx...": making hashes
 * and comparing passwords with them.
 *
 * A library of its own (libscheme.a) that knows nothing else of auth, so that
 * doveadm pw may use it too.
 *
 * A scheme is a file (or a family's) and a row in the table of scheme.c. The
 * stored form after the "{SCHEME}" is the same as Dovecot's.
 */
#ifndef AUTH_SCHEME_SCHEME_H
#define AUTH_SCHEME_SCHEME_H
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct buf;
struct err;

enum {
	SCHEME_HASH_MAX = 4096,
	SCHEME_PASSWORD_MAX = 1024, /* longer ones are refused, not hashed */
};

enum scheme_encoding {
	SCHEME_AS_TEXT, /* the hash is text: crypt(3) */
	SCHEME_BASE64,
	SCHEME_HEX,
};

struct scheme {
	const char *name;              /* "SHA512-CRYPT" */
	enum scheme_encoding encoding; /* how its octets are written */
	size_t octets;                 /* how many; 0: it depends */
	bool slow; /* by design: not to be compared in a process that has
		      others waiting */
	bool weak; /* accepted, never to be offered */
	/* Append the octets (not encoded). `user` matters to DIGEST-MD5 only;
	 * `rounds` 0 is the scheme's default. */
	int (*make)(const char *password, const char *user, unsigned rounds,
		    struct buf *out, struct err *err);
	/* 1: it is right, 0: it is not, -1: the hash is malformed. */
	int (*compare)(const char *password, const char *user, struct str hash,
		       struct err *err);
};

/* By name, without or with ".b64", ".base64", ".hex" behind it; NULL if there
 * is none. */
const struct scheme *scheme_find(struct str name);
/* The n-th of all, for `doveadm pw -l`; NULL behind the last. */
const struct scheme *scheme_nth(size_t n);
/* Cut "{SCHEME}hash" in two; a hash without gets `preset`. "$1$..." alone is
 * taken as CRYPT's. *name_out points into one of them. */
void scheme_split(const char *stored, const char *preset, struct str *name_out,
		  struct str *hash_out);
/* Whether `password` is the one behind `hash`, as `name` says it was made.
 * 1: yes, 0: no, -1: unknown scheme or malformed hash. */
int scheme_verify(const char *password, const char *user, struct str name,
		  struct str hash, struct err *err);
/* Append the octets that `stored` ("{SCHEME}hash") stands for: those of
 * `wanted` if that is its scheme, else those that `wanted` makes of a plain
 * password. */
int scheme_octets(const char *stored, const char *wanted, const char *user,
		  struct buf *out, struct err *err);
/* Append what `scheme`, one of SCRAM's, stores of a password, the rounds and
 * the salt being given as it stores them: "4096,c2FsdA==". */
int scheme_scram(const char *scheme, const char *password, struct str with,
		 struct buf *out, struct err *err);
/* Whether it is the password itself that is stored. */
bool scheme_is_plain(struct str name);
/* "{NAME}hash", child of ctx. */
int scheme_make(const void *ctx, const char *password, const char *user,
		struct str name, unsigned rounds, char **out, struct err *err);

#endif
