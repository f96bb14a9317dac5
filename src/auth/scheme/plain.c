/* SPDX-License-Identifier: MIT */
/*
 * auth/scheme/plain.c - passwords as they are.
 */
#include "auth/scheme/internal.h"
#include "base/buf.h"
#include "base/err.h"

int plain_make(const char *password, const char *, unsigned, struct buf *out,
	       struct err *)
{
	buf_add(out, password);
	return 0;
}

int plain_compare(const char *password, const char *, struct str hash,
		  struct err *)
{
	return str_equal_secret(str_of(password), hash);
}

/* "LEN-text": only the first LEN octets of the password were kept. What is made
 * here keeps all. */
int plain_trunc_make(const char *password, const char *user, unsigned rounds,
		     struct buf *out, struct err *err)
{
	buf_printf(out, "%zu-", strlen(password));
	return plain_make(password, user, rounds, out, err);
}

int plain_trunc_compare(const char *password, const char *, struct str hash,
			struct err *err)
{
	struct str given = str_of(password);
	struct str rest = hash, number;
	uint32_t len = 0;

	if (!str_split(&rest, '-', &number) || rest.data == NULL ||
	    (number.len > 0 && !str_to_u32(number, &len)))
		return err_set(err, ERR_INVALID, "missing length: prefix");
	if (given.len > len && rest.len == len)
		given.len = len;
	return str_equal_secret(given, rest);
}
