/* SPDX-License-Identifier: MIT */
/*
 * auth/scheme/argon2.c - ARGON2I and ARGON2ID of libsodium.
 */
#include <sodium.h>

#include "auth/scheme/internal.h"
#include "base/buf.h"
#include "base/err.h"

static int make(const char *password, int algorithm, unsigned rounds,
		size_t memory, struct buf *out, struct err *err)
{
	char hash[crypto_pwhash_STRBYTES];

	if (sodium_init() < 0 ||
	    crypto_pwhash_str_alg(hash, password, strlen(password), rounds,
				  memory, algorithm) != 0)
		return err_set(err, ERR_TEMPORARY,
			       "crypto_pwhash_str() failed");
	buf_add(out, hash);
	return 0;
}

int argon2i_make(const char *password, const char *, unsigned rounds,
		 struct buf *out, struct err *err)
{
	return make(password, crypto_pwhash_ALG_ARGON2I13,
		    rounds == 0 ? crypto_pwhash_argon2i_OPSLIMIT_INTERACTIVE
				: rounds,
		    crypto_pwhash_argon2i_MEMLIMIT_INTERACTIVE, out, err);
}

int argon2id_make(const char *password, const char *, unsigned rounds,
		  struct buf *out, struct err *err)
{
	return make(password, crypto_pwhash_ALG_ARGON2ID13,
		    rounds == 0 ? 3 : rounds,
		    crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE, out, err);
}

int argon2id_compare(const char *password, const char *, struct str hash,
		     struct err *err)
{
	char text[crypto_pwhash_STRBYTES] = "";

	if (hash.len >= sizeof(text))
		return err_set(err, ERR_INVALID, "hash has a wrong length");
	memcpy(text, hash.data, hash.len);
	if (sodium_init() < 0)
		return err_set(err, ERR_TEMPORARY, "sodium_init() failed");
	if (crypto_pwhash_str_needs_rehash(
		    text, crypto_pwhash_OPSLIMIT_INTERACTIVE,
		    crypto_pwhash_MEMLIMIT_INTERACTIVE) < 0 &&
	    !str_starts(hash, "$argon2i$"))
		return err_set(err, ERR_INVALID, "hash is malformed");
	return crypto_pwhash_str_verify(text, password, strlen(password)) == 0;
}

int argon2i_compare(const char *password, const char *user, struct str hash,
		    struct err *err)
{
	return argon2id_compare(password, user, hash, err);
}
