/* SPDX-License-Identifier: MIT */
/*
 * A script and a message to a line that tells what became of it: for tests.
 */
#ifndef TESTS_UNIT_SIEVE_SCRIPT_H
#define TESTS_UNIT_SIEVE_SCRIPT_H

struct sieve_engine;

/* An engine with settings "name=value", up to NULL; may be NULL. */
struct sieve_engine *test_engine(const void *ctx, const char *const *settings);
/* "fileinto a [\\Seen]; keep", or all errors, each on a line. Child of ctx. */
const char *test_run(const void *ctx, struct sieve_engine *engine,
		     const char *script, const char *message);

#endif
