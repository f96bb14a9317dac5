/* SPDX-License-Identifier: MIT */
/*
 * storage/keywords.c - user-defined flags: names, and bits in a mailbox.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "storage/core.h"
#include "storage/mailbox.h"

void keyword_set(struct keywords *keywords, unsigned bit)
{
	keywords->bits[bit / 64] |= UINT64_C(1) << (bit % 64);
}

bool keyword_has(const struct keywords *keywords, unsigned bit)
{
	return (keywords->bits[bit / 64] >> (bit % 64) & 1) != 0;
}

bool keyword_can_be_told(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] <= ' ' || name.data[i] > '~' ||
		    strchr("(){%*\"\\", name.data[i]) != NULL)
			return false;
	}
	return name.len > 0;
}

/* An atom (RFC 3501 section 9, flag-keyword). */
bool keyword_valid(const struct user *user, const char *name)
{
	return strlen(name) <= user->settings.mail_max_keyword_length &&
	       strchr(name, ']') == NULL && keyword_can_be_told(str_of(name));
}

struct names {
	const char **names;
	unsigned count, added;
};

static int find_bit(const char *name, const struct names *known)
{
	for (unsigned i = 0; i < known->count; i++) {
		if (known->names[i] != NULL &&
		    str_case_is(str_of(name), known->names[i]))
			return (int)i;
	}
	return -1;
}

/* The bits of names that nobody bears any more are not given out again: a mail
 * may still have them. */
static int add_name(const void *ctx, const struct user *user, const char *name,
		    struct names *known, struct err *err)
{
	if (!keyword_valid(user, name))
		return err_set(err, ERR_INVALID, "Invalid keyword name '%s'",
			       name);
	if (known->count >= INDEX_KEYWORDS_MAX)
		return err_set(err, ERR_LIMIT,
			       "The mailbox has too many keywords");
	known->names =
		mem_resize(ctx, known->names, const char *, known->count + 1);
	known->names[known->count] = name;
	known->added++;
	return (int)known->count++;
}

int keywords_to_bits(const struct user *user, struct index_txn *txn,
		     uint32_t box, const char *const *names, bool all,
		     struct keywords *out, bool *new_out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;
	struct keywords bits = {{0}};
	struct names known = {0};

	*new_out = false;
	*out = bits;
	if (names == NULL || names[0] == NULL)
		return 0;
	ctx = mem_ctx(NULL, "keywords");
	if (index_keywords_get(txn, ctx, box, &known.names, &known.count, err) <
	    0)
		return -1;
	for (size_t i = 0; names[i] != NULL; i++) {
		int bit = find_bit(names[i], &known);

		if (bit < 0)
			bit = add_name(ctx, user, names[i], &known, err);
		if (bit < 0 && all)
			return -1;
		if (bit >= 0 && bit < INDEX_KEYWORDS_MAX)
			keyword_set(&bits, (unsigned)bit);
	}
	if (known.added > 0 &&
	    index_keywords_put(txn, box, (const char *const *)known.names,
			       known.count, err) < 0)
		return -1;
	*new_out = known.added > 0;
	*out = bits;
	return 0;
}

const char **keywords_of_bits(const void *ctx, const char *const *names,
			      unsigned count, const struct keywords *bits)
{
	const char **out = mem_array(ctx, const char *, count + 1);
	unsigned n = 0;

	for (unsigned i = 0; i < count && i < INDEX_KEYWORDS_MAX; i++) {
		if (keyword_has(bits, i) && names[i] != NULL &&
		    names[i][0] != '\0')
			out[n++] = names[i];
	}
	return out;
}
