/* SPDX-License-Identifier: MIT */
/*
 * sieve/machine.h - the machine's own state. Only for sieve/.
 */
#ifndef SIEVE_MACHINE_H
#define SIEVE_MACHINE_H
#include "sieve/program.h"

struct sieve_variable {
	char *data; /* NULL: empty */
	size_t len, cap;
};

/* A unit at work. */
struct sieve_frame {
	const struct sieve_unit *unit;
	struct sieve_code code;
	const unsigned char *start;
	struct sieve_variable *variables;
	/* Its own, as all variables are (RFC 6609 section 3.4). */
	struct sieve_variable matches[SIEVE_MAX_MATCHES];
	unsigned match_count;
	struct sieve_frame *up;
};

struct sieve_machine {
	const void *ctx;
	const struct sieve_settings *set;
	struct sieve_frame *frame;
	unsigned depth;
	bool flag; /* of the last test */
	uint64_t operations, next_clock, cpu_end_us;
	uint64_t memory; /* of variables */
	void *states[SIEVE_MAX_EXTENSIONS];
	uint64_t now_us;
};

/* operand.c: the next operand; ERR_CORRUPT if it is not what `param` wants. */
int sieve_operand_get(struct sieve_run *run, struct sieve_code *code,
		      const struct sieve_param *param, struct sieve_value *out,
		      struct err *err);
int sieve_corrupt(struct err *err, const char *what);

#endif
