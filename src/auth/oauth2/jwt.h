/* SPDX-License-Identifier: MIT */
/*
 * auth/oauth2/jwt.h - JSON Web Tokens (RFC 7519), signed (RFC 7515, 7518) with
 * HS, RS or ES and 256, 384 or 512.
 *
 * Keys are looked up as "shared/AZP/ALG/KID" ("default" where the token names
 * none): a secret in base64 for HS, else a public key in PEM. The algorithm is
 * part of the path, so no key serves for another one.
 */
#ifndef AUTH_OAUTH2_JWT_H
#define AUTH_OAUTH2_JWT_H
#include <stdbool.h>

struct dict;
struct err;
struct fields;

/* Could that be one? */
bool jwt_looks_like(const char *token);
/* Check signature, times and issuer (one of `issuers`, blanks between, "" for
 * any), and add the claims, named "oauth2:" and their name. -1: ERR_DENIED if
 * the token is to be refused, else the keys cannot be asked. */
int jwt_check(const char *token, struct dict *keys, const char *issuers,
	      struct fields *claims, struct err *err);

#endif
