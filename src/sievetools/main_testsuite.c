/* SPDX-License-Identifier: MIT */
/*
 * sieve-testsuite: runs a test case, FILE.svtest; tests/sieve/run runs
 * them all.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sievetools/suite.h"
#include "sievetools/tool.h"

static _Noreturn void usage(void)
{
	fputs("Usage: sieve-testsuite [-F] [-E] [-W <work-dir>] "
	      "<file.svtest>\n",
	      stderr);
	exit(EXIT_USAGE);
}

static void enter(const char *dir)
{
	if ((mkdir(dir, 0700) < 0 && errno != EEXIST) ||
	    access(dir, W_OK) < 0) {
		perror(dir);
		exit(EXIT_FAILED);
	}
}

static int report(const struct suite *suite, bool failing)
{
	unsigned tests = suite->tests;
	bool good = failing ? suite->failures >= tests : suite->failures == 0;

	putchar('\n');
	if (failing && good)
		printf("PASS: %u tests failed (expected to fail).\n",
		       tests == 0 ? 1 : tests);
	else if (failing)
		printf("FAIL: Only %u of %u tests failed (all expected to "
		       "fail).\n",
		       suite->failures, tests);
	else if (good)
		printf("PASS: %u tests succeeded.\n", tests);
	else
		printf("FAIL: %u of %u tests failed.\n", suite->failures,
		       tests);
	putchar('\n');
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct suite suite = {0};
	bool failing = false;
	int option, status;

	while ((option = getopt(argc, argv, "EFW:")) != -1) {
		if (option == 'E')
			suite.echo = true;
		else if (option == 'F')
			failing = true;
		else if (option == 'W')
			enter(optarg);
		else
			usage();
	}
	if (argc - optind != 1)
		usage();
	printf("Test case: %s:\n\n", argv[optind]);
	suite.ctx = mem_ctx(NULL, "suite");
	suite_open(&suite, argv[optind]);
	suite_run(&suite);
	status = report(&suite, failing);
	mem_free(suite.ctx);
	return status;
}
