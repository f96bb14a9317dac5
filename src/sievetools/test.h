/* SPDX-License-Identifier: MIT */
/*
 * sievetools/test.h - sieve-test. With -e, -l and -u, and where scripts run
 * programs, it is sieve-tool that runs: scripts know of mailboxes, and what
 * they decide is done (-e). Mails that they send are printed.
 */
#ifndef SIEVETOOLS_TEST_H
#define SIEVETOOLS_TEST_H
#include "sievetools/tool.h"

struct execution {
	struct str mail;
	const struct sieve_envelope *envelope;
	const struct sieve_trace *trace;
	const char *location; /* of -l; NULL: nothing is stored */
	const char *mailbox;
	bool simulate;            /* print what would be done */
	const char *const *paths; /* of the scripts, up to NULL */
	struct sieve_program *const *programs;
};

/* Returns whether all went well; ends the process if it can't begin. */
typedef bool tool_execute(struct tool *tool, const struct execution *execution);
/* The whole program. Without the last two, it goes on as sieve-tool where it
 * needs to. */
int sieve_test(int argc, char **argv, tool_become *become,
	       tool_execute *execute);

#endif
