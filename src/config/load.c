/* SPDX-License-Identifier: MIT */
/*
 * config/load.c - from files to a configuration that can be used.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "config/parse.h"

#define DEFAULT_PATH PKG_SYSCONFDIR "/dovecot.conf"

static int load(const void *ctx, struct parser *parser, const char *path,
		struct config **out, struct err *err)
{
	struct config *config = config_new(ctx, path);

	parser->config = config;
	parser->file = config->path;
	if (!parser->outside)
		presets_load(config);
	if (parse_file(parser, path, err) < 0) {
		mem_free(config);
		return -1;
	}
	parser->line = 0;
	presets_expand(config);
	check_all(parser);
	*out = config;
	if (parser->error_count > 0)
		return err_set(err, ERR_INVALID, "%s: %u error%s", path,
			       parser->error_count,
			       parser->error_count == 1 ? "" : "s");
	return 0;
}

int config_load(const void *ctx, const char *path, unsigned flags,
		struct buf *errors, struct buf *warnings, struct config **out,
		struct err *err)
{
	struct parser parser = {
		.errors = errors, .warnings = warnings, .flags = flags};

	*out = NULL;
	return load(ctx, &parser, path, out, err);
}

/* A program outside of the master reads the files itself. It may well not be
 * root, and then keys are not for it; nor is a missing certificate a reason not
 * to deliver mail. */
static int open_files(const void *ctx, const char *path, struct config **out,
		      struct err *err)
{
	enum { ERRORS_TEXT_MAX = 4096 };
	CLEANUP(buf_free) struct buf errors = buf_init(ERRORS_TEXT_MAX);
	struct parser parser = {.errors = &errors, .outside = true};

	*out = NULL;
	if (load(ctx, &parser, path, out, err) == 0)
		return 0;
	if (errors.len > 0) {
		errors.data[strcspn(errors.data, "\n")] = '\0';
		err_set(err, ERR_INVALID, "Error in configuration file %s",
			errors.data);
	}
	mem_free(*out);
	*out = NULL;
	return -1;
}

int config_open(const void *ctx, const char *path, struct config **out,
		struct err *err)
{
	const char *env = getenv("DOVETAIL_CONFIG_FD");
	unsigned fd;

	if (path == NULL && env != NULL) {
		if (!str_to_unsigned(str_of(env), &fd) || fd > INT32_MAX)
			return err_set(err, ERR_INVALID,
				       "DOVETAIL_CONFIG_FD=%s is no number",
				       env);
		return config_unseal(ctx, (int)fd, getenv("DOVETAIL_SERVICE"),
				     out, err);
	}
	return open_files(ctx, path != NULL ? path : DEFAULT_PATH, out, err);
}

int config_override(struct config *config, const char *assignment,
		    struct err *err)
{
	CLEANUP(buf_free) struct buf errors = buf_init(1024);
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "override");
	struct parser parser = {
		.config = config, .errors = &errors, .file = "-o"};
	const char *equals = strchr(assignment, '=');
	struct statement statement = {.kind = STATEMENT_VALUE};

	if (equals == NULL || equals == assignment)
		return err_set(err, ERR_INVALID, "-o %s: Expecting key=value",
			       assignment);
	statement.key =
		mem_strndup(ctx, assignment, (size_t)(equals - assignment));
	statement.value = equals + 1;
	if (equals[1] == '<') {
		statement.kind = STATEMENT_FILE;
		statement.value = equals + 2;
	}
	parse_set(&parser, config->root, &statement);
	if (parser.error_count > 0) {
		errors.data[strcspn(errors.data, "\n")] = '\0';
		return err_set(err, ERR_INVALID, "%s", errors.data);
	}
	presets_expand(config);
	views_forget(config);
	return 0;
}
