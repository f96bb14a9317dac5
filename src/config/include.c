/* SPDX-License-Identifier: MIT */
/*
 * config/include.c - configuration files and what they include.
 */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "config/parse.h"

enum { FILE_MAX = 16 << 20, INCLUDES_MAX = 2000 };

char *parse_path(const struct parser *parser, const void *ctx, const char *path)
{
	const char *slash = strrchr(parser->file, '/');

	if (path[0] == '/' || slash == NULL)
		return mem_strdup(ctx, path);
	return mem_printf(ctx, "%.*s/%s", (int)(slash - parser->file),
			  parser->file, path);
}

int parse_file(struct parser *parser, const char *path, struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(FILE_MAX);
	const char *file = parser->file;
	unsigned line = parser->line;

	if (file_read(path, &text, err) < 0)
		return -1;
	parser->including[parser->include_depth++] = path;
	parser->file = mem_strdup(parser->config, path);
	parse_text(parser, str_n(text.data, text.len));
	parser->file = file;
	parser->line = line;
	parser->include_depth--;
	return 0;
}

static bool is_recursive(const struct parser *parser, const char *path)
{
	for (unsigned i = 0; i < parser->include_depth; i++) {
		if (strcmp(parser->including[i], path) == 0)
			return true;
	}
	return false;
}

static void include_one(struct parser *parser, const char *path, bool required)
{
	struct stat st;
	struct err err;

	if (is_recursive(parser, path)) {
		parse_error(parser, "Recursive include file: %s", path);
		return;
	}
	if (parser->include_depth == INCLUDE_DEPTH_MAX ||
	    parser->include_count++ == INCLUDES_MAX) {
		parse_error(parser, "Too many included files: %s", path);
		return;
	}
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return;
	if (!required && access(path, R_OK) < 0 &&
	    (errno == ENOENT || errno == EACCES))
		return;
	if (parse_file(parser, path, &err) < 0)
		parse_error(parser, "Couldn't read included file: %s",
			    err.text);
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void parse_include(struct parser *parser, const char *pattern, bool required)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "include");
	char *path = parse_path(parser, ctx, pattern);
	glob_t found;
	int ret;

	/* Sorted here: glob() would go by the locale. */
	ret = glob(path, GLOB_BRACE | GLOB_NOSORT, NULL, &found);
	if (ret == GLOB_NOMATCH) {
		if (required)
			parse_error(parser, "!include %s: No matches", pattern);
		return;
	}
	if (ret != 0) {
		parse_error(parser, "!include %s: %s", pattern,
			    ret == GLOB_NOSPACE ? "Out of memory"
						: strerror(errno));
		return;
	}
	qsort(found.gl_pathv, found.gl_pathc, sizeof(char *), name_compare);
	for (size_t i = 0; i < found.gl_pathc; i++)
		include_one(parser, found.gl_pathv[i], required);
	globfree(&found);
}
