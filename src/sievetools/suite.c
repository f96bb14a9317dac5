/* SPDX-License-Identifier: MIT */
/*
 * sievetools/suite.c - one test case from its start to its report.
 */
#include "sievetools/suite.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "sievetools/tool.h"

static const char default_message[] =
	"From: sender@example.com\nTo: recipient@example.org\n"
	"Subject: Frop!\n\nFriep!\n";

struct suite_pair *suite_find(struct suite_pair *list, const char *name)
{
	while (list != NULL && strcmp(list->name, name) != 0)
		list = list->next;
	return list != NULL && list->value.data != NULL ? list : NULL;
}

void suite_put(struct suite *suite, struct suite_pair **list, const char *name,
	       struct str value)
{
	struct suite_pair *pair = mem_new(suite->ctx, struct suite_pair);

	pair->name = mem_strdup(pair, name);
	if (value.data != NULL)
		pair->value = str_n(str_dup(pair, value), value.len);
	pair->next = *list; /* hides an older one */
	*list = pair;
}

/* errors */

void suite_clear_errors(struct suite *suite)
{
	suite->errors = NULL;
}

void suite_error(struct suite *suite, const char *text)
{
	struct suite_error **end = &suite->errors;

	while (*end != NULL)
		end = &(*end)->next;
	*end = mem_new(suite->ctx, struct suite_error);
	(*end)->text = mem_strdup(suite->ctx, text);
}

static void echo(const struct suite *suite, enum log_level level,
		 const char *where, const char *text)
{
	static const char *const names[] = {"debug", "info",  "warning",
					    "error", "error", "error"};

	if (suite->echo)
		printf("LOG: %s: %s: %s\n", where, names[level], text);
}

/* Of the main script. */
static void main_line(void *ctx, enum log_level level, const char *where,
		      const char *text)
{
	echo(ctx, level, where, text);
	if (level >= LOG_LEVEL_ERROR)
		fprintf(stderr, "%s: error: %s\n", where, text);
}

static void script_line(void *ctx, enum log_level level, const char *where,
			const char *text)
{
	echo(ctx, level, where, text);
	if (level >= LOG_LEVEL_ERROR)
		suite_error(ctx, text);
}

/* what the engine asks */

static int find_script(void *ctx, const void *mem, const char *location,
		       struct str name, struct sieve_source *out,
		       struct err *err)
{
	struct suite *suite = ctx;
	bool global = strcmp(location, "global") == 0;
	char *path = mem_printf(mem, "%s/%s/%.*s.sieve", suite->dir,
				global ? "included-global" : "included",
				STR_FMT(name));

	if (str_find_char(name, '/') >= 0)
		return err_set(err, ERR_NOT_FOUND, "invalid script name");
	if (sieve_source_read(mem, suite->engine, path, out, err) < 0)
		return -1;
	out->global = true;
	return 0;
}

static void init_host(struct suite *suite)
{
	suite_host_init(suite);
	suite->host.log = (struct sieve_log){.line = main_line, .ctx = suite};
	suite->script_host = suite->host;
	suite->script_host.log.line = script_line;
}

void suite_open(struct suite *suite, const char *path)
{
	static const struct sieve_extension *const extra[] = {&suite_extension,
							      NULL};
	struct sieve_engine_options options = {
		.setting = suite_setting,
		.script = find_script,
		.ctx = suite,
		.extra = extra,
		.all_extensions = true,
	};
	CLEANUP(malloc_free) char *here = get_current_dir_name();
	char *slash;

	suite->path = path_expand(suite->ctx, path, here);
	suite->dir = mem_strdup(suite->ctx, suite->path);
	slash = strrchr(suite->dir, '/');
	*slash = '\0';
	suite->engine = sieve_engine_new(suite->ctx, &options);
	init_host(suite);
	suite->result = sieve_result_new(suite->ctx);
	suite_select(suite, str_of(default_message), NULL);
}

/* the report */

void suite_fail(struct suite *suite, struct str reason)
{
	printf("%2u: Test ", suite->tests);
	if (suite->test != NULL && suite->test[0] != '\0')
		printf("'%s' ", suite->test);
	printf("FAILED%s%.*s\n", reason.len > 0 ? ": " : "", STR_FMT(reason));
	suite->failures++;
	suite->test = NULL;
}

static void fail_case(struct suite *suite, const char *text)
{
	printf("XX: Test CASE FAILED: %s\n", text);
	suite->failures++;
}

void suite_run(struct suite *suite)
{
	struct sieve_source source;
	struct sieve_program *program;
	struct err err;

	if (sieve_source_read(suite->ctx, suite->engine, suite->path, &source,
			      &err) < 0) {
		fprintf(stderr, "sieve-testsuite: %s\n", err.text);
		fail_case(suite, "failed to compile testcase script");
		return;
	}
	source.global = true;
	if (sieve_compile(suite->ctx, suite->engine, &source, &suite->host.log,
			  &program, &err) < 0)
		fail_case(suite, "failed to compile testcase script");
	else if (sieve_program_run(program, suite->message, &suite->envelope,
				   &suite->host, suite->result, &err) < 0)
		fail_case(suite, err.code == ERR_LIMIT
					 ? "resource limit exceeded"
					 : "test script execution aborted due "
					   "to error");
}
