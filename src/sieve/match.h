/* SPDX-License-Identifier: MIT */
/*
 * sieve/match.h - values against keys (RFC 5228 section 2.7): match types and
 * comparators.
 *
 *	struct sieve_match match;
 *
 *	sieve_match_begin(&match, run, args, &args->params[1]);
 *	for (each value, while match.found is false)
 *		if (sieve_match_value(&match, value, err) < 0)
 *			return -1;
 *	return sieve_match_end(&match, result_out, err);
 */
#ifndef SIEVE_MATCH_H
#define SIEVE_MATCH_H
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct err;
struct sieve_args;
struct sieve_engine;
struct sieve_match;
struct sieve_run;
struct sieve_value;

enum {
	SIEVE_COMPARE_SUBSTRING = 1 << 0, /* :contains, :matches */
	SIEVE_COMPARE_ORDER = 1 << 1,     /* :value */
};

/* RFC 4790. */
struct sieve_comparator {
	const char *name; /* "i;octet" */
	unsigned flags;
	/* Less than, equal to or greater than 0. */
	int (*compare)(struct str a, struct str b);
	/* How many octets at the start of both are one equal character; false
	 * if they differ. Neither is empty. NULL without SUBSTRING. */
	bool (*same)(struct str a, struct str b, size_t *a_len, size_t *b_len);
	/* Where `key` (not empty) is in `value`, or -1; NULL without
	 * SUBSTRING. */
	ptrdiff_t (*find)(struct str value, struct str key);
};

struct sieve_match_type {
	const char *name; /* "contains" */
	unsigned needs;   /* flags of the comparator */
	/* One value against one key. */
	int (*match)(struct sieve_match *match, struct str value,
		     struct str key, bool *found_out, struct err *err);
	/* Instead, when all values have been counted (:count). */
	int (*count)(struct sieve_match *match, uint64_t count, struct str key,
		     bool *found_out, struct err *err);
};

struct sieve_match {
	struct sieve_run *run;
	const struct sieve_match_type *type;
	const struct sieve_comparator *comparator;
	const struct sieve_value *param; /* the match type's: "ge" */
	const struct sieve_value *keys;
	bool keeps_matches; /* ${1}... stay as they are (RFC 5173 section 6) */
	uint64_t count;     /* values so far */
	bool found;         /* no more values are needed */
};

extern const struct sieve_comparator sieve_comparator_default;
/* By name in any case, of any extension; NULL if there is none. */
const struct sieve_comparator *
sieve_comparator_find(const struct sieve_engine *engine, struct str name);
void sieve_match_begin(struct sieve_match *match, struct sieve_run *run,
		       const struct sieve_args *args,
		       const struct sieve_value *keys);
int sieve_match_value(struct sieve_match *match, struct str value,
		      struct err *err);
/* For match types: what was found (RFC 5229 section 3.2), copied, if anybody
 * asks for it. */
void sieve_match_captures(struct sieve_match *match, const struct str *captures,
			  unsigned count);
int sieve_match_end(struct sieve_match *match, bool *result_out,
		    struct err *err);
/* Against one key only: for `string`-like tests in loops. */
extern const struct sieve_match_type sieve_match_is, sieve_match_contains,
	sieve_match_matches;
/* A pattern of :matches (section 2.7.1). Captures, if not NULL, gets what "*"
 * and "?" stood for, from [1] on; *count_out of them, `max` at most. No more
 * than *steps are made, as if there were no match; it becomes how many were. */
bool sieve_glob(const struct sieve_comparator *comparator, struct str value,
		struct str pattern, struct str *captures, unsigned max,
		unsigned *count_out, uint64_t *steps);

#endif
