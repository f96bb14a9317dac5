/* SPDX-License-Identifier: MIT */
/*
 * base/digest.h - message digests (from Nettle) and random bytes.
 *
 * %-variables hash (config), and so do GUIDs and password schemes. OpenSSL
 * would want half a megabyte and two milliseconds of each process for that.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { DIGEST_MAX = 64 };

/* The algorithm is named as Dovecot's settings do: md4, md5, sha1, sha224,
 * sha256, sha384, sha512, sha3-256, sha3-512. */
/* In octets; 0 for an unknown name. */
size_t digest_size(const char *name);
struct digest;
/* NULL for an unknown name. */
struct digest *digest_new(const void *ctx, const char *name);
void digest_add(struct digest *digest, struct str data);
/* Returns the octets written; `digest` can start again. */
size_t digest_end(struct digest *digest, unsigned char out[DIGEST_MAX]);
/* All at once; 0 for an unknown name. */
size_t digest_once(const char *name, struct str data,
		   unsigned char out[DIGEST_MAX]);
size_t digest_hmac(const char *name, struct str key, struct str data,
		   unsigned char out[DIGEST_MAX]);
bool digest_pbkdf2(const char *name, struct str password, struct str salt,
		   unsigned rounds, unsigned char *out, size_t out_len);
/* From the kernel; never fails. */
void random_fill(void *out, size_t len);
uint64_t random_u64(void);
/* A 128-bit GUID in Dovecot's form: 32 hex digits, time and random. */
void guid128_new(unsigned char out[16]);
#endif
