/* SPDX-License-Identifier: MIT */
/*
 * sievetools/suite_result.c - scripts of a test case, and what comes of them.
 */
#include <limits.h>

#include "base/cleanup.h"
#include "sievetools/suite.h"
#include "sievetools/tool.h"

static struct sieve_program *compile(struct suite *suite, struct str path)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "compile");
	char *full = mem_printf(ctx, "%s/%.*s", suite->dir, STR_FMT(path));
	struct sieve_program *program;
	struct sieve_source source;
	struct err err;

	if (sieve_source_read(ctx, suite->engine, full, &source, &err) < 0) {
		suite_error(suite, err.text);
		return NULL;
	}
	source.global = true;
	if (sieve_compile(suite->ctx, suite->engine, &source,
			  &suite->script_host.log, &program, &err) < 0)
		return NULL;
	return program;
}

SUITE_RUN(script_compile)
{
	struct suite *suite = suite_of(run);
	struct sieve_program *program;

	(void)err;
	suite_clear_errors(suite);
	program = compile(suite, args->params[0].text);
	if (program != NULL)
		suite->script = program;
	*result_out = program != NULL;
	return 0;
}

static void reset_result(struct suite *suite)
{
	suite->result = sieve_result_new(suite->ctx);
	suite->keep_done = false;
}

SUITE_RUN(script_run)
{
	struct suite *suite = suite_of(run);
	struct err why;

	(void)err;
	suite_clear_errors(suite);
	*result_out = false;
	if (suite->script == NULL)
		return 0;
	if (sieve_args_tag(args, "append_result") == NULL)
		reset_result(suite);
	suite->in_script = true;
	suite->script_failed = false;
	*result_out = sieve_program_run(suite->script, suite->message,
					&suite->envelope, &suite->script_host,
					suite->result, &why) == 0 &&
		      !suite->script_failed;
	suite->in_script = false;
	suite_refresh(run);
	return 0;
}

/* A keep between scripts waits for the last one. */
static void defer_keep(struct sieve_result *result)
{
	struct sieve_action **at = &result->actions;

	while (*at != NULL) {
		if ((*at)->kind == SIEVE_ACTION_KEEP) {
			*at = (*at)->next;
			result->count--;
		} else {
			at = &(*at)->next;
		}
	}
}

SUITE_RUN(multiscript)
{
	struct suite *suite = suite_of(run);
	struct sieve_message *message = sieve_message_new(
		suite->ctx, sieve_message_raw(suite->message),
		sieve_engine_settings(suite->engine)->sieve_max_header_fields);
	struct sieve_result *result = sieve_result_new(suite->ctx);
	const struct sieve_value *list = &args->params[0];
	bool kept = true, good = true, keep_done = false;

	(void)err;
	suite_clear_errors(suite);
	for (unsigned i = 0; i < list->count && good && kept; i++) {
		struct sieve_program *program = compile(suite, list->list[i]);
		struct err why;

		result->keep_cancelled = false;
		good = program != NULL &&
		       sieve_program_run(program, message, &suite->envelope,
					 &suite->script_host, result,
					 &why) == 0;
		kept = !good || sieve_result_keeps(result);
		if (!good)
			break;
		defer_keep(result);
		result->keep_cancelled = true;
		good = suite_execute(suite, result, message, &keep_done);
	}
	result->keep_cancelled = !kept;
	*result_out = suite_execute(suite, result, message, &keep_done) && good;
	return 0;
}

SUITE_RUN(result_execute)
{
	struct suite *suite = suite_of(run);

	(void)args;
	(void)err;
	suite_clear_errors(suite);
	*result_out = suite_execute(suite, suite->result, suite->message,
				    &suite->keep_done);
	return 0;
}

SUITE_RUN(result_reset)
{
	struct suite *suite = suite_of(run);

	(void)args;
	(void)err;
	(void)result_out;
	reset_result(suite);
	suite->smtp = NULL;
	sieve_message_revert(suite->message);
	suite_refresh(run);
	return 0;
}

SUITE_RUN(result_print)
{
	(void)args;
	(void)err;
	(void)result_out;
	tool_print(stdout, run->result, "INBOX");
	return 0;
}

/* lists of names against keys */

static void begin(struct sieve_match *match, struct sieve_run *run,
		  const struct sieve_args *args)
{
	sieve_match_begin(match, run, args, &args->params[0]);
	if (sieve_args_tag(args, "comparator") == NULL)
		match->comparator =
			sieve_comparator_find(run->engine, STR("i;octet"));
}

/* 0: all. */
static uint64_t index_of(const struct sieve_args *args)
{
	const struct sieve_value *index = sieve_args_tag(args, "index");

	return index == NULL        ? 0
	       : index->number == 0 ? UINT64_MAX
				    : index->number;
}

SUITE_RUN(error)
{
	const struct suite_error *error = suite_of(run)->errors;
	uint64_t index = index_of(args), place = 0;
	struct sieve_match match;

	begin(&match, run, args);
	for (; error != NULL && !match.found; error = error->next) {
		place++;
		if ((index == 0 || index == place) &&
		    sieve_match_value(&match, str_of(error->text), err) < 0)
			return -1;
	}
	return sieve_match_end(&match, result_out, err);
}

SUITE_RUN(result_action)
{
	const struct sieve_action *action = run->result->actions;
	uint64_t index = index_of(args), place = 0;
	struct sieve_match match;

	begin(&match, run, args);
	for (; action != NULL && !match.found; action = action->next) {
		struct str name = str_of(sieve_action_name(action->kind));

		place++;
		if ((index == 0 || index == place) &&
		    sieve_match_value(&match, name, err) < 0)
			return -1;
	}
	return sieve_match_end(&match, result_out, err);
}

SUITE_RUN(binary_save)
{
	struct suite *suite = suite_of(run);

	(void)result_out;
	if (suite->script == NULL)
		return err_set(err, ERR_INVALID, "nothing has been compiled");
	suite_put(suite, &suite->binaries,
		  sieve_run_text(run, args->params[0].text),
		  sieve_program_bytes(suite->script));
	return 0;
}

SUITE_RUN(binary_load)
{
	struct suite *suite = suite_of(run);
	struct suite_pair *pair = suite_find(
		suite->binaries, sieve_run_text(run, args->params[0].text));

	(void)result_out;
	if (pair == NULL)
		return err_set(err, ERR_NOT_FOUND, "no such binary");
	return sieve_program_load(suite->ctx, suite->engine, pair->value,
				  &suite->script, err);
}
