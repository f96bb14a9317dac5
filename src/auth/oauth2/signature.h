/* SPDX-License-Identifier: MIT */
/*
 * auth/oauth2/signature.h - of JSON Web Tokens, by public keys.
 */
#ifndef AUTH_OAUTH2_SIGNATURE_H
#define AUTH_OAUTH2_SIGNATURE_H
#include <stdbool.h>

#include "base/str.h"

/* RFC 7518 section 3.3 to 3.5. */
enum signature_kind {
	SIGNATURE_RSA,     /* PKCS #1, version 1.5 */
	SIGNATURE_RSA_PSS, /* with a salt as long as the digest */
	SIGNATURE_ECDSA,   /* both numbers, of the curve's length */
};
/* Whether `signature` is of `data`, by the public key in PEM and the digest:
 * sha256, sha384 or sha512. */
bool signature_right(const char *digest, enum signature_kind kind,
		     struct str pem, struct str data, struct str signature);

#endif
