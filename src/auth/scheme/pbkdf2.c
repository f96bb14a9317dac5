/* SPDX-License-Identifier: MIT */
/*
 * auth/scheme/pbkdf2.c - PBKDF2 (RFC 8018) as Dovecot stores it, and what a
 * server keeps for SCRAM (RFC 5802).
 */
#include "auth/scheme/internal.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"

enum {
	PBKDF2_ROUNDS = 5000,
	SCRAM_ROUNDS = 4096,
	/* What a hash may ask of us; it comes from an administrator's file. */
	ROUNDS_MAX = 10 * 1000 * 1000,
	PBKDF2_LEN = 20,
	PBKDF2_SALT_LEN = 16,
	SCRAM_SALT_LEN = 16,
	SALT_MAX = 128,
};

/* "$1$salt$rounds$hex"; the hex is written in either case. */
static int pbkdf2_write(const char *password, struct str salt, unsigned rounds,
			struct buf *out, struct err *err)
{
	unsigned char key[PBKDF2_LEN];

	if (!digest_pbkdf2("sha1", str_of(password), salt, rounds, key,
			   sizeof(key)))
		return err_set(err, ERR_UNSUPPORTED, "no PBKDF2 here");
	buf_printf(out, "$1$%.*s$%u$", STR_FMT(salt), rounds);
	hex_encode(str_n(key, sizeof(key)), out);
	return 0;
}

int pbkdf2_make(const char *password, const char *, unsigned rounds,
		struct buf *out, struct err *err)
{
	char salt[PBKDF2_SALT_LEN];

	if (rounds > ROUNDS_MAX)
		return err_set(err, ERR_INVALID, "too many rounds");
	scheme_salt_text(salt, sizeof(salt));
	return pbkdf2_write(password, str_n(salt, sizeof(salt)),
			    rounds == 0 ? PBKDF2_ROUNDS : rounds, out, err);
}

int pbkdf2_compare(const char *password, const char *, struct str hash,
		   struct err *err)
{
	CLEANUP(buf_free) struct buf octets = buf_init(PBKDF2_LEN);
	struct str rest = hash, empty, version, salt, number;
	unsigned char key[PBKDF2_LEN];
	uint32_t rounds;

	if (!str_split(&rest, '$', &empty) || empty.len != 0 ||
	    !str_split(&rest, '$', &version) || !str_is(version, "1") ||
	    !str_split(&rest, '$', &salt) || salt.len > SALT_MAX ||
	    !str_split(&rest, '$', &number) || !str_to_u32(number, &rounds) ||
	    rounds == 0 || rounds > ROUNDS_MAX || rest.data == NULL)
		return err_set(err, ERR_INVALID, "hash is malformed");
	if (!digest_pbkdf2("sha1", str_of(password), salt, rounds, key,
			   sizeof(key)))
		return err_set(err, ERR_UNSUPPORTED, "no PBKDF2 here");
	return rest.len == 2 * sizeof(key) && hex_decode(rest, &octets) &&
	       str_equal_secret(str_n(octets.data, octets.len),
				str_n(key, sizeof(key)));
}

/* "rounds,salt,StoredKey,ServerKey", the last three in base64. */
static int scram_write(const char *digest, const char *password,
		       struct str salt, unsigned rounds, struct buf *out,
		       struct err *err)
{
	unsigned char salted[DIGEST_MAX], key[DIGEST_MAX], stored[DIGEST_MAX];
	size_t len = digest_once(digest, STR(""), stored);

	if (len == 0 ||
	    !digest_pbkdf2(digest, str_of(password), salt, rounds, salted, len))
		return err_set(err, ERR_UNSUPPORTED, "no digest %s here",
			       digest);
	digest_hmac(digest, str_n(salted, len), STR("Client Key"), key);
	digest_once(digest, str_n(key, len), stored);
	buf_printf(out, "%u,", rounds);
	base64_encode(salt, out);
	buf_putc(out, ',');
	base64_encode(str_n(stored, len), out);
	digest_hmac(digest, str_n(salted, len), STR("Server Key"), key);
	buf_putc(out, ',');
	base64_encode(str_n(key, len), out);
	mem_wipe(salted, sizeof(salted));
	mem_wipe(key, sizeof(key));
	return 0;
}

static int scram_make(const char *digest, const char *password, unsigned rounds,
		      struct buf *out, struct err *err)
{
	unsigned char salt[SCRAM_SALT_LEN];

	if (rounds > ROUNDS_MAX)
		return err_set(err, ERR_INVALID, "too many rounds");
	random_fill(salt, sizeof(salt));
	return scram_write(digest, password, str_n(salt, sizeof(salt)),
			   rounds == 0 ? SCRAM_ROUNDS : rounds, out, err);
}

/* "rounds,salt", cut off *rest. */
static bool take_rounds(struct str *rest, uint32_t *rounds_out,
			struct buf *salt)
{
	struct str number, text;

	return str_split(rest, ',', &number) &&
	       str_to_u32(number, rounds_out) && *rounds_out > 0 &&
	       *rounds_out <= ROUNDS_MAX && str_split(rest, ',', &text) &&
	       base64_decode(text, salt) && !salt->overflow;
}

static int scram_compare(const char *digest, const char *password,
			 struct str hash, struct err *err)
{
	CLEANUP(buf_free) struct buf made = buf_init(SCHEME_HASH_MAX);
	CLEANUP(buf_free) struct buf salt = buf_init(SALT_MAX);
	struct str rest = hash;
	uint32_t rounds;

	if (!take_rounds(&rest, &rounds, &salt) || rest.data == NULL)
		return err_set(err, ERR_INVALID, "hash is malformed");
	if (scram_write(digest, password, str_n(salt.data, salt.len), rounds,
			&made, err) < 0)
		return -1;
	return str_equal_secret(str_n(made.data, made.len), hash);
}

int scheme_scram(const char *scheme, const char *password, struct str with,
		 struct buf *out, struct err *err)
{
	CLEANUP(buf_free) struct buf salt = buf_init(SALT_MAX);
	bool sha1 = strcmp(scheme, "SCRAM-SHA-1") == 0;
	uint32_t rounds;

	if (!take_rounds(&with, &rounds, &salt))
		return err_set(err, ERR_INVALID, "salt is malformed");
	return scram_write(sha1 ? "sha1" : "sha256", password,
			   str_n(salt.data, salt.len), rounds, out, err);
}

int scram_sha1_make(const char *password, const char *, unsigned rounds,
		    struct buf *out, struct err *err)
{
	return scram_make("sha1", password, rounds, out, err);
}

int scram_sha1_compare(const char *password, const char *, struct str hash,
		       struct err *err)
{
	return scram_compare("sha1", password, hash, err);
}

int scram_sha256_make(const char *password, const char *, unsigned rounds,
		      struct buf *out, struct err *err)
{
	return scram_make("sha256", password, rounds, out, err);
}

int scram_sha256_compare(const char *password, const char *, struct str hash,
			 struct err *err)
{
	return scram_compare("sha256", password, hash, err);
}
