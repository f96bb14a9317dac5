/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/extprograms.c - pipe, filter, execute: programs that the
 * administrator has made available (vnd.dovecot.pipe, .filter, .execute).
 * Which there are and how they run, the host knows.
 */
#include "base/cleanup.h"
#include "base/encode.h"
#include "sieve/ext.h"

enum { MAX_NAME = 128, MAX_ARGS = 16, MAX_ARG = 1024 };

/* Section 3 of the specification: no path, no control characters. */
static bool is_program(struct str name)
{
	return utf8_is_name(name) && utf8_count(name) <= MAX_NAME &&
	       !str_is(name, ".") && !str_is(name, "..");
}

static void program_check(struct sieve_check *check,
			  const struct sieve_arg *arg)
{
	if (!is_program(arg->text))
		sieve_error(check, arg->at, "invalid program name '%.*s'",
			    STR_FMT(arg->text));
}

static void args_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_arg *args = node->params[1];

	if (args != NULL && args->type == SIEVE_STRINGS &&
	    args->count > MAX_ARGS)
		sieve_error(check, args->at,
			    "too many arguments (> %d) specified for the "
			    "program",
			    MAX_ARGS);
}

static int hold_args(const struct sieve_value *args, struct err *err)
{
	for (unsigned i = 0; args->type != SIEVE_NONE && i < args->count; i++) {
		if (args->list[i].len > MAX_ARG)
			return err_set(err, ERR_INVALID,
				       "specified argument %u is too long "
				       "(> %d octets)",
				       i + 1, MAX_ARG);
		if (memchr(args->list[i].data, '\0', args->list[i].len) !=
			    NULL ||
		    memchr(args->list[i].data, '\r', args->list[i].len) !=
			    NULL ||
		    memchr(args->list[i].data, '\n', args->list[i].len) != NULL)
			return err_set(err, ERR_INVALID,
				       "specified argument %u has a line end",
				       i + 1);
	}
	return 0;
}

/* pipe */

static int pipe_run(struct sieve_run *run, const struct sieve_args *args,
		    bool *, struct err *err)
{
	struct sieve_action action = {
		.kind = SIEVE_ACTION_PIPE,
		.pipe = {
			.program = sieve_run_text(run, args->params[0].text),
			.args = sieve_run_texts(run, &args->params[1]),
			.try = sieve_args_tag(args, "try") != NULL,
		}};

	if (hold_args(&args->params[1], err) < 0)
		return -1;
	return sieve_run_action(run, args, &action, err);
}

/* filter, execute */

struct call {
	const char *kind; /* "filter" */
	const void *mem;  /* what `output` is a child of */
	struct str input, output;
	bool wants_output;
	bool done; /* ran, and with success */
};

/* A program that fails leaves all as it was; one that can't be run fails a
 * script, too, unless it was to be tested. */
static int run_program(struct sieve_run *run, const struct sieve_args *args,
		       struct call *call, struct err *err)
{
	const struct sieve_host *host = run->host;
	const char *name = sieve_run_text(run, args->params[0].text);
	bool is_test = (args->command->flags & SIEVE_IS_TEST) != 0;
	struct err why;
	char when[64];
	int status;

	if (hold_args(&args->params[1], err) < 0)
		return -1;
	if (host->program == NULL)
		return err_set(err, ERR_UNSUPPORTED,
			       "no programs can be run here: '%.200s'", name);
	if (host->program(host->ctx, call->mem, call->kind, name,
			  sieve_run_texts(run, &args->params[1]), call->input,
			  call->wants_output ? &call->output : NULL, &status,
			  &why) == 0) {
		call->done = status == 0;
		return 0;
	}
	if (why.code != ERR_NOT_FOUND)
		err_set(&why, why.code,
			"%s action: failed to execute to program `%.100s': "
			"refer to server log for more information. [%s]",
			call->kind, name, clock_local(when, sizeof(when)));
	if (!is_test) {
		*err = why;
		return -1;
	}
	sieve_run_log(run, LOG_LEVEL_ERROR, "%s", why.text);
	return 0;
}

/* What is edited takes memory once more. */
static int read_message(struct sieve_run *run, struct buf *whole,
			struct call *call, struct err *err)
{
	uint64_t max = sieve_engine_settings(run->engine)->sieve_max_memory;

	*whole = buf_init((size_t)max);
	call->input = sieve_message_read(run->message, whole);
	return whole->overflow
		       ? err_set(err, ERR_LIMIT,
				 "the edited message is too large for a "
				 "program (sieve_max_memory)")
		       : 0;
}

static int filter_run(struct sieve_run *run, const struct sieve_args *args,
		      bool *result_out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "filter");
	CLEANUP(buf_free) struct buf whole = buf_init(SIZE_MAX);
	struct call call = {.kind = "filter", .mem = ctx, .wants_output = true};

	if (read_message(run, &whole, &call, err) < 0 ||
	    run_program(run, args, &call, err) < 0)
		return -1;
	*result_out = call.done && call.output.len > 0;
	return *result_out ? sieve_run_replace(run, call.output, err) : 0;
}

static int execute_run(struct sieve_run *run, const struct sieve_args *args,
		       bool *result_out, struct err *err)
{
	const struct sieve_value *input = sieve_args_tag(args, "input");
	const struct sieve_value *output = sieve_args_tag(args, "output");
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "execute");
	CLEANUP(buf_free) struct buf whole = buf_init(SIZE_MAX);
	struct call call = {.kind = "execute",
			    .mem = ctx,
			    .input = STR(""),
			    .wants_output = output != NULL};

	if (input != NULL) {
		call.input = input->text;
	} else if (sieve_args_tag(args, "pipe") != NULL) {
		if (read_message(run, &whole, &call, err) < 0)
			return -1;
	}
	if (run_program(run, args, &call, err) < 0)
		return -1;
	*result_out = call.done;
	if (call.done && output != NULL)
		return sieve_run_set(run, output->variable, call.output, err);
	return 0;
}

static const struct sieve_tag pipe_tags[] = {{.name = "try"}, SIEVE_END};

static const struct sieve_tag execute_tags[] = {
	{.name = "input",
	 .group = "input",
	 .param = {"input data", SIEVE_STRING, 0, NULL}},
	{.name = "pipe", .group = "input"},
	{.name = "output",
	 .param = {"variable name", SIEVE_STRING, SIEVE_VARIABLE, NULL}},
	SIEVE_END,
};

#define PROGRAM(command, is_test, its_tags, fn)                                \
	{                                                                      \
		.name = command, .flags = is_test, .tags = its_tags,           \
		.params = {{"program name", SIEVE_STRING, SIEVE_LITERAL,       \
			    program_check},                                    \
			   {"arguments", SIEVE_STRINGS, SIEVE_OPTIONAL,        \
			    NULL}},                                            \
		.check = args_check, .run = fn                                 \
	}

static const struct sieve_command pipe_commands[] = {
	PROGRAM("pipe", 0, pipe_tags, pipe_run),
	SIEVE_END,
};

static const struct sieve_command filter_commands[] = {
	PROGRAM("filter", 0, NULL, filter_run),
	PROGRAM("filter", SIEVE_IS_TEST, NULL, filter_run),
	SIEVE_END,
};

static const struct sieve_command execute_commands[] = {
	PROGRAM("execute", 0, execute_tags, execute_run),
	PROGRAM("execute", SIEVE_IS_TEST, execute_tags, execute_run),
	SIEVE_END,
};

const struct sieve_extension ext_vnd_dovecot_pipe = {.name = "vnd.dovecot.pipe",
						     .flags = SIEVE_EXT_GLOBAL,
						     .commands = pipe_commands};
const struct sieve_extension ext_vnd_dovecot_filter = {
	.name = "vnd.dovecot.filter",
	.flags = SIEVE_EXT_GLOBAL,
	.commands = filter_commands};
const struct sieve_extension ext_vnd_dovecot_execute = {
	.name = "vnd.dovecot.execute",
	.flags = SIEVE_EXT_GLOBAL,
	.commands = execute_commands};
