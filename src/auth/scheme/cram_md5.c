/* SPDX-License-Identifier: MIT */
/*
 * auth/scheme/cram_md5.c - the state of HMAC-MD5 (RFC 2104) after its first
 * block, outer then inner: enough for CRAM-MD5 (RFC 2195), less than the
 * password.
 *
 * The state after one block is no digest, and libraries do not give it out:
 * hence the compression function of RFC 1321 here.
 */
#include "auth/scheme/cram_md5.h"
#include "auth/scheme/internal.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"

enum { BLOCK = 64, STATE = 16 };

static const unsigned char shifts[4][4] = {
	{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

/* floor(2^32 * abs(sin(i + 1))) */
static const uint32_t sines[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a,
	0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be,
	0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340,
	0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
	0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8,
	0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c,
	0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa,
	0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
	0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92,
	0xffeff47d, 0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1,
	0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static uint32_t mix(unsigned i, uint32_t b, uint32_t c, uint32_t d,
		    unsigned *word)
{
	switch (i / 16) {
	case 0:
		*word = i;
		return (b & c) | (~b & d);
	case 1:
		*word = (5 * i + 1) % 16;
		return (d & b) | (~d & c);
	case 2:
		*word = (3 * i + 5) % 16;
		return b ^ c ^ d;
	default:
		*word = (7 * i) % 16;
		return c ^ (b | ~d);
	}
}

static const unsigned char md5_start[STATE] = {
	0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
	0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};

static uint32_t little_endian(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

/* MD5's state after one block more, in little endian. */
static void md5_block(unsigned char state[STATE],
		      const unsigned char block[BLOCK])
{
	uint32_t s[4], words[16];

	for (unsigned i = 0; i < 4; i++)
		s[i] = little_endian(state + 4 * i);
	for (unsigned i = 0; i < 16; i++)
		words[i] = little_endian(block + 4 * i);
	for (unsigned i = 0; i < 64; i++) {
		unsigned word;
		uint32_t f = mix(i, s[1], s[2], s[3], &word);
		uint32_t next = s[1] + rotate(s[0] + f + sines[i] + words[word],
					      shifts[i / 16][i % 4]);

		s[0] = s[3];
		s[3] = s[2];
		s[2] = s[1];
		s[1] = next;
	}
	for (unsigned i = 0; i < 4; i++)
		s[i] += little_endian(state + 4 * i);
	for (unsigned i = 0; i < STATE; i++)
		state[i] = (unsigned char)(s[i / 4] >> 8 * (i % 4));
	mem_wipe(words, sizeof(words));
}

/* The digest, one block having been seen already. */
static void md5_finish(unsigned char state[STATE], struct str data)
{
	uint64_t bits = (BLOCK + (uint64_t)data.len) * 8;
	unsigned char block[BLOCK] = {0};

	for (; data.len >= BLOCK; data = str_from(data, BLOCK))
		md5_block(state, (const unsigned char *)data.data);
	memcpy(block, data.data, data.len);
	block[data.len] = 0x80;
	if (data.len >= BLOCK - 8) {
		md5_block(state, block);
		memset(block, 0, BLOCK);
	}
	for (unsigned i = 0; i < 8; i++)
		block[BLOCK - 8 + i] = (unsigned char)(bits >> 8 * i);
	md5_block(state, block);
}

void cram_md5_hmac(const unsigned char state[CRAM_MD5_OCTETS],
		   struct str challenge, unsigned char out[CRAM_MD5_DIGEST])
{
	unsigned char inner[STATE];

	memcpy(inner, state + STATE, STATE);
	md5_finish(inner, challenge);
	memcpy(out, state, STATE);
	md5_finish(out, str_n(inner, STATE));
}

static void cram_state(const char *password, unsigned char out[2 * STATE])
{
	unsigned char key[BLOCK] = {0}, block[BLOCK], digest[DIGEST_MAX];
	struct str given = str_of(password);

	if (given.len > BLOCK) {
		size_t len = digest_once("md5", given, digest);

		memcpy(key, digest, len);
	} else {
		memcpy(key, given.data, given.len);
	}
	for (size_t i = 0; i < BLOCK; i++)
		block[i] = key[i] ^ 0x5c;
	memcpy(out, md5_start, STATE);
	md5_block(out, block);
	for (size_t i = 0; i < BLOCK; i++)
		block[i] = key[i] ^ 0x36;
	memcpy(out + STATE, md5_start, STATE);
	md5_block(out + STATE, block);
	mem_wipe(key, sizeof(key));
	mem_wipe(block, sizeof(block));
}

int cram_md5_make(const char *password, const char *, unsigned, struct buf *out,
		  struct err *)
{
	unsigned char state[2 * STATE];

	cram_state(password, state);
	buf_append(out, state, sizeof(state));
	return 0;
}

int cram_md5_compare(const char *password, const char *, struct str hash,
		     struct err *err)
{
	unsigned char state[2 * STATE];

	if (hash.len != sizeof(state))
		return err_set(err, ERR_INVALID, "hash has a wrong length");
	cram_state(password, state);
	return str_equal_secret(str_n(state, sizeof(state)), hash);
}
