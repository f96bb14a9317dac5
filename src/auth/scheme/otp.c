/* SPDX-License-Identifier: MIT */
/*
 * auth/scheme/otp.c - the last one-time password of RFC 2289, as Dovecot keeps
 * it: "sha1 1024 seed hex". Here it is a hash like others: the passphrase
 * itself is given.
 */
#include "auth/scheme/internal.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"

enum { FOLDED = 8, SEQUENCE = 1024, SEQUENCE_MAX = 9999, SEED_MAX = 16 };

/* 64 of the digest's bits (RFC 2289 appendix A). SHA-1's come word by word,
 * each with its last octet first. */
static bool fold(struct digest *digest, bool sha1, struct str data,
		 unsigned char out[FOLDED])
{
	unsigned char full[DIGEST_MAX];
	size_t len;

	digest_add(digest, data);
	len = digest_end(digest, full);
	memset(out, 0, FOLDED);
	for (size_t i = 0; i < len; i++) {
		size_t at = i % FOLDED;

		out[sha1 ? (at ^ 3) : at] ^= full[i];
	}
	return len > 0;
}

static int otp_write(const char *algorithm, const char *password,
		     struct str seed, unsigned sequence, struct buf *out,
		     struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "otp");
	struct digest *digest = digest_new(ctx, algorithm);
	char *lower = str_lower(ctx, seed);
	char *first = mem_printf(ctx, "%s%s", lower, password);
	bool sha1 = strcmp(algorithm, "sha1") == 0;
	unsigned char key[FOLDED];

	if (digest == NULL)
		return err_set(err, ERR_UNSUPPORTED, "no digest %s here",
			       algorithm);
	fold(digest, sha1, str_of(first), key);
	mem_wipe(first, strlen(first));
	for (unsigned i = 0; i < sequence; i++)
		fold(digest, sha1, str_n(key, FOLDED), key);
	buf_printf(out, "%s %u %s ", algorithm, sequence, lower);
	hex_encode(str_n(key, FOLDED), out);
	return 0;
}

int otp_make(const char *password, const char *, unsigned, struct buf *out,
	     struct err *err)
{
	CLEANUP(buf_free) struct buf seed = buf_init(SEED_MAX);
	unsigned char octets[SEED_MAX / 2];

	random_fill(octets, sizeof(octets));
	hex_encode(str_n(octets, sizeof(octets)), &seed);
	return otp_write("sha1", password, str_n(seed.data, seed.len), SEQUENCE,
			 out, err);
}

int otp_compare(const char *password, const char *, struct str hash,
		struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "otp");
	CLEANUP(buf_free) struct buf made = buf_init(SCHEME_HASH_MAX);
	char *lower = str_lower(ctx, hash);
	struct str rest = str_of(lower), algorithm, number, seed;
	uint32_t sequence;

	if (!str_split(&rest, ' ', &algorithm) ||
	    (!str_is(algorithm, "md4") && !str_is(algorithm, "md5") &&
	     !str_is(algorithm, "sha1")) ||
	    !str_split(&rest, ' ', &number) || !str_to_u32(number, &sequence) ||
	    sequence == 0 || sequence > SEQUENCE_MAX ||
	    !str_split(&rest, ' ', &seed) || seed.len == 0 ||
	    seed.len > SEED_MAX || rest.len != 2 * FOLDED)
		return err_set(err, ERR_INVALID, "hash is malformed");
	if (otp_write(str_dup(ctx, algorithm), password, seed, sequence, &made,
		      err) < 0)
		return -1;
	return str_equal_secret(str_n(made.data, made.len), str_of(lower));
}
