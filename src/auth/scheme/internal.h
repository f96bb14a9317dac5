/* SPDX-License-Identifier: MIT */
/*
 * auth/scheme/internal.h - the rows' functions, for scheme.c alone.
 */
#ifndef AUTH_SCHEME_INTERNAL_H
#define AUTH_SCHEME_INTERNAL_H
#include "auth/scheme/scheme.h"

#define SCHEME_FUNCTIONS(name)                                                 \
	int name##_make(const char *password, const char *user,                \
			unsigned rounds, struct buf *out, struct err *err);    \
	int name##_compare(const char *password, const char *user,             \
			   struct str hash, struct err *err)

/* plain.c */
SCHEME_FUNCTIONS(plain);
SCHEME_FUNCTIONS(plain_trunc);
/* digest.c */
SCHEME_FUNCTIONS(md4);
SCHEME_FUNCTIONS(md5);
SCHEME_FUNCTIONS(sha1);
SCHEME_FUNCTIONS(sha256);
SCHEME_FUNCTIONS(sha512);
SCHEME_FUNCTIONS(smd5);
SCHEME_FUNCTIONS(ssha1);
SCHEME_FUNCTIONS(ssha256);
SCHEME_FUNCTIONS(ssha512);
SCHEME_FUNCTIONS(digest_md5);
/* crypt.c */
SCHEME_FUNCTIONS(crypt_any);
SCHEME_FUNCTIONS(crypt_des);
SCHEME_FUNCTIONS(crypt_md5);
SCHEME_FUNCTIONS(md5_any);
SCHEME_FUNCTIONS(crypt_sha256);
SCHEME_FUNCTIONS(crypt_sha512);
SCHEME_FUNCTIONS(crypt_bcrypt);
SCHEME_FUNCTIONS(crypt_yescrypt);
/* cram_md5.c */
SCHEME_FUNCTIONS(cram_md5);
/* otp.c */
SCHEME_FUNCTIONS(otp);
/* pbkdf2.c */
SCHEME_FUNCTIONS(pbkdf2);
SCHEME_FUNCTIONS(scram_sha1);
SCHEME_FUNCTIONS(scram_sha256);
/* argon2.c */
SCHEME_FUNCTIONS(argon2i);
SCHEME_FUNCTIONS(argon2id);

/* `len` characters of crypt(3)'s alphabet. */
void scheme_salt_text(char *out, size_t len);

#endif
