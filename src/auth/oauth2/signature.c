/* SPDX-License-Identifier: MIT */
#include "auth/oauth2/signature.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

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

static bool verify(const char *digest, enum signature_kind kind, EVP_PKEY *key,
		   struct str data, const unsigned char *signature, size_t len)
{
	EVP_MD_CTX *state = EVP_MD_CTX_new();
	EVP_PKEY_CTX *with; /* the state's */
	bool right = false;

	if (state != NULL &&
	    EVP_DigestVerifyInit(state, &with, EVP_get_digestbyname(digest),
				 NULL, key) == 1 &&
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

bool signature_right(const char *digest, enum signature_kind kind,
		     struct str pem, struct str data, struct str signature)
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
			verify(digest, kind, key, data, given, len);
	}
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	return right;
}
