/* SPDX-License-Identifier: MIT */
/*
 * auth/scheme/crypt.c - what crypt(3) of libxcrypt knows.
 */
#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/scheme/internal.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"

enum {
	BCRYPT_ROUNDS = 5,
	BCRYPT_ROUNDS_MIN = 4,
	BCRYPT_ROUNDS_MAX = 31,
	SHA_ROUNDS_MIN = 1000,
	SHA_ROUNDS_MAX = 999999999,
};

/* What lies outside is taken as the nearest, as Dovecot does. */
static unsigned clamp(unsigned rounds, unsigned min, unsigned max)
{
	return rounds < min ? min : rounds > max ? max : rounds;
}

void scheme_salt_text(char *out, size_t len)
{
	static const char alphabet[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz";

	random_fill(out, len);
	for (size_t i = 0; i < len; i++)
		out[i] = alphabet[(unsigned char)out[i] & 63];
}

/* Its 32 kB would be much for a stack. */
static void data_free(struct crypt_data **data)
{
	if (*data != NULL)
		mem_wipe(*data, sizeof(**data));
	mem_free(*data);
	*data = NULL;
}

static int hash_with(const char *password, const char *setting, struct buf *out,
		     struct err *err)
{
	CLEANUP(data_free)
	struct crypt_data *data = mem_new(NULL, struct crypt_data);
	const char *hash = crypt_r(password, setting, data);

	if (hash == NULL || hash[0] == '*')
		return err_set(err, ERR_INVALID,
			       "crypt() does not know the hash");
	buf_add(out, hash);
	return 0;
}

/* An account that is switched off, as in shadow(5). */
static bool is_locked(struct str hash)
{
	return hash.len > 0 && (hash.data[0] == '*' || hash.data[0] == '!');
}

int crypt_any_compare(const char *password, const char *, struct str hash,
		      struct err *err)
{
	CLEANUP(buf_free) struct buf made = buf_init(SCHEME_HASH_MAX);
	char setting[512];

	if (hash.len == 0 || hash.len >= sizeof(setting))
		return err_set(err, ERR_INVALID, "hash has a wrong length");
	if (is_locked(hash))
		return 0;
	memcpy(setting, hash.data, hash.len);
	setting[hash.len] = '\0';
	if (hash_with(password, setting, &made, err) < 0)
		return -1;
	return str_equal_secret(str_n(made.data, made.len), hash);
}

int crypt_des_make(const char *password, const char *, unsigned,
		   struct buf *out, struct err *err)
{
	char salt[3] = {0};

	scheme_salt_text(salt, 2);
	return hash_with(password, salt, out, err);
}

/* "$id$[rounds=N$]salt" */
static int make_sha(const char *password, char id, unsigned rounds,
		    size_t salt_len, struct buf *out, struct err *err)
{
	char salt[17] = {0}, setting[64];

	scheme_salt_text(salt, salt_len);
	if (rounds != 0)
		snprintf(setting, sizeof(setting), "$%c$rounds=%u$%s", id,
			 clamp(rounds, SHA_ROUNDS_MIN, SHA_ROUNDS_MAX), salt);
	else
		snprintf(setting, sizeof(setting), "$%c$%s", id, salt);
	return hash_with(password, setting, out, err);
}

int crypt_md5_make(const char *password, const char *, unsigned,
		   struct buf *out, struct err *err)
{
	return make_sha(password, '1', 0, 8, out, err);
}

int crypt_sha256_make(const char *password, const char *, unsigned rounds,
		      struct buf *out, struct err *err)
{
	return make_sha(password, '5', rounds, 16, out, err);
}

int crypt_sha512_make(const char *password, const char *, unsigned rounds,
		      struct buf *out, struct err *err)
{
	return make_sha(password, '6', rounds, 16, out, err);
}

static int make_gensalt(const char *password, const char *prefix,
			unsigned long cost, struct buf *out, struct err *err)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	if (crypt_gensalt_rn(prefix, cost, NULL, 0, setting, sizeof(setting)) ==
	    NULL)
		return err_sys(err, "crypt_gensalt(%s)", prefix);
	return hash_with(password, setting, out, err);
}

int crypt_bcrypt_make(const char *password, const char *, unsigned rounds,
		      struct buf *out, struct err *err)
{
	if (rounds == 0)
		rounds = BCRYPT_ROUNDS;
	rounds = clamp(rounds, BCRYPT_ROUNDS_MIN, BCRYPT_ROUNDS_MAX);
	return make_gensalt(password, "$2y$", rounds, out, err);
}

int crypt_yescrypt_make(const char *password, const char *, unsigned rounds,
			struct buf *out, struct err *err)
{
	return make_gensalt(password, "$y$", rounds, out, err);
}

int crypt_any_make(const char *password, const char *user, unsigned rounds,
		   struct buf *out, struct err *err)
{
	return crypt_bcrypt_make(password, user, rounds, out, err);
}

/* MD5 is either of its kinds: "$1$..." of crypt(3), or the digest in hex. */
int md5_any_make(const char *password, const char *user, unsigned rounds,
		 struct buf *out, struct err *err)
{
	return crypt_md5_make(password, user, rounds, out, err);
}

int md5_any_compare(const char *password, const char *user, struct str hash,
		    struct err *err)
{
	CLEANUP(buf_free) struct buf octets = buf_init(DIGEST_MAX);

	if (str_starts(hash, "$1$"))
		return crypt_any_compare(password, user, hash, err);
	if (hash.len != 32 || !hex_decode(hash, &octets))
		return err_set(err, ERR_INVALID,
			       "Not a valid MD5-CRYPT or PLAIN-MD5 password");
	return md5_compare(password, user, str_n(octets.data, octets.len), err);
}

int crypt_md5_compare(const char *password, const char *user, struct str hash,
		      struct err *err)
{
	return str_starts(hash, "$1$")
		       ? crypt_any_compare(password, user, hash, err)
		       : 0;
}

int crypt_bcrypt_compare(const char *password, const char *user,
			 struct str hash, struct err *err)
{
	if (!str_starts(hash, "$2") && !is_locked(hash))
		return err_set(err, ERR_INVALID,
			       "Password is not blowfish password");
	return crypt_any_compare(password, user, hash, err);
}

/* The names of the others differ in what they make; each compares with all. */
#define SAME_COMPARE(name)                                                     \
	int name##_compare(const char *password, const char *user,             \
			   struct str hash, struct err *err)                   \
	{                                                                      \
		return crypt_any_compare(password, user, hash, err);           \
	}

SAME_COMPARE(crypt_des)
SAME_COMPARE(crypt_sha256)
SAME_COMPARE(crypt_sha512)
SAME_COMPARE(crypt_yescrypt)
