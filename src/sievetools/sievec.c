/* SPDX-License-Identifier: MIT */
#include "sievetools/sievec.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

static _Noreturn void usage(void)
{
	fputs("Usage: sievec [-D] [-d] [-c <config-file>] [-o <setting=value>] "
	      "[-P <plugin>]\n\t[-u <user>] [-x <extensions>] <script-file> "
	      "[<out-file>]\n",
	      stderr);
	exit(EXIT_USAGE);
}

static int compile(struct tool *tool, const char *path, const char *out_path,
		   bool dump, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "script");
	CLEANUP(buf_free) struct buf text = buf_init(INT32_MAX);
	struct sieve_program *program;
	struct sieve_source source;

	if (sieve_source_read(ctx, tool->engine, path, &source, err) < 0)
		return -1;
	source.global = true; /* it may be one of the administrator's */
	if (sieve_compile(ctx, tool->engine, &source, &tool->log, &program,
			  err) < 0)
		return -1;
	log_debug("%s: %zu octets of bytecode", path,
		  sieve_program_bytes(program).len);
	if (dump) {
		sieve_program_dump(program, &text);
		tool_write(out_path == NULL ? "-" : out_path,
			   str_n(text.data, text.len));
		return 0;
	}
	if (out_path == NULL)
		out_path = sieve_binary_path(ctx, path);
	return sieve_program_save(program, out_path, err);
}

static bool is_script(const char *name)
{
	size_t len = strlen(name);

	return len > 6 && strcmp(name + len - 6, ".sieve") == 0;
}

/* Every script of a directory; one that fails does not stop the others. */
static bool compile_directory(struct tool *tool, const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool good = true;
	struct err err;

	if (dir == NULL)
		log_fatal(EXIT_FAILED, "opendir(%s): %s", path,
			  strerror(errno));
	while ((entry = readdir(dir)) != NULL) {
		char *file;

		if (!is_script(entry->d_name))
			continue;
		file = mem_printf(tool->ctx, "%s/%s", path, entry->d_name);
		if (compile(tool, file, NULL, false, &err) < 0) {
			log_error("%s", err.text);
			good = false;
		}
	}
	closedir(dir);
	return good;
}

int sievec(int argc, char **argv, tool_become *become)
{
	static struct tool tool; /* left to the end of the process */
	bool dump = false, good = true;
	struct stat st;
	struct err err;
	int option;

	tool.become = become;
	while ((option = getopt(argc, argv, TOOL_OPTIONS "d")) != -1) {
		if (option == 'd')
			dump = true;
		else if (!tool_option(&tool, option, optarg))
			usage();
	}
	if (argc - optind < 1 || argc - optind > 2)
		usage();
	/* This program has no more than the engine. */
	if (tool.user != NULL && become == NULL)
		tool_restart(&tool, "sievec", argv);
	tool_open(&tool, "sievec");
	if (stat(argv[optind], &st) == 0 && S_ISDIR(st.st_mode)) {
		if (argc - optind > 1 || dump)
			usage();
		good = compile_directory(&tool, argv[optind]);
	} else if (compile(&tool, argv[optind], argv[optind + 1], dump, &err) <
		   0) {
		log_fatal(EXIT_FAILED, "%s", err.text);
	}
	return good ? 0 : EXIT_FAILED;
}
