/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/subaddress.c - :user and :detail (RFC 5233). recipient_delimiter is
 * a set of characters: the leftmost of them divides.
 */
#include "sieve/ext.h"

static size_t delimiter(struct sieve_run *run, struct str local)
{
	const struct sieve_settings *set = sieve_engine_settings(run->engine);
	const char *chars = set->sieve_subaddress_sep[0] != '\0'
				    ? set->sieve_subaddress_sep
				    : set->recipient_delimiter;
	size_t at = 0;

	while (at < local.len && (local.data[at] == '\0' ||
				  strchr(chars, local.data[at]) == NULL))
		at++;
	return at;
}

static bool part_user(struct sieve_run *run,
		      const struct sieve_address *address, struct str *out)
{
	if (address->local.data == NULL)
		return false;
	*out = str_n(address->local.data, delimiter(run, address->local));
	return true;
}

/* Section 4: none if there is no delimiter, empty if nothing is behind it. */
static bool part_detail(struct sieve_run *run,
			const struct sieve_address *address, struct str *out)
{
	size_t at;

	if (address->local.data == NULL)
		return false;
	at = delimiter(run, address->local);
	if (at == address->local.len)
		return false;
	*out = str_from(address->local, at + 1);
	return true;
}

static const struct sieve_tag tags[] = {
	SIEVE_PART_TAG("user", part_user),
	SIEVE_PART_TAG("detail", part_detail),
	SIEVE_END,
};

const struct sieve_extension ext_subaddress = {.name = "subaddress",
					       .tags = tags};
