/* SPDX-License-Identifier: MIT */
#include "sieve/match.h"

#include "sieve/ext.h"

enum {
	STEPS_PER_OPERATION = 8,
	OCTETS_PER_OPERATION = 64,
};

/* one value and one key */

static int is_match(struct sieve_match *match, struct str value, struct str key,
		    bool *found_out, struct err *)
{
	*found_out = match->comparator->compare(value, key) == 0;
	return 0;
}

static int contains_match(struct sieve_match *match, struct str value,
			  struct str key, bool *found_out, struct err *)
{
	*found_out = key.len == 0 || match->comparator->find(value, key) >= 0;
	return 0;
}

static bool wants_captures(const struct sieve_match *match)
{
	return !match->keeps_matches && sieve_run_wants_matches(match->run);
}

void sieve_match_captures(struct sieve_match *match, const struct str *captures,
			  unsigned count)
{
	if (wants_captures(match))
		sieve_run_matches(match->run, captures, count);
}

static int matches_match(struct sieve_match *match, struct str value,
			 struct str key, bool *found_out, struct err *err)
{
	struct str captures[SIEVE_MAX_MATCHES];
	bool wanted = wants_captures(match);
	/* More than is allowed. */
	uint64_t steps = (sieve_engine_settings(match->run->engine)
				  ->sieve_max_operations +
			  1ULL) *
			 STEPS_PER_OPERATION;
	unsigned count = 0;

	*found_out = sieve_glob(match->comparator, value, key,
				wanted ? captures : NULL, SIEVE_MAX_MATCHES,
				&count, &steps);
	if (*found_out)
		sieve_match_captures(match, captures, count);
	/* A pattern may be made to go back over the value again and again. */
	return sieve_run_work(match->run, steps / STEPS_PER_OPERATION, err);
}

const struct sieve_match_type sieve_match_is = {.name = "is",
						.match = is_match};
const struct sieve_match_type sieve_match_contains = {
	.name = "contains",
	.needs = SIEVE_COMPARE_SUBSTRING,
	.match = contains_match};
const struct sieve_match_type sieve_match_matches = {
	.name = "matches",
	.needs = SIEVE_COMPARE_SUBSTRING,
	.match = matches_match};

/* values */

const struct sieve_comparator *
sieve_comparator_find(const struct sieve_engine *engine, struct str name)
{
	const struct sieve_extension *ext;

	for (unsigned i = 0; (ext = sieve_engine_extension(engine, i)); i++) {
		const struct sieve_comparator *c = ext->comparators;

		for (; c != NULL && c->name != NULL; c++) {
			if (str_case_is(name, c->name))
				return c;
		}
	}
	return NULL;
}

void sieve_match_begin(struct sieve_match *match, struct sieve_run *run,
		       const struct sieve_args *args,
		       const struct sieve_value *keys)
{
	*match = (struct sieve_match){
		.run = run,
		.type = &sieve_match_is,
		.comparator = &sieve_comparator_default,
		.keys = keys,
	};
	for (unsigned i = 0; i < args->tag_count; i++) {
		const struct sieve_tag *tag = args->tags[i].tag;
		const struct sieve_comparator *comparator;

		if (tag->match_type != NULL) {
			match->type = tag->match_type;
			match->param = &args->tags[i].value;
		} else if (strcmp(tag->name, "comparator") == 0) {
			comparator = sieve_comparator_find(
				run->engine, args->tags[i].value.text);
			if (comparator != NULL)
				match->comparator = comparator;
		}
	}
	/* The validator refuses it, but bytecode may come from elsewhere. */
	if ((match->type->needs & ~match->comparator->flags) != 0)
		match->comparator = &sieve_comparator_default;
}

int sieve_match_value(struct sieve_match *match, struct str value,
		      struct err *err)
{
	uint64_t octets = 0;

	match->count++;
	if (match->type->match == NULL)
		return 0;
	for (unsigned i = 0; i < match->keys->count && !match->found; i++) {
		struct str key = match->keys->list[i];

		if (match->type->match(match, value, key, &match->found, err) <
		    0)
			return -1;
		sieve_trace(match->run, SIEVE_TRACE_MATCHING,
			    "  value '%.*s' with key '%.*s' => %d",
			    (int)(value.len > 80 ? 80 : value.len), value.data,
			    STR_FMT(key), match->found);
		octets += value.len + 8;
		if (octets < 100 * OCTETS_PER_OPERATION)
			continue;
		if (sieve_run_work(match->run, octets / OCTETS_PER_OPERATION,
				   err) < 0)
			return -1;
		octets = 0;
	}
	return 0;
}

int sieve_match_end(struct sieve_match *match, bool *result_out,
		    struct err *err)
{
	if (match->type->count != NULL) {
		for (unsigned i = 0; i < match->keys->count && !match->found;
		     i++) {
			if (match->type->count(match, match->count,
					       match->keys->list[i],
					       &match->found, err) < 0)
				return -1;
		}
	}
	*result_out = match->found;
	return 0;
}

/* patterns */

struct glob {
	const struct sieve_comparator *comparator;
	struct str value, pattern;
	struct str *captures;
	unsigned max, count;
	uint64_t steps; /* left */
};

/* The comparator says what a character is: for i;octet and i;ascii-casemap an
 * octet (RFC 5228 section 2.7.1). */
static size_t char_len(const struct glob *glob, struct str text)
{
	size_t len, same_len;

	(void)glob->comparator->same(text, text, &len, &same_len);
	return len;
}

static void capture(struct glob *glob, unsigned place, const char *from,
		    const char *to)
{
	if (glob->captures == NULL || place >= glob->max)
		return;
	glob->captures[place] = str_n(from, (size_t)(to - from));
	if (place + 1 > glob->count)
		glob->count = place + 1;
}

/* One character of the pattern that is no '*': how much of both it takes. */
static bool step(const struct glob *glob, struct str value, struct str pattern,
		 size_t *v_len, size_t *p_len)
{
	if (value.len == 0)
		return false;
	if (pattern.data[0] == '?') {
		*p_len = 1;
		*v_len = char_len(glob, value);
		return true;
	}
	if (pattern.data[0] == '\\' && pattern.len > 1) {
		bool same = glob->comparator->same(value, str_from(pattern, 1),
						   v_len, p_len);

		++*p_len;
		return same;
	}
	return glob->comparator->same(value, pattern, v_len, p_len);
}

/*
 * Only the last '*' is ever tried again: what an earlier one could take more,
 * it can. So the time is at most value times pattern.
 */
static bool run_glob(struct glob *glob)
{
	struct str value = glob->value, pattern = glob->pattern;
	struct str star_value = {NULL, 0}, star_pattern = {NULL, 0};
	unsigned place = 1, star_place = 0;
	const char *star_from = NULL;

	while (value.len > 0 || pattern.len > 0) {
		size_t v_len, p_len;

		if (glob->steps-- == 0)
			return false;
		if (pattern.len > 0 && pattern.data[0] == '*') {
			star_pattern = pattern = str_from(pattern, 1);
			star_value = value;
			star_from = value.data;
			star_place = place++;
			capture(glob, star_place, star_from, star_from);
			if (pattern.len > 0)
				continue;
			capture(glob, star_place, star_from,
				value.data + value.len);
			return true;
		}
		if (pattern.len > 0 &&
		    step(glob, value, pattern, &v_len, &p_len)) {
			if (pattern.data[0] == '?')
				capture(glob, place++, value.data,
					value.data + v_len);
			value = str_from(value, v_len);
			pattern = str_from(pattern, p_len);
			continue;
		}
		if (star_from == NULL || star_value.len == 0)
			return false;
		star_value =
			str_from(star_value, char_len(glob, star_value));
		value = star_value;
		pattern = star_pattern;
		place = star_place + 1;
		capture(glob, star_place, star_from, value.data);
	}
	return true;
}

bool sieve_glob(const struct sieve_comparator *comparator, struct str value,
		struct str pattern, struct str *captures, unsigned max,
		unsigned *count_out, uint64_t *steps)
{
	struct glob glob = {.comparator = comparator,
			    .value = value,
			    .pattern = pattern,
			    .captures = captures,
			    .max = max,
			    .steps = *steps};
	bool found = run_glob(&glob);

	*steps -= glob.steps;
	if (!found)
		return false;
	if (captures != NULL) {
		captures[0] = value;
		*count_out = glob.count > 0 ? glob.count : 1;
	}
	return true;
}
