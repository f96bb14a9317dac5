/* SPDX-License-Identifier: MIT */
/*
 * service/program.h - run a program, or a script behind a socket (`service x {
 * executable = script ... }`), with input, for a bounded time and output.
 *
 * Both wait for the outcome. A program is run without a shell, as the effective
 * user for good, in a process group of its own, with nothing of this process
 * but its standard descriptors.
 */
#ifndef SERVICE_PROGRAM_H
#define SERVICE_PROGRAM_H
#include <stdbool.h>

#include "base/duration.h"
#include "base/str.h"

struct buf;
struct err;

struct program {
	const char *path;               /* absolute: program or socket */
	const char *const *args;        /* behind its name, up to NULL */
	const char *const *environment; /* "NAME=value", up to NULL */
	const char *dir;                /* to start in; NULL: this one */
	struct str input;
	/* Descriptors to be standard input and output in place of `input` and
	 * a buffer; 0: none. */
	int input_fd, output_fd;
	struct duration timeout; /* 0: none */
	bool no_reply; /* of a script: the outcome is not waited for */
};

/* Returns 0 with its exit status. ERR_TEMPORARY: a signal ended it. Standard
 * output is added to `output`, up to output->max (NULL: to nowhere);
 * lines of standard error are logged. ERR_TIMEOUT: it was killed, with its
 * whole process group. ERR_LIMIT: too much output. ERR_CLOSED: it did not read
 * all its input. */
int program_run(const struct program *program, struct buf *output,
		int *status_out, struct err *err);
/* The same by the script protocol, version 4.0: status 0 or 1. */
int program_script(const struct program *program, struct buf *output,
		   int *status_out, struct err *err);

/* The other end: what a client of that protocol asks for. */
struct script_request {
	const char *const *args;        /* up to NULL */
	const char *const *environment; /* up to NULL */
	unsigned alarm;                 /* seconds; 0: none */
	bool no_reply;
	size_t len; /* octets of the request; the rest is input */
};
enum script_parse { SCRIPT_MORE, SCRIPT_READY, SCRIPT_BAD };
/* Parse what has come so far. Children of ctx. SCRIPT_BAD sets *problem_out. */
enum script_parse script_request_parse(const void *ctx, struct str in,
				       struct script_request *out,
				       const char **problem_out);

#endif
