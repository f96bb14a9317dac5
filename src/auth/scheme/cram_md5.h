/* SPDX-License-Identifier: MIT */
/*
 * auth/scheme/cram_md5.h - HMAC-MD5 from what the scheme CRAM-MD5 stores.
 */
#ifndef AUTH_SCHEME_CRAM_MD5_H
#define AUTH_SCHEME_CRAM_MD5_H
#include "base/str.h"

enum { CRAM_MD5_OCTETS = 32, CRAM_MD5_DIGEST = 16 };

void cram_md5_hmac(const unsigned char state[CRAM_MD5_OCTETS],
		   struct str challenge, unsigned char out[CRAM_MD5_DIGEST]);

#endif
