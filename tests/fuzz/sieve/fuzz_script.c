/* SPDX-License-Identifier: MIT */
/* A script: it compiles or not, and what compiles can be run, and is the same
 * when it is loaded again. Behind a '!' all extensions are there without
 * require, which a fuzzer is slow to find. */
#include "sieve_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "fuzz");
	bool implicit = size > 0 && data[0] == '!';
	struct sieve_engine *engine = fuzz_engine(ctx, NULL);
	struct sieve_source source = {.name = "fuzz",
				      .text = str_n(data, size)};
	struct sieve_program *program, *again;
	struct sieve_log log = {0};
	struct err err;

	if (implicit) {
		source.text = str_from(source.text, 1);
		engine = fuzz_engine(
			ctx, sieve_engine_capability(ctx, engine, true));
	}
	if (sieve_compile(ctx, engine, &source, &log, &program, &err) < 0)
		return 0;
	if (sieve_program_load(ctx, engine, sieve_program_bytes(program),
			       &again, &err) < 0)
		abort();
	fuzz_run(ctx, engine, again);
	return 0;
}
