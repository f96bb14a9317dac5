/* SPDX-License-Identifier: MIT */
/*
 * auth/scheme/plain.c - passwords as they are.
 */
#include "auth/scheme/internal.h"
#include "base/buf.h"
#include "base/err.h"

int plain_make(const char *password, const char *user, unsigned rounds,
	       struct buf *out, struct err *err)
{
	(void)user;
	(void)rounds;
	(void)err;
	buf_add(out, password);
	return 0;
}

int plain_compare(const char *password, const char *user, struct str hash,
		  struct err *err)
{
	(void)user;
	(void)err;
	return str_equal_secret(str_of(password), hash);
}

/* "LEN-text": only the first LEN octets of the password were kept. */
int plain_trunc_make(const char *password, const char *user, unsigned rounds,
		     struct buf *out, struct err *err)
{
	return plain_make(password, user, rounds, out, err);
}

int plain_trunc_compare(const char *password, const char *user, struct str hash,
			struct err *err)
{
	struct str given = str_of(password);
	ptrdiff_t dash = str_find_char(hash, '-');
	uint32_t len;

	(void)user;
	(void)err;
	if (dash <= 0 || !str_to_u32(str_n(hash.data, (size_t)dash), &len))
		return str_equal_secret(given, hash);
	hash = str_from(hash, (size_t)dash + 1);
	if (given.len > len && hash.len == len)
		given.len = len;
	return str_equal_secret(given, hash);
}
