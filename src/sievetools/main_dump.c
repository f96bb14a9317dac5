/* SPDX-License-Identifier: MIT */
/*
 * sieve-dump: shows a compiled Sieve script (doc/man/sieve-dump.1).
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "sievetools/tool.h"

static _Noreturn void usage(void)
{
	fputs("Usage: sieve-dump [-D] [-h] [-c <config-file>] "
	      "[-o <setting=value>] [-P <plugin>]\n\t[-x <extensions>] "
	      "<sieve-binary> [<out-file>]\n",
	      stderr);
	exit(EXIT_USAGE);
}

int main(int argc, char **argv)
{
	struct tool tool = {0};
	CLEANUP(buf_free) struct buf text = buf_init(INT32_MAX);
	struct sieve_program *program;
	bool hex = false;
	struct err err;
	int option;

	while ((option = getopt(argc, argv, TOOL_OPTIONS "h")) != -1) {
		if (option == 'h')
			hex = true;
		else if (!tool_option(&tool, option, optarg))
			usage();
	}
	if (argc - optind < 1 || argc - optind > 2)
		usage();
	tool_open(&tool, "sieve-dump");
	if (sieve_program_open(tool.ctx, tool.engine, argv[optind], &program,
			       &err) < 0)
		log_fatal(EXIT_FAILED, "%s", err.text);
	if (hex)
		sieve_program_hexdump(program, &text);
	else
		sieve_program_dump(program, &text);
	tool_write(argv[optind + 1] == NULL ? "-" : argv[optind + 1],
		   str_n(text.data, text.len));
	mem_free(tool.ctx);
	return 0;
}
