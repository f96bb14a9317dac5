/* SPDX-License-Identifier: MIT */
/*
 * auth/scheme/digest.c - message digests of the password, bare or with a salt
 * behind it (the digest's octets, then the salt's).
 */
#include "base/digest.h"
#include "auth/scheme/internal.h"
#include "base/buf.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"

enum { SALT_LEN = 4 };

/* Octets of the digest of password and salt; 0 if OpenSSL refuses it. */
static size_t digest_salted(const char *name, const char *password,
			    struct str salt, unsigned char out[DIGEST_MAX])
{
	struct digest *digest = digest_new(NULL, name);
	size_t len;

	if (digest == NULL)
		return 0;
	digest_add(digest, str_of(password));
	digest_add(digest, salt);
	len = digest_end(digest, out);
	mem_free(digest);
	return len;
}

static int make(const char *name, const char *password, size_t salt_len,
		struct buf *out, struct err *err)
{
	unsigned char digest[DIGEST_MAX], salt[SALT_LEN];
	size_t len;

	random_fill(salt, salt_len);
	len = digest_salted(name, password, str_n(salt, salt_len), digest);
	if (len == 0)
		return err_set(err, ERR_UNSUPPORTED, "no digest %s here", name);
	buf_append(out, digest, len);
	buf_append(out, salt, salt_len);
	return 0;
}

static int compare(const char *name, const char *password, bool salted,
		   struct str hash, struct err *err)
{
	unsigned char digest[DIGEST_MAX];
	size_t len = digest_salted(name, "", STR(""), digest);

	if (len == 0)
		return err_set(err, ERR_UNSUPPORTED, "no digest %s here", name);
	if (salted ? hash.len <= len : hash.len != len)
		return err_set(err, ERR_INVALID, "hash has a wrong length");
	digest_salted(name, password, str_from(hash, len), digest);
	return str_equal_secret(str_n(digest, len), str_n(hash.data, len));
}

#define DIGEST_SCHEME(scheme, digest, salt_len)                                \
	int scheme##_make(const char *password, const char *user,              \
			  unsigned rounds, struct buf *out, struct err *err)   \
	{                                                                      \
		(void)user;                                                    \
		(void)rounds;                                                  \
		return make(digest, password, salt_len, out, err);             \
	}                                                                      \
	int scheme##_compare(const char *password, const char *user,           \
			     struct str hash, struct err *err)                 \
	{                                                                      \
		(void)user;                                                    \
		return compare(digest, password, (salt_len) > 0, hash, err);   \
	}

DIGEST_SCHEME(md4, "md4", 0)
DIGEST_SCHEME(md5, "md5", 0)
DIGEST_SCHEME(sha1, "sha1", 0)
DIGEST_SCHEME(sha256, "sha256", 0)
DIGEST_SCHEME(sha512, "sha512", 0)
DIGEST_SCHEME(smd5, "md5", SALT_LEN)
DIGEST_SCHEME(ssha1, "sha1", SALT_LEN)
DIGEST_SCHEME(ssha256, "sha256", SALT_LEN)
DIGEST_SCHEME(ssha512, "sha512", SALT_LEN)

/* H(A1) of RFC 2831 section 2.1.2.1: MD5 of user:realm:password. */
static size_t digest_a1(const char *password, const char *user,
			unsigned char out[DIGEST_MAX])
{
	struct str name = str_of(user), realm = STR("");
	ptrdiff_t at = str_find_char(name, '@');
	struct digest *digest = digest_new(NULL, "md5");
	size_t len;

	if (digest == NULL)
		return 0;
	if (at >= 0) {
		realm = str_from(name, (size_t)at + 1);
		name.len = (size_t)at;
	}
	digest_add(digest, name);
	digest_add(digest, STR(":"));
	digest_add(digest, realm);
	digest_add(digest, STR(":"));
	digest_add(digest, str_of(password));
	len = digest_end(digest, out);
	mem_free(digest);
	return len;
}

int digest_md5_make(const char *password, const char *user, unsigned,
		    struct buf *out, struct err *err)
{
	unsigned char digest[DIGEST_MAX];
	size_t len;

	if (user == NULL || *user == '\0')
		return err_set(err, ERR_INVALID,
			       "the scheme needs a user name (-u)");
	len = digest_a1(password, user, digest);
	if (len == 0)
		return err_set(err, ERR_UNSUPPORTED, "no digest md5 here");
	buf_append(out, digest, len);
	return 0;
}

int digest_md5_compare(const char *password, const char *user, struct str hash,
		       struct err *err)
{
	unsigned char digest[DIGEST_MAX];
	size_t len = digest_a1(password, user == NULL ? "" : user, digest);

	if (len == 0 || hash.len != len)
		return err_set(err, ERR_INVALID, "hash has a wrong length");
	return str_equal_secret(str_n(digest, len), hash);
}
