/* SPDX-License-Identifier: MIT */
/*
 * sievetools/execute.h - sieve-test -e: what scripts decide is done. Mails that
 * they send are printed.
 */
#ifndef SIEVETOOLS_EXECUTE_H
#define SIEVETOOLS_EXECUTE_H
#include "sievetools/tool.h"

struct lda_script;

struct execution {
	struct str mail;
	const struct sieve_envelope *envelope;
	const struct sieve_trace *trace;
	const char *location; /* of -l; NULL: nothing is stored */
	const char *mailbox;
	struct lda_script *scripts;
};

/* Returns whether all went well; ends the process if it can't begin. */
bool tool_execute(struct tool *tool, const struct execution *execution);

#endif
