/* SPDX-License-Identifier: MIT */
/*
 * config/vars_hash.c - %{md5;rounds=2,truncate=32,salt=x:user}.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/vars_internal.h"

enum {
	ROUNDS_MAX = 1000000,
	PBKDF2_ROUNDS = 2048,
	/* Dovecot 2.3 takes this much of PBKDF2's output. */
	PBKDF2_LEN = 336,
};

struct hash {
	char name[16];
	unsigned rounds; /* 0 is the default */
	unsigned bits;   /* 0 is all */
	struct str salt;
	bool base64;
};

static bool parse_option(struct hash *hash, struct str option, bool *last)
{
	if (str_starts(option, "rounds="))
		return str_to_unsigned(str_from(option, 7), &hash->rounds) &&
		       hash->rounds > 0 && hash->rounds <= ROUNDS_MAX;
	if (str_starts(option, "truncate="))
		return str_to_unsigned(str_from(option, 9), &hash->bits);
	if (str_starts(option, "salt=")) {
		/* As in Dovecot, what comes behind the salt is not read. */
		hash->salt = str_from(option, 5);
		*last = true;
		return true;
	}
	if (str_starts(option, "format=")) {
		struct str format = str_from(option, 7);

		hash->base64 = str_is(format, "base64");
		/* Dovecot writes both in small letters; a path that was made
		 * that way must be found again. */
		return hash->base64 || str_is(format, "hex") ||
		       str_is(format, "hexuc");
	}
	return true;
}

static bool parse_options(struct hash *hash, struct str options)
{
	struct str option;
	bool last = false;

	while (!last && str_split(&options, ',', &option)) {
		if (!parse_option(hash, option, &last))
			return false;
	}
	return true;
}

/* Salt and data, then salt and the last result. */
static size_t run_digest(const struct hash *hash, struct str data,
			 unsigned char *out)
{
	struct digest *digest = digest_new(NULL, hash->name);
	unsigned rounds = hash->rounds == 0 ? 1 : hash->rounds;
	size_t len = 0;

	if (digest == NULL)
		return 0;
	for (unsigned i = 0; i < rounds; i++) {
		digest_add(digest, hash->salt);
		digest_add(digest, data);
		len = digest_end(digest, out);
		data = str_n(out, len);
	}
	mem_free(digest);
	return len;
}

static size_t run(const struct hash *hash, struct str data, unsigned char *out)
{
	if (strcmp(hash->name, "pkcs5") != 0)
		return run_digest(hash, data, out);
	if (!digest_pbkdf2("sha256", data, hash->salt,
			   hash->rounds == 0 ? PBKDF2_ROUNDS : hash->rounds,
			   out, PBKDF2_LEN))
		return 0;
	return PBKDF2_LEN;
}

/* Keep the first bits, as a number: 12 bits of 4d7a are 04d7. */
static size_t truncate_bits(unsigned char *data, size_t len, unsigned bits)
{
	size_t keep = ((size_t)bits + 7) / 8;
	unsigned shift = (8 - bits % 8) % 8;

	if (bits == 0 || bits >= len * 8)
		return len;
	for (size_t i = keep; shift > 0 && i > 0; i--) {
		unsigned before = i > 1 ? data[i - 2] : 0;

		data[i - 1] =
			(unsigned char)((data[i - 1] | before << 8) >> shift);
	}
	return keep;
}

enum hash_result vars_hash(struct buf *out, struct str text,
			   const struct scope *scope)
{
	static const char *const names[] = {"md4",      "md5",      "sha1",
					    "sha256",   "sha384",   "sha512",
					    "sha3-256", "sha3-512", "pkcs5"};
	CLEANUP(buf_free) struct buf salt = buf_init(VARS_MAX);
	unsigned char data[PBKDF2_LEN];
	struct hash hash = {.salt = STR("")};
	struct str field, options, name;
	const struct var *var;
	ptrdiff_t colon = str_find_char(text, ':');
	struct err err;
	size_t len;

	if (colon < 0)
		return HASH_NONE;
	field = str_from(text, (size_t)colon + 1);
	options = str_n(text.data, (size_t)colon);
	str_split(&options, ';', &name);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (str_is(name, names[i]))
			strncat(hash.name, names[i], sizeof(hash.name) - 1);
	}
	if (hash.name[0] == '\0')
		return HASH_NONE;
	if (!parse_options(&hash, options))
		return HASH_BROKEN;
	var = vars_find(scope->vars, '\0', field);
	if (var == NULL || scope->depth > VARS_DEPTH_MAX ||
	    vars_append(&salt, hash.salt, scope, &err) < 0)
		return HASH_BROKEN;
	hash.salt = str_n(salt.data, salt.len);
	len = run(&hash, str_of(var->value != NULL ? var->value : ""), data);
	if (len == 0)
		return HASH_BROKEN;
	len = truncate_bits(data, len, hash.bits);
	if (hash.base64)
		base64_encode(str_n(data, len), out);
	else
		hex_encode(str_n(data, len), out);
	return HASH_OK;
}
