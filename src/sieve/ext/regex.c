/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/regex.c - :regex (draft-murchison-sieve-regex), by pattern.h.
 */
#include "sieve/pattern.h"

#include "base/cleanup.h"
#include "sieve/ext.h"

/* A compiled one, found again by its text. */
struct compiled {
	struct str text;
	bool any_case;
	struct sieve_pattern *pattern;
	struct compiled *next;
};

enum { BUCKETS = 64 };

/* Freed with the run's arena. */
struct regex_run {
	struct compiled *compiled[BUCKETS];
	unsigned count;
};

extern const struct sieve_extension ext_regex;

static void pattern_check(struct sieve_check *check,
			  const struct sieve_arg *arg)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "regex");
	struct sieve_pattern *pattern = NULL;
	struct err err;

	if (arg->pieces == NULL && /* else known at run time only */
	    sieve_pattern_new(ctx,
			      sieve_engine_settings(sieve_check_engine(check)),
			      arg->text, false, &pattern, &err) < 0)
		sieve_error(check, arg->at, "%s", err.text);
}

/* The keys are the last of the arguments. */
static void regex_check(struct sieve_check *check, struct sieve_node *node,
			const struct sieve_arg *)
{
	const struct sieve_arg *keys = NULL;

	for (unsigned i = 0; i < SIEVE_MAX_PARAMS; i++)
		keys = node->params[i] != NULL ? node->params[i] : keys;
	if (keys == NULL)
		return;
	if (keys->type == SIEVE_STRING)
		pattern_check(check, keys);
	for (keys = keys->items; keys != NULL; keys = keys->next)
		pattern_check(check, keys);
}

/* running */

static int get_compiled(struct sieve_run *run, struct str text, bool any_case,
			struct sieve_pattern **out, struct err *err)
{
	const struct sieve_settings *set = sieve_engine_settings(run->engine);
	struct regex_run *state = sieve_run_state(run, &ext_regex);
	struct compiled **list, *c;
	unsigned hash = any_case;

	for (size_t i = 0; i < text.len; i++)
		hash = hash * 31 + (unsigned char)text.data[i];
	list = &state->compiled[hash % BUCKETS];
	for (c = *list; c != NULL; c = c->next) {
		if (c->any_case == any_case && str_equal(c->text, text)) {
			*out = c->pattern;
			return 0;
		}
	}
	if (state->count >= set->sieve_regex_max_compiled)
		return err_set(err, ERR_LIMIT,
			       "too many regular expressions "
			       "(sieve_regex_max_compiled)");
	c = mem_new(run->arena, struct compiled);
	if (sieve_pattern_new(c, set, text, any_case, &c->pattern, err) < 0)
		return -1;
	c->text = str_n(str_dup(c, text), text.len);
	c->any_case = any_case;
	c->next = *list;
	*list = c;
	*out = c->pattern;
	state->count++;
	return sieve_run_work(run, 50, err);
}

static int regex_match(struct sieve_match *match, struct str value,
		       struct str key, bool *found_out, struct err *err)
{
	struct sieve_run *run = match->run;
	bool any_case = strcmp(match->comparator->name, "i;octet") != 0;
	struct str captures[SIEVE_MAX_MATCHES];
	struct sieve_pattern *pattern = NULL;
	unsigned count;

	if (get_compiled(run, key, any_case, &pattern, err) < 0 ||
	    sieve_pattern_match(pattern, value, captures, SIEVE_MAX_MATCHES,
				&count, found_out, err) < 0)
		return -1;
	if (*found_out)
		sieve_match_captures(match, captures, count);
	return sieve_run_work(run, 1 + value.len / 64, err);
}

static const struct sieve_match_type type_regex = {
	.name = "regex",
	.needs = SIEVE_COMPARE_SUBSTRING,
	.match = regex_match};

static int modify_quote_regex(struct sieve_run *, struct str in,
			      struct buf *out, struct err *)
{
	for (size_t i = 0; i < in.len; i++) {
		if (in.data[i] != '\0' &&
		    strchr("^$.*+?()[]{}|\\", in.data[i]) != NULL)
			buf_putc(out, '\\');
		buf_putc(out, in.data[i]);
	}
	return 0;
}

static const struct sieve_tag tags[] = {
	SIEVE_MATCH_TAG("regex", type_regex, .check = regex_check),
	{.name = "quoteregex",
	 .of = "set",
	 .precedence = 20,
	 .modify = modify_quote_regex},
	SIEVE_END,
};

const struct sieve_extension ext_regex = {
	.name = "regex", .tags = tags, .run_size = sizeof(struct regex_run)};
