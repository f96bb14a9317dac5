/* SPDX-License-Identifier: MIT */
/*
 * auth/app/totp.h - time-based one-time passwords (RFC 6238) as every
 * authenticator makes them: HMAC-SHA-1, six digits, 30 seconds.
 */
#ifndef AUTH_APP_TOTP_H
#define AUTH_APP_TOTP_H
#include <stdint.h>

#include "base/str.h"

struct buf;

enum {
	TOTP_DIGITS = 6,
	TOTP_STEP = 30,         /* seconds */
	TOTP_SECRET_OCTETS = 20, /* as RFC 4226 section 4 recommends */
};

/* The code of the step that `when` (seconds since 1970) is in, of at most eight
 * digits. */
uint32_t totp_code(struct str secret, uint64_t when, unsigned digits);
/* The begin of the step, of the present one and its neighbours, whose code
 * `code` is; 0 if there is none. */
int64_t totp_check(struct str secret, struct str code, int64_t now);

/* RFC 4648 without padding; decoding takes either case, "=" and blanks. */
void base32_encode(struct str in, struct buf *out);
bool base32_decode(struct str in, struct buf *out);

#endif
