/* SPDX-License-Identifier: MIT */
/*
 * sieve/emit.h - code, as control structures of extensions write it.
 *
 * A test leaves its result in the machine's flag; jumps look at that.
 */
#ifndef SIEVE_EMIT_H
#define SIEVE_EMIT_H
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct sieve_emit;
struct sieve_node;

enum sieve_op {
	SIEVE_OP_END, /* of a unit */
	SIEVE_OP_STOP,
	SIEVE_OP_JUMP,
	SIEVE_OP_JUMP_FALSE,
	SIEVE_OP_JUMP_TRUE,
	SIEVE_OP_NOT,
	SIEVE_OP_TRUE,
	SIEVE_OP_FALSE,
	SIEVE_OP_CALL, /* a command's `run`; its operands follow */
	SIEVE_OP_COUNT,
};

void sieve_emit_op(struct sieve_emit *emit, enum sieve_op op);
/* A jump forward; give what is returned to sieve_emit_land(). */
size_t sieve_emit_jump(struct sieve_emit *emit, enum sieve_op op);
void sieve_emit_land(struct sieve_emit *emit, size_t jump);
/* Where code is now, and a jump back to there. */
size_t sieve_emit_here(struct sieve_emit *emit);
void sieve_emit_jump_back(struct sieve_emit *emit, enum sieve_op op, size_t to);
/* The one instruction that calls node->command->run, whatever `emit` does. */
void sieve_emit_call(struct sieve_emit *emit, const struct sieve_node *node);
/* A test, whose result is in the flag then. */
void sieve_emit_test(struct sieve_emit *emit, const struct sieve_node *test);
void sieve_emit_block(struct sieve_emit *emit, const struct sieve_node *block);
/* The script is compiled, too, as another unit of this program, once for all
 * that name it (RFC 6609). Returns the unit's number, or -1: there were errors,
 * or it is not there; an error has been reported then, unless the script is
 * `optional` and not there. */
int sieve_emit_include(struct sieve_emit *emit, const struct sieve_node *node,
		       const char *location, struct str name, bool optional,
		       bool once);
struct sieve_check *sieve_emit_check(struct sieve_emit *emit);

#endif
