/* SPDX-License-Identifier: MIT */
#include "fault.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "calls.h"

static int before(void *ctx, const char *call, const char *path)
{
	struct fault *fault = ctx;
	unsigned number = ++*fault->calls;

	(void)path;
	if (fault->at == 0 || number < fault->at ||
	    (number > fault->at && !fault->stays))
		return 0;
	if (fault->error == 0)
		_exit(FAULT_KILLED);
	return fault->stays && strcmp(call, "unlink") == 0 ? 0 : fault->error;
}

static const struct calls calls = {.before = before};

void fault_begin(struct fault *fault)
{
	calls_watch(&calls, fault);
}

void fault_describe(const struct fault *fault, char *out, size_t size)
{
	snprintf(out, size, "call %u, %s%s", fault->at,
		 fault->error == 0 ? "killed" : strerror(fault->error),
		 fault->stays ? " from then on" : "");
}
