/* SPDX-License-Identifier: MIT */
/* Bytecode that anybody may have written: behind a right head, so that what
 * reads it is reached. */
#include "sieve_run.h"

#include "sieve/code.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_le(char *out, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		out[i] = (char)(value >> 8 * i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "fuzz");
	struct sieve_engine *engine = fuzz_engine(ctx, NULL);
	char *bytes = mem_array(ctx, char, SIEVE_HEAD_SIZE + size);
	struct sieve_program *program;
	struct err err;

	memcpy(bytes, SIEVE_MAGIC, 8);
	put_le(bytes + 8, SIEVE_CODE_VERSION, 4);
	put_le(bytes + 12, sieve_checksum(str_n(data, size)), 8);
	if (size > 0)
		memcpy(bytes + SIEVE_HEAD_SIZE, data, size);
	if (sieve_program_load(ctx, engine,
			       str_n(bytes, SIEVE_HEAD_SIZE + size), &program,
			       &err) == 0)
		fuzz_run(ctx, engine, program);
	return 0;
}
