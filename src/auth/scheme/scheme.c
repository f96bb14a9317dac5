/* SPDX-License-Identifier: MIT */
#include "auth/scheme/scheme.h"

#include "auth/scheme/internal.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"

enum { SLOW = 1, WEAK = 2 };

#define ROW(name, encoding, octets, flags, functions)                          \
	{                                                                      \
		name, encoding, octets, ((flags)&SLOW) != 0,                   \
			((flags)&WEAK) != 0, functions##_make,                 \
			functions##_compare                                    \
	}

/* In the order in which they are shown. */
static const struct scheme schemes[] = {
	ROW("SHA1", SCHEME_BASE64, 20, WEAK, sha1),
	ROW("SSHA512", SCHEME_BASE64, 0, 0, ssha512),
	ROW("SCRAM-SHA-256", SCHEME_AS_TEXT, 0, SLOW, scram_sha256),
	ROW("BLF-CRYPT", SCHEME_AS_TEXT, 0, SLOW, crypt_bcrypt),
	ROW("PLAIN", SCHEME_AS_TEXT, 0, WEAK, plain),
	ROW("HMAC-MD5", SCHEME_HEX, 32, WEAK, cram_md5),
	ROW("OTP", SCHEME_AS_TEXT, 0, SLOW | WEAK, otp),
	ROW("SHA512", SCHEME_BASE64, 64, WEAK, sha512),
	ROW("SHA", SCHEME_BASE64, 20, WEAK, sha1),
	ROW("DES-CRYPT", SCHEME_AS_TEXT, 0, SLOW | WEAK, crypt_des),
	ROW("CRYPT", SCHEME_AS_TEXT, 0, SLOW, crypt_any),
	ROW("SSHA", SCHEME_BASE64, 0, WEAK, ssha1),
	ROW("MD5-CRYPT", SCHEME_AS_TEXT, 0, WEAK, crypt_md5),
	ROW("PLAIN-MD4", SCHEME_HEX, 16, WEAK, md4),
	ROW("PLAIN-MD5", SCHEME_HEX, 16, WEAK, md5),
	ROW("SCRAM-SHA-1", SCHEME_AS_TEXT, 0, SLOW, scram_sha1),
	ROW("SHA512-CRYPT", SCHEME_AS_TEXT, 0, SLOW, crypt_sha512),
	ROW("CLEAR", SCHEME_AS_TEXT, 0, WEAK, plain),
	ROW("CLEARTEXT", SCHEME_AS_TEXT, 0, WEAK, plain),
	ROW("ARGON2I", SCHEME_AS_TEXT, 0, SLOW, argon2i),
	ROW("ARGON2ID", SCHEME_AS_TEXT, 0, SLOW, argon2id),
	ROW("SSHA256", SCHEME_BASE64, 0, 0, ssha256),
	ROW("MD5", SCHEME_AS_TEXT, 0, WEAK, md5_any),
	ROW("PBKDF2", SCHEME_AS_TEXT, 0, SLOW, pbkdf2),
	ROW("SHA256", SCHEME_BASE64, 32, WEAK, sha256),
	ROW("CRAM-MD5", SCHEME_HEX, 32, WEAK, cram_md5),
	ROW("PLAIN-TRUNC", SCHEME_AS_TEXT, 0, WEAK, plain_trunc),
	ROW("SHA256-CRYPT", SCHEME_AS_TEXT, 0, SLOW, crypt_sha256),
	ROW("SMD5", SCHEME_BASE64, 0, WEAK, smd5),
	ROW("DIGEST-MD5", SCHEME_HEX, 16, WEAK, digest_md5),
	ROW("LDAP-MD5", SCHEME_BASE64, 16, WEAK, md5),
	ROW("YESCRYPT", SCHEME_AS_TEXT, 0, SLOW, crypt_yescrypt),
};

const struct scheme *scheme_nth(size_t n)
{
	return n < sizeof(schemes) / sizeof(schemes[0]) ? &schemes[n] : NULL;
}

/* Cuts ".b64", ".base64" or ".hex" off the name. */
static bool split_encoding(struct str *name, enum scheme_encoding *out)
{
	ptrdiff_t dot = str_find_char(*name, '.');
	struct str suffix;

	if (dot < 0)
		return true;
	suffix = str_from(*name, (size_t)dot + 1);
	name->len = (size_t)dot;
	if (str_case_is(suffix, "b64") || str_case_is(suffix, "base64"))
		*out = SCHEME_BASE64;
	else if (str_case_is(suffix, "hex"))
		*out = SCHEME_HEX;
	else
		return false;
	return true;
}

/* NULL if there is no such scheme, or no such encoding. */
static const struct scheme *find(struct str name,
				 enum scheme_encoding *encoding_out)
{
	enum scheme_encoding encoding = SCHEME_AS_TEXT;
	struct str base = name;

	if (!split_encoding(&base, &encoding))
		return NULL;
	for (size_t i = 0; scheme_nth(i) != NULL; i++) {
		if (!str_case_is(base, schemes[i].name))
			continue;
		*encoding_out =
			base.len == name.len ? schemes[i].encoding : encoding;
		return &schemes[i];
	}
	return NULL;
}

const struct scheme *scheme_find(struct str name)
{
	enum scheme_encoding encoding;

	return find(name, &encoding);
}

void scheme_split(const char *stored, const char *preset, struct str *name_out,
		  struct str *hash_out)
{
	struct str text = str_of(stored);
	ptrdiff_t end = str_find_char(text, '}');

	*name_out = str_of(preset);
	*hash_out = text;
	if (text.len > 0 && text.data[0] == '{' && end > 0) {
		*name_out = str_n(text.data + 1, (size_t)end - 1);
		*hash_out = str_from(text, (size_t)end + 1);
	} else if (str_starts(text, "$1$")) {
		*name_out = STR("MD5-CRYPT");
	}
}

static void wiped_free(struct buf *buf)
{
	if (buf->len > 0)
		mem_wipe(buf->data, buf->len);
	buf_free(buf);
}

/* As Dovecot reads it: blanks count for nothing, nor do the last bits. */
static bool decode_base64(struct str hash, struct buf *out)
{
	CLEANUP(wiped_free) struct buf text = buf_init(2 * SCHEME_HASH_MAX);
	size_t padding = 0;

	for (size_t i = 0; i < hash.len; i++) {
		if (strchr(" \t\r\n", hash.data[i]) == NULL)
			buf_putc(&text, hash.data[i]);
	}
	while (padding < 2 && text.len > padding &&
	       text.data[text.len - 1 - padding] == '=')
		text.data[text.len - 1 - padding++] = 'A';
	if (text.overflow || !base64_decode(str_n(text.data, text.len), out))
		return false;
	buf_truncate(out, out->len - padding);
	return true;
}

/* Without ".hex" or ".b64", digests are in the one or the other: their length
 * tells. */
static bool decode(const struct scheme *scheme, struct str name,
		   struct str hash, enum scheme_encoding encoding,
		   struct buf *out)
{
	if (encoding != SCHEME_AS_TEXT && str_find_char(name, '.') < 0)
		encoding = scheme->octets > 0 && hash.len == 2 * scheme->octets
				   ? SCHEME_HEX
				   : SCHEME_BASE64;
	switch (encoding) {
	case SCHEME_AS_TEXT:
		buf_add_str(out, hash);
		break;
	case SCHEME_HEX:
		if (!hex_decode(hash, out))
			return false;
		break;
	case SCHEME_BASE64:
		if (!decode_base64(hash, out))
			return false;
		break;
	}
	return !out->overflow;
}

int scheme_verify(const char *password, const char *user, struct str name,
		  struct str hash, struct err *err)
{
	CLEANUP(wiped_free) struct buf octets = buf_init(SCHEME_HASH_MAX);
	enum scheme_encoding encoding;
	const struct scheme *scheme = find(name, &encoding);
	int ret;

	if (scheme == NULL)
		return err_set(err, ERR_UNSUPPORTED, "Unknown scheme %.*s",
			       STR_FMT(name));
	if (strlen(password) > SCHEME_PASSWORD_MAX)
		return 0;
	if (!decode(scheme, name, hash, encoding, &octets))
		return err_set(err, ERR_INVALID,
			       "Password data is not valid for scheme %.*s",
			       STR_FMT(name));
	ret = scheme->compare(
		password, user,
		str_n(octets.data == NULL ? "" : octets.data, octets.len), err);
	if (ret < 0)
		err_wrap(err, "Password data is not valid for scheme %.*s",
			 STR_FMT(name));
	return ret;
}

bool scheme_is_plain(struct str name)
{
	const struct scheme *scheme = scheme_find(name);

	return scheme != NULL && scheme->make == plain_make;
}

int scheme_octets(const char *stored, const char *wanted, const char *user,
		  struct buf *out, struct err *err)
{
	CLEANUP(wiped_free) struct buf plain = buf_init(SCHEME_HASH_MAX);
	enum scheme_encoding encoding, other;
	const struct scheme *scheme, *want = find(str_of(wanted), &other);
	struct str name, hash;

	scheme_split(stored, wanted, &name, &hash);
	scheme = find(name, &encoding);
	if (scheme == NULL || want == NULL)
		return err_set(err, ERR_UNSUPPORTED, "Unknown scheme %.*s",
			       STR_FMT(name));
	if (!decode(scheme, name, hash, encoding,
		    scheme == want ? out : &plain))
		return err_set(err, ERR_INVALID,
			       "Password data is not valid for scheme %.*s",
			       STR_FMT(name));
	if (scheme == want)
		return 0;
	return want->make(plain.data, user, 0, out, err);
}

int scheme_make(const void *ctx, const char *password, const char *user,
		struct str name, unsigned rounds, char **out, struct err *err)
{
	CLEANUP(wiped_free) struct buf octets = buf_init(SCHEME_HASH_MAX);
	CLEANUP(buf_free) struct buf text = buf_init(2 * SCHEME_HASH_MAX);
	enum scheme_encoding encoding;
	const struct scheme *scheme = find(name, &encoding);
	struct str made;

	if (scheme == NULL)
		return err_set(err, ERR_UNSUPPORTED, "Unknown scheme %.*s",
			       STR_FMT(name));
	if (strlen(password) > SCHEME_PASSWORD_MAX)
		return err_set(err, ERR_LIMIT, "the password is too long");
	if (scheme->make(password, user, rounds, &octets, err) < 0)
		return -1;
	made = str_n(octets.data == NULL ? "" : octets.data, octets.len);
	buf_printf(&text, "{%.*s}", STR_FMT(name));
	if (encoding == SCHEME_HEX)
		hex_encode(made, &text);
	else if (encoding == SCHEME_BASE64)
		base64_encode(made, &text);
	else
		buf_add_str(&text, made);
	if (text.overflow || octets.overflow)
		return err_set(err, ERR_LIMIT, "the hash is too long");
	*out = buf_steal(ctx, &text);
	return 0;
}
