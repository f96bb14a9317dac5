/* SPDX-License-Identifier: MIT */
#include "base/digest.h"

#include <errno.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"

struct digest {
	const EVP_MD *md;
	EVP_MD_CTX *state;
};

/* Fetched once: EVP_sha256() and the like look for theirs with each use. */
static const EVP_MD *md_of(const char *name)
{
	static struct {
		const char *name;
		EVP_MD *md;
	} all[] = {
		{"md5", NULL},      {"sha1", NULL},     {"sha224", NULL},
		{"sha256", NULL},   {"sha384", NULL},   {"sha512", NULL},
		{"sha3-256", NULL}, {"sha3-512", NULL}, {"md4", NULL},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(all[i].name, name) != 0)
			continue;
		/* OpenSSL 3 keeps MD4 (PLAIN-MD4 passwords) apart. */
		if (all[i].md == NULL &&
		    (strcmp(name, "md4") != 0 ||
		     OSSL_PROVIDER_try_load(NULL, "legacy", 1) != NULL))
			all[i].md = EVP_MD_fetch(NULL, name, NULL);
		return all[i].md;
	}
	return NULL;
}

void digest_prepare(void)
{
	md_of("sha1");
	md_of("sha256");
}

static int digest_destroy(struct digest *digest)
{
	EVP_MD_CTX_free(digest->state);
	return 0;
}

struct digest *digest_new(const void *ctx, const char *name)
{
	const EVP_MD *md = md_of(name);
	struct digest *digest;

	if (md == NULL)
		return NULL;
	digest = mem_new(ctx, struct digest);
	digest->md = md;
	digest->state = EVP_MD_CTX_new();
	if (digest->state == NULL)
		mem_fatal(sizeof(*digest));
	talloc_set_destructor(digest, digest_destroy);
	if (EVP_DigestInit_ex(digest->state, md, NULL) != 1) {
		mem_free(digest);
		return NULL;
	}
	return digest;
}

/* After a right start only a lack of memory makes these fail. */
static void must(int ret)
{
	if (ret != 1)
		mem_fatal(DIGEST_MAX);
}

void digest_add(struct digest *digest, struct str data)
{
	must(EVP_DigestUpdate(digest->state, data.data, data.len));
}

size_t digest_end(struct digest *digest, unsigned char out[DIGEST_MAX])
{
	unsigned len = 0;

	must(EVP_DigestFinal_ex(digest->state, out, &len));
	/* The same again: naming the algorithm would look it up anew. */
	must(EVP_DigestInit_ex(digest->state, NULL, NULL));
	return len;
}

size_t digest_once(const char *name, struct str data,
		   unsigned char out[DIGEST_MAX])
{
	const EVP_MD *md = md_of(name);
	unsigned len = 0;

	if (md == NULL ||
	    EVP_Digest(data.data, data.len, out, &len, md, NULL) != 1)
		return 0;
	return len;
}

size_t digest_hmac(const char *name, struct str key, struct str data,
		   unsigned char out[DIGEST_MAX])
{
	const EVP_MD *md = md_of(name);
	unsigned len = 0;

	/* HMAC() takes a NULL key for "the last one". */
	if (key.len == 0)
		key = STR("");
	if (md == NULL || key.len > INT32_MAX ||
	    HMAC(md, key.data, (int)key.len, (const unsigned char *)data.data,
		 data.len, out, &len) == NULL)
		return 0;
	return len;
}

bool digest_pbkdf2(const char *name, struct str password, struct str salt,
		   unsigned rounds, unsigned char *out, size_t out_len)
{
	const EVP_MD *md = md_of(name);

	if (md == NULL || rounds == 0 || rounds > INT32_MAX ||
	    password.len > INT32_MAX || salt.len > INT32_MAX ||
	    out_len > INT32_MAX)
		return false;
	return PKCS5_PBKDF2_HMAC(password.data, (int)password.len,
				 (const unsigned char *)salt.data,
				 (int)salt.len, (int)rounds, md, (int)out_len,
				 out) == 1;
}

static EVP_PKEY *read_key(struct str pem)
{
	BIO *bio = pem.len > INT32_MAX
			   ? NULL
			   : BIO_new_mem_buf(pem.data, (int)pem.len);
	EVP_PKEY *key = NULL;

	if (bio != NULL)
		key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	return key;
}

/* Two numbers of equal length as OpenSSL wants them; NULL if they are none. */
static unsigned char *ecdsa_der(struct str raw, const EVP_PKEY *key,
				size_t *len_out)
{
	size_t half = ((size_t)EVP_PKEY_get_bits(key) + 7) / 8;
	const unsigned char *data = (const unsigned char *)raw.data;
	ECDSA_SIG *sig;
	unsigned char *der = NULL;
	BIGNUM *r, *s;
	int len;

	if (raw.len != 2 * half)
		return NULL;
	sig = ECDSA_SIG_new();
	r = BN_bin2bn(data, (int)half, NULL);
	s = BN_bin2bn(data + half, (int)half, NULL);
	if (sig == NULL || r == NULL || s == NULL ||
	    ECDSA_SIG_set0(sig, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		ECDSA_SIG_free(sig);
		return NULL;
	}
	len = i2d_ECDSA_SIG(sig, &der);
	ECDSA_SIG_free(sig);
	*len_out = len < 0 ? 0 : (size_t)len;
	return der;
}

static bool is_key_of(const EVP_PKEY *key, enum signature_kind kind)
{
	int id = EVP_PKEY_get_base_id(key);

	if (kind == SIGNATURE_ECDSA)
		return id == EVP_PKEY_EC;
	return id == EVP_PKEY_RSA ||
	       (kind == SIGNATURE_RSA_PSS && id == EVP_PKEY_RSA_PSS);
}

static bool verify(const char *name, enum signature_kind kind, EVP_PKEY *key,
		   struct str data, const unsigned char *signature, size_t len)
{
	EVP_MD_CTX *state = EVP_MD_CTX_new();
	EVP_PKEY_CTX *with; /* the state's */
	bool right = false;

	if (state != NULL &&
	    EVP_DigestVerifyInit(state, &with, md_of(name), NULL, key) == 1 &&
	    (kind != SIGNATURE_RSA_PSS ||
	     (EVP_PKEY_CTX_set_rsa_padding(with, RSA_PKCS1_PSS_PADDING) == 1 &&
	      EVP_PKEY_CTX_set_rsa_pss_saltlen(with, RSA_PSS_SALTLEN_DIGEST) ==
		      1)))
		right = EVP_DigestVerify(state, signature, len,
					 (const unsigned char *)data.data,
					 data.len) == 1;
	EVP_MD_CTX_free(state);
	return right;
}

bool digest_signed(const char *name, enum signature_kind kind, struct str pem,
		   struct str data, struct str signature)
{
	const unsigned char *given = (const unsigned char *)signature.data;
	EVP_PKEY *key = read_key(pem);
	unsigned char *der = NULL;
	size_t len = signature.len;
	bool right = false;

	if (key != NULL && is_key_of(key, kind)) {
		if (kind == SIGNATURE_ECDSA)
			given = der = ecdsa_der(signature, key, &len);
		right = given != NULL &&
			verify(name, kind, key, data, given, len);
	}
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	return right;
}

void random_fill(void *out, size_t len)
{
	unsigned char *at = out;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			log_fatal(89, "getrandom(): %s", strerror(errno));
		at += got;
		len -= (size_t)got;
	}
}

uint64_t random_u64(void)
{
	uint64_t value;

	random_fill(&value, sizeof(value));
	return value;
}

void guid128_new(unsigned char out[16])
{
	struct timespec now;
	uint32_t seconds, nanos;

	clock_gettime(CLOCK_REALTIME, &now);
	seconds = (uint32_t)now.tv_sec;
	nanos = (uint32_t)now.tv_nsec;
	memcpy(out, &nanos, sizeof(nanos));
	memcpy(out + 4, &seconds, sizeof(seconds));
	random_fill(out + 8, 8);
}
