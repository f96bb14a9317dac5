/* SPDX-License-Identifier: MIT */
/*
 * sieve-import: Sieve scripts from rules of procmail, Gmail and Thunderbird
 * (doc/man/sieve-import.1).
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "sievetools/import.h"
#include "sievetools/tool.h"

enum { INPUT_MAX = 8 << 20, OUTPUT_MAX = 64 << 20 };

static const struct format {
	const char *name;
	void (*import)(struct import *import);
} formats[] = {
	{"procmailrc", import_procmailrc},
	{"gmail-xml", import_gmail},
	{"thunderbird-msgFilterRules", import_thunderbird},
};

static _Noreturn void usage(FILE *out, int status)
{
	fputs("Usage: sieve-import --from <format> [--output <script-file>] "
	      "[<file>]\n\n"
	      "Writes a commented Sieve script that does what the file's rules "
	      "do, and names\nwhat it could not translate. Without a file it "
	      "reads standard input.\n\nFormats:\n"
	      "  procmailrc                  ~/.procmailrc\n"
	      "  gmail-xml                   mailFilters.xml, as Gmail exports "
	      "it\n"
	      "  thunderbird-msgFilterRules  msgFilterRules.dat\n\n"
	      "Exit status: 0 all translated, 1 not all, 64 wrong usage, 89 "
	      "failed.\n",
	      out);
	exit(status);
}

static const struct format *find_format(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	}
	fprintf(stderr, "sieve-import: unknown format: %s\n", name);
	usage(stderr, EXIT_USAGE);
}

static struct str put_together(struct import *import,
			       const struct format *format)
{
	struct buf out = buf_init(OUTPUT_MAX);

	buf_printf(&out, "# Made by sieve-import from %s (%s).\n", import->name,
		   format->name);
	if (import->requires[0] != NULL)
		buf_add(&out, "require [");
	for (unsigned i = 0;
	     i < IMPORT_MAX_REQUIRES && import->requires[i] != NULL; i++)
		buf_printf(&out, "%s\"%s\"", i > 0 ? ", " : "",
			   import->requires[i]);
	if (import->requires[0] != NULL)
		buf_add(&out, "];\n");
	buf_add_str(&out, str_n(import->body.data, import->body.len));
	if (out.overflow || import->body.overflow)
		log_fatal(EXIT_FAILED, "the script would be too large");
	return import_steal(import, &out);
}

static void open_engine(struct tool *tool)
{
	struct sieve_engine_options options = {.all_extensions = true};

	tool_log(tool);
	tool->engine = sieve_engine_new(tool->ctx, &options);
}

/* What is written compiles. */
static void check(struct tool *tool, struct str text)
{
	struct sieve_source source = {.name = "sieve-import", .text = text};
	struct sieve_program *program;
	struct err err;

	if (sieve_compile(tool->ctx, tool->engine, &source, &tool->log,
			  &program, &err) < 0)
		log_fatal(EXIT_FAILED, "%s", err.text);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"from", required_argument, NULL, 'f'},
		{"output", required_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct tool tool = {.ctx = mem_ctx(NULL, "sieve-import")};
	struct import import = {.ctx = tool.ctx, .body = buf_init(OUTPUT_MAX)};
	const struct format *format = NULL;
	const char *output = "-", *input = "-";
	struct str script;
	int option;

	log_open("sieve-import", LOG_TO_STDERR);
	while ((option = getopt_long(argc, argv, "f:o:h", options, NULL)) !=
	       -1) {
		if (option == 'f')
			format = find_format(optarg);
		else if (option == 'o')
			output = optarg;
		else
			usage(option == 'h' ? stdout : stderr,
			      option == 'h' ? 0 : EXIT_USAGE);
	}
	if (format == NULL || argc - optind > 1)
		usage(stderr, EXIT_USAGE);
	if (optind < argc)
		input = argv[optind];
	open_engine(&tool);
	import.set = sieve_engine_settings(tool.engine);
	import.name = str_sanitize(
		tool.ctx, str_of(input[0] == '-' ? "stdin" : base_name(input)),
		200);
	import.text = tool_read(&tool, input);
	if (import.text.len > INPUT_MAX)
		log_fatal(EXIT_FAILED, "%s is too large", input);
	format->import(&import);
	script = put_together(&import, format);
	check(&tool, script);
	tool_write(output, script);
	buf_free(&import.body);
	mem_free(tool.ctx);
	return import.skipped > 0;
}
