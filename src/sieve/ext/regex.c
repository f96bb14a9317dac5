/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/regex.c - :regex (draft-murchison-sieve-regex), with PCRE2: what
 * POSIX's extended expressions mean there, they mean here. Time and memory of
 * a match are limited.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/cleanup.h"
#include "sieve/ext.h"

struct regex_settings {
	unsigned sieve_regex_match_limit, sieve_regex_max_compiled;
	uint64_t sieve_regex_max_pattern_size;
};

#define SETTINGS_STRUCT struct regex_settings
static const struct setting settings[] = {
	S(sieve_regex_match_limit, "200000",
	  "Steps that a regular expression may take on one value."),
	S(sieve_regex_max_compiled, "500",
	  "Regular expressions that are kept compiled during one run."),
	S(sieve_regex_max_pattern_size, "4 k", "Longest regular expression."),
	SETTINGS_END,
};
#undef SETTINGS_STRUCT

/* A compiled one, found again by its text. */
struct compiled {
	struct str text;
	bool caseless;
	pcre2_code *code;
	struct compiled *next;
};

/* Owns those; freed with the run's arena. */
struct regex_state {
	struct compiled *compiled[64];
	unsigned count;
	pcre2_match_context *context;
	pcre2_match_data *data;
};

struct regex_run {
	struct regex_state *state;
};

extern const struct sieve_extension ext_regex;

static pcre2_code *compile(struct str text, bool caseless, char *why,
			   size_t why_size)
{
	uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF |
			   PCRE2_DOLLAR_ENDONLY | PCRE2_DOTALL |
			   PCRE2_NEVER_BACKSLASH_C;
	PCRE2_SIZE at;
	int error;
	pcre2_code *code = pcre2_compile(
		(PCRE2_SPTR)text.data, text.len,
		options | (caseless ? PCRE2_CASELESS : 0), &error, &at, NULL);

	if (code == NULL)
		pcre2_get_error_message(error, (PCRE2_UCHAR *)why, why_size);
	return code;
}

static void pattern_check(struct sieve_check *check,
			  const struct sieve_arg *arg)
{
	const struct regex_settings *set =
		sieve_engine_set(sieve_check_engine(check), &ext_regex);
	pcre2_code *code;
	char why[200] = "";

	if (arg->pieces != NULL) /* known at run time only */
		return;
	if (arg->text.len > set->sieve_regex_max_pattern_size) {
		sieve_error(
			check, arg->at,
			"regular expression is too long (maximum %llu "
			"octets)",
			(unsigned long long)set->sieve_regex_max_pattern_size);
		return;
	}
	code = compile(arg->text, false, why, sizeof(why));
	if (code == NULL)
		sieve_error(check, arg->at,
			    "invalid regular expression '%.*s': %s",
			    STR_FMT(arg->text), why);
	pcre2_code_free(code);
}

/* The keys are the last of the arguments. */
static void regex_check(struct sieve_check *check, struct sieve_node *node,
			const struct sieve_arg *tag)
{
	const struct sieve_arg *keys = NULL;

	(void)tag;
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

static int state_free(struct regex_state *state)
{
	for (size_t i = 0; i < 64; i++) {
		for (struct compiled *c = state->compiled[i]; c; c = c->next)
			pcre2_code_free(c->code);
	}
	pcre2_match_context_free(state->context);
	pcre2_match_data_free(state->data);
	return 0;
}

static struct regex_state *get_state(struct sieve_run *run,
				     const struct regex_settings *set)
{
	struct regex_run *mine = sieve_run_state(run, &ext_regex);
	struct regex_state *state = mine->state;

	if (state != NULL)
		return state;
	mine->state = state = mem_new(run->arena, struct regex_state);
	talloc_set_destructor(state, state_free);
	state->context = pcre2_match_context_create(NULL);
	state->data = pcre2_match_data_create(SIEVE_MAX_MATCHES, NULL);
	if (state->context == NULL || state->data == NULL)
		mem_fatal(0);
	pcre2_set_match_limit(state->context, set->sieve_regex_match_limit);
	pcre2_set_depth_limit(state->context, set->sieve_regex_match_limit);
	pcre2_set_heap_limit(state->context, 10 << 10); /* kB */
	return state;
}

static struct compiled **bucket(struct regex_state *state, struct str text)
{
	unsigned hash = 0;

	for (size_t i = 0; i < text.len; i++)
		hash = hash * 31 + (unsigned char)text.data[i];
	return &state->compiled[hash % 64];
}

static int get_compiled(struct sieve_run *run, struct regex_state *state,
			const struct regex_settings *set, struct str text,
			bool caseless, struct compiled **out, struct err *err)
{
	struct compiled **list = bucket(state, text), *c;
	char why[200] = "";
	pcre2_code *code;

	for (c = *list; c != NULL; c = c->next) {
		if (c->caseless == caseless && str_equal(c->text, text)) {
			*out = c;
			return 0;
		}
	}
	if (text.len > set->sieve_regex_max_pattern_size ||
	    state->count >= set->sieve_regex_max_compiled)
		return err_set(err, ERR_LIMIT,
			       "regular expression is too long, or there are "
			       "too many");
	code = compile(text, caseless, why, sizeof(why));
	if (code == NULL)
		return err_set(err, ERR_INVALID,
			       "invalid regular expression: %s", why);
	c = mem_new(state, struct compiled);
	*c = (struct compiled){.text = str_n(str_dup(c, text), text.len),
			       .caseless = caseless,
			       .code = code,
			       .next = *list};
	*list = *out = c;
	state->count++;
	return sieve_run_work(run, 50, err);
}

static void set_matches(struct sieve_run *run, struct regex_state *state,
			struct str value, int count)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(state->data);
	struct str captures[SIEVE_MAX_MATCHES];

	for (int i = 0; i < count && i < SIEVE_MAX_MATCHES; i++)
		captures[i] =
			at[2 * i] == PCRE2_UNSET || at[2 * i + 1] < at[2 * i]
				? STR("")
				: str_n(value.data + at[2 * i],
					at[2 * i + 1] - at[2 * i]);
	sieve_run_matches(run, captures, (unsigned)count);
}

static int regex_match(struct sieve_match *match, struct str value,
		       struct str key, bool *found_out, struct err *err)
{
	struct sieve_run *run = match->run;
	const struct regex_settings *set =
		sieve_engine_set(run->engine, &ext_regex);
	struct regex_state *state = get_state(run, set);
	bool caseless = strcmp(match->comparator->name, "i;octet") != 0;
	struct compiled *c = NULL;
	int count;

	if (get_compiled(run, state, set, key, caseless, &c, err) < 0)
		return -1;
	count = pcre2_match(c->code, (PCRE2_SPTR)value.data, value.len, 0, 0,
			    state->data, state->context);
	if (count == PCRE2_ERROR_MATCHLIMIT ||
	    count == PCRE2_ERROR_DEPTHLIMIT || count == PCRE2_ERROR_HEAPLIMIT)
		return err_set(err, ERR_LIMIT,
			       "regular expression takes too many steps "
			       "(sieve_regex_match_limit)");
	*found_out = count > 0;
	if (*found_out && sieve_run_wants_matches(run))
		set_matches(run, state, value, count);
	return sieve_run_work(run, 1 + value.len / 64, err);
}

static const struct sieve_match_type type_regex = {
	.name = "regex",
	.needs = SIEVE_COMPARE_SUBSTRING,
	.sets_matches = true,
	.match = regex_match};

static int modify_quote_regex(struct sieve_run *run, struct str in,
			      struct buf *out, struct err *err)
{
	(void)run;
	(void)err;
	for (size_t i = 0; i < in.len; i++) {
		if (in.data[i] != '\0' &&
		    strchr("^$.*+?()[]{}|\\", in.data[i]) != NULL)
			buf_putc(out, '\\');
		buf_putc(out, in.data[i]);
	}
	return 0;
}

static const struct sieve_tag tags[] = {
	{.name = "regex",
	 .of = "@match",
	 .group = "MATCH-TYPE",
	 .check = regex_check,
	 .match_type = &type_regex},
	{.name = "quoteregex",
	 .of = "set",
	 .precedence = 20,
	 .modify = modify_quote_regex},
	SIEVE_END,
};

const struct sieve_extension ext_regex = {.name = "regex",
					  .tags = tags,
					  .settings = settings,
					  .settings_size =
						  sizeof(struct regex_settings),
					  .run_size = sizeof(struct regex_run)};
