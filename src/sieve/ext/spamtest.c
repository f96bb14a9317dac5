/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/spamtest.c - spamtest, virustest, :percent (RFC 5235), from a
 * header field that a filter before us has written.
 *
 * sieve_spamtest_status_header names it: "X-Spam-Score", or with a regular
 * expression whose first group is the score: "X-Spam-Status: score=([0-9.]+)".
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "sieve/ext.h"
#include "sieve/pattern.h"

enum { GRADES = 11 };

struct spamtest_settings {
	const char *status_type, *status_header, *max_header, *max_value;
	const char *text[GRADES];
};

extern const struct sieve_extension ext_spamtest, ext_virustest;

#define ROW(name, field, preset, doc)                                          \
	{                                                                      \
		name, SETTING_TEXT, offsetof(struct spamtest_settings, field), \
			preset, doc, NULL, 0                                   \
	}
#define GRADE(kind, number)                                                    \
	ROW("sieve_" kind "_text_value" #number, text[number], "",             \
	    "What the field says for the grade " #number ".")
#define COMMON(kind)                                                           \
	ROW("sieve_" kind "_status_type", status_type, "score",                \
	    "What the field holds: score (a number), strlen (as many "         \
	    "characters), text."),                                             \
		ROW("sieve_" kind "_status_header", status_header, "",         \
		    "The field, or \"FIELD: REGEX\" with a group."),           \
		ROW("sieve_" kind "_max_header", max_header, "",               \
		    "A field with the highest score there is."),               \
		ROW("sieve_" kind "_max_value", max_value, "",                 \
		    "The highest score there is."),                            \
		GRADE(kind, 0), GRADE(kind, 1), GRADE(kind, 2),                \
		GRADE(kind, 3), GRADE(kind, 4), GRADE(kind, 5)

static const struct setting spamtest_settings[] = {
	COMMON("spamtest"),   GRADE("spamtest", 6), GRADE("spamtest", 7),
	GRADE("spamtest", 8), GRADE("spamtest", 9), GRADE("spamtest", 10),
	SETTINGS_END,
};
static const struct setting virustest_settings[] = {
	COMMON("virustest"),
	SETTINGS_END,
};

/* What a field says: "FIELD", or what the group in "FIELD: REGEX" is. data is
 * NULL if there is no such field, or no match. */
static int field_value(struct sieve_run *run, const char *setting,
		       struct str *out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "spamtest");
	struct str rest = str_of(setting), name, captures[2];
	struct sieve_pattern *pattern;
	struct sieve_field *field;
	unsigned count;
	bool found;

	*out = (struct str){NULL, 0};
	if (!str_split(&rest, ':', &name))
		return 0;
	field = sieve_message_field(run->message, str_trim(name));
	if (field == NULL)
		return 0;
	*out = sieve_field_flat(run->message, field);
	if (rest.data == NULL)
		return 0;
	if (sieve_pattern_new(ctx, sieve_engine_settings(run->engine),
			      str_trim(rest), false, &pattern, err) < 0 ||
	    sieve_pattern_match(pattern, *out, captures, 2, &count, &found,
				err) < 0)
		return err_wrap(err, "%s", setting);
	*out = found && count == 2 ? captures[1] : (struct str){NULL, 0};
	return 0;
}

static bool parse_number(struct str text, double *out)
{
	char copy[40], *end;

	text = str_trim(text);
	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	*out = strtod(copy, &end);
	return *end == '\0' && *out == *out;
}

static int max_value(struct sieve_run *run, const struct spamtest_settings *set,
		     double *out, struct err *err)
{
	struct str value = str_of(set->max_value);

	if (value.len == 0 &&
	    field_value(run, set->max_header, &value, err) < 0)
		return -1;
	if (value.data == NULL || !parse_number(value, out) || *out == 0)
		*out = 0;
	return 0;
}

/* A text's grade as a ratio of the highest one; negative if it is none. */
static double text_ratio(const struct spamtest_settings *set, struct str value,
			 unsigned grades, bool *tested_out)
{
	for (unsigned i = 0; i <= grades; i++) {
		const char *text = set->text[i] == NULL ? "" : set->text[i];

		if (text[0] == '\0' || !str_is(value, text))
			continue;
		*tested_out = i > 0;
		return i > 0 ? (double)(i - 1) / (grades - 1) : 0;
	}
	*tested_out = false;
	return 0;
}

/* How bad it is, from 0 to 1; *tested_out tells if anybody knows. */
static int get_ratio(struct sieve_run *run, const struct spamtest_settings *set,
		     unsigned grades, double *ratio_out, bool *tested_out,
		     struct err *err)
{
	double score = 0, max = 0;
	struct str value;

	*tested_out = false;
	*ratio_out = 0;
	if (field_value(run, set->status_header, &value, err) < 0)
		return -1;
	if (value.data == NULL)
		return 0;
	if (strcmp(set->status_type, "text") == 0) {
		*ratio_out = text_ratio(set, value, grades, tested_out);
		return 0;
	}
	if (max_value(run, set, &max, err) < 0)
		return -1;
	if (strcmp(set->status_type, "strlen") == 0)
		score = (double)value.len;
	else if (!parse_number(value, &score))
		return 0;
	if (max <= 0)
		return 0;
	*tested_out = true;
	*ratio_out = score < 0 ? 0 : score > max ? 1 : score / max;
	return 0;
}

/* Section 2: 0 is untested, then 1 up to `grades`, or 0 to 100. */
static int grade(struct sieve_run *run, const struct sieve_args *args,
		 const struct sieve_extension *ext, unsigned grades,
		 bool *result_out, struct err *err)
{
	const struct spamtest_settings *set =
		sieve_engine_set(run->engine, ext);
	bool percent = sieve_args_tag(args, "percent") != NULL, tested;
	struct sieve_match match;
	char text[20] = "0";
	double ratio;

	if (get_ratio(run, set, grades, &ratio, &tested, err) < 0)
		return -1;
	if (percent)
		snprintf(text, sizeof(text), "%u",
			 (unsigned)(ratio * 100 + 0.001));
	else if (tested)
		snprintf(text, sizeof(text), "%u",
			 (unsigned)(ratio * (grades - 1) + 1.001));
	sieve_match_begin(&match, run, args, &args->params[0]);
	/* Section 2.1: for :count there is none if nobody tested it. */
	if ((match.type->count == NULL || tested) &&
	    sieve_match_value(&match, str_of(text), err) < 0)
		return -1;
	return sieve_match_end(&match, result_out, err);
}

static int spamtest_run(struct sieve_run *run, const struct sieve_args *args,
			bool *result_out, struct err *err)
{
	return grade(run, args, &ext_spamtest, 10, result_out, err);
}

static int virustest_run(struct sieve_run *run, const struct sieve_args *args,
			 bool *result_out, struct err *err)
{
	return grade(run, args, &ext_virustest, 5, result_out, err);
}

#define TEST(test, fn)                                                         \
	{                                                                      \
		.name = test, .flags = SIEVE_IS_TEST, .takes = "match",        \
		.params = {{"value", SIEVE_STRING, 0, NULL}}, .run = fn        \
	}

static const struct sieve_command spamtest_commands[] = {
	TEST("spamtest", spamtest_run),
	SIEVE_END,
};

static const struct sieve_command virustest_commands[] = {
	TEST("virustest", virustest_run),
	SIEVE_END,
};

static const struct sieve_tag plus_tags[] = {
	{.name = "percent", .of = "spamtest"},
	SIEVE_END,
};

const struct sieve_extension ext_spamtest = {
	.name = "spamtest",
	.flags = SIEVE_EXT_OFF,
	.commands = spamtest_commands,
	.settings = spamtest_settings,
	.settings_size = sizeof(struct spamtest_settings)};
const struct sieve_extension ext_spamtestplus = {.name = "spamtestplus",
						 .flags = SIEVE_EXT_OFF,
						 .implies = "spamtest",
						 .tags = plus_tags};
const struct sieve_extension ext_virustest = {
	.name = "virustest",
	.flags = SIEVE_EXT_OFF,
	.commands = virustest_commands,
	.settings = virustest_settings,
	.settings_size = sizeof(struct spamtest_settings)};
