/* SPDX-License-Identifier: MIT */
/*
 * sieve/script.h - from text to a program, to a file and back, and running it.
 */
#ifndef SIEVE_SCRIPT_H
#define SIEVE_SCRIPT_H
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct buf;
struct err;
struct sieve_engine;
struct sieve_envelope;
struct sieve_host;
struct sieve_log;
struct sieve_message;
struct sieve_program;
struct sieve_result;
struct sieve_source;

/* Compile. All errors and warnings go to the log; -1 with ERR_INVALID if there
 * was any error. *out is a child of ctx. */
int sieve_compile(const void *ctx, struct sieve_engine *engine,
		  const struct sieve_source *source,
		  const struct sieve_log *log, struct sieve_program **out,
		  struct err *err);
/* The program's bytes, which sieve_program_load() takes: portable, little
 * endian (code.h). Nothing in them is trusted. ERR_CORRUPT: not a program, of
 * another version, of other extensions. */
struct str sieve_program_bytes(const struct sieve_program *program);
int sieve_program_load(const void *ctx, struct sieve_engine *engine,
		       struct str bytes, struct sieve_program **out,
		       struct err *err);
/* Whether the scripts that it was compiled from are unchanged; but for its own,
 * if that is no file (struct sieve_source). */
bool sieve_program_current(const struct sieve_program *program);
/* Whether it has a use for that extension. */
bool sieve_program_uses(const struct sieve_program *program,
			const char *extension);
/* The path of its own script's source; "" if it has none. */
const char *sieve_program_origin(const struct sieve_program *program);
/* Whether it can run as a global script, or as a user's: sievec compiles all as
 * global ones, which is the same for scripts without what only those may. */
bool sieve_program_fits(const struct sieve_program *program, bool global);
/* Beside the script: "x.sieve" has "x.svbin". Child of ctx. */
char *sieve_binary_path(const void *ctx, const char *path);
int sieve_program_save(const struct sieve_program *program, const char *path,
		       struct err *err);
/* Save it if that can be done, in place of an older one of the same script: the
 * CPU time that runs of that took counts on. */
void sieve_program_keep(struct sieve_program *program, const char *path);
int sieve_program_open(const void *ctx, struct sieve_engine *engine,
		       const char *path, struct sieve_program **out,
		       struct err *err);
/* A script's file as a source; texts are children of ctx. out->path is set in
 * any case. */
int sieve_source_read(const void *ctx, struct sieve_engine *engine,
		      const char *path, struct sieve_source *out,
		      struct err *err);
/* What usually is wanted: the program saved beside the script, or in the
 * directory bindir if that is not NULL, if it is current, else the script
 * compiled, and saved if that can be done. */
int sieve_script_open(const void *ctx, struct sieve_engine *engine,
		      const char *path, const char *bindir, bool global,
		      const struct sieve_log *log, struct sieve_program **out,
		      struct err *err);
/* For people: what it does, or its octets. */
void sieve_program_dump(const struct sieve_program *program, struct buf *out);
void sieve_program_hexdump(const struct sieve_program *program,
			   struct buf *out);

/* Run it: actions are added to the result. -1 if the script failed: what it
 * added is gone then, and the error has been written to host->log with its
 * place; it is not to be logged again. */
int sieve_program_run(struct sieve_program *program,
		      struct sieve_message *message,
		      const struct sieve_envelope *envelope,
		      const struct sieve_host *host,
		      struct sieve_result *result, struct err *err);

#endif
