/* SPDX-License-Identifier: MIT */
/*
 * managesieve/gen_extensions.c - at build time: what the engine can do unless
 * settings say otherwise, for managesieve/extensions.h. Login has no engine.
 */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "sieve/engine.h"

int main(void)
{
	static const struct sieve_engine_options options = {.setting = NULL};
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "extensions");
	struct sieve_engine *engine = sieve_engine_new(ctx, &options);

	printf("#define DEFAULT_EXTENSIONS \"%s\"\n",
	       sieve_engine_capability(ctx, engine, false));
	return 0;
}
