/* SPDX-License-Identifier: MIT */
/*
 * tests/crash/fault.h - one fault in a child process of a test: it ends before
 * a call that changes the disk, or that call fails, or all do from then on.
 */
#ifndef TESTS_CRASH_FAULT_H
#define TESTS_CRASH_FAULT_H
#include <stdbool.h>
#include <stddef.h>

enum { FAULT_KILLED = 9 }; /* how the process ends */

struct fault {
	unsigned *calls; /* how many there were; shared with the child */
	unsigned at;     /* which one, from 1; 0: none */
	int error;       /* 0: the process ends there */
	bool stays;      /* but on a full disk files can be removed */
};

/* From now on, in the child. `fault` must live on. */
void fault_begin(struct fault *fault);
/* "call 3, Input/output error" */
void fault_describe(const struct fault *fault, char *out, size_t size);

#endif
