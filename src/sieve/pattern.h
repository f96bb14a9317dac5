/* SPDX-License-Identifier: MIT */
/*
 * sieve/pattern.h - regular expressions, POSIX extended as far as PCRE2 is,
 * within bounds: a match that takes too many steps is an error.
 */
#ifndef SIEVE_PATTERN_H
#define SIEVE_PATTERN_H
#include <stdbool.h>

#include "base/str.h"

struct err;
struct sieve_pattern;

/* Child of ctx. ERR_INVALID tells what is wrong, and where. */
int sieve_pattern_new(const void *ctx, struct str text, bool any_case,
		      struct sieve_pattern **out, struct err *err);
/* Captures: [0] is all that matched, then the groups, `max` at most; data is
 * NULL for a group that took no part. They point into `value`. */
int sieve_pattern_match(struct sieve_pattern *pattern, struct str value,
			struct str *captures, unsigned max, unsigned *count_out,
			bool *found_out, struct err *err);

#endif
