/* SPDX-License-Identifier: MIT */
/*
 * sieve/pattern.h - regular expressions by PCRE2, within the bounds of
 * sieve_regex_*: for :regex, and for what settings look for.
 *
 * What POSIX's extended expressions mean, they mean here, but for this: where
 * more than one match starts at the same place, that of the leftmost
 * alternative is taken, not the longest. Whether there is a match is the same
 * either way; what ${0} and groups are may differ ("a|ab" finds "a").
 */
#ifndef SIEVE_PATTERN_H
#define SIEVE_PATTERN_H
#include <stdbool.h>

#include "base/str.h"

struct err;
struct sieve_pattern;
struct sieve_settings;

enum { SIEVE_MAX_GROUPS = 100 };

/* Child of ctx. ERR_INVALID tells what is wrong, and where; ERR_LIMIT: it is
 * too long. */
int sieve_pattern_new(const void *ctx, const struct sieve_settings *set,
		      struct str text, bool any_case,
		      struct sieve_pattern **out, struct err *err);
/* Captures: [0] is all that matched, then the groups, `max` at most; data is
 * NULL for a group that took no part. They point into `value`. ERR_LIMIT if it
 * takes too many steps. */
int sieve_pattern_match(struct sieve_pattern *pattern, struct str value,
			struct str *captures, unsigned max, unsigned *count_out,
			bool *found_out, struct err *err);

#endif
