/* SPDX-License-Identifier: MIT */
/*
 * sieve/program.h - a program as loaded. Only for sieve/.
 */
#ifndef SIEVE_PROGRAM_H
#define SIEVE_PROGRAM_H
#include "sieve/code.h"
#include "sieve/ext.h"

/* The size of a script that could be included, were it there. */
#define SIEVE_NOT_THERE UINT64_MAX

/* In a file a path that `include` has led to stands behind "personal NAME" or
 * "global NAME"; names have no slash. */
struct sieve_dependency {
	const char *path;
	const char *location; /* NULL: the script itself */
	struct str name;
	uint64_t size, mtime_us;
};

struct sieve_unit {
	const char *name;
	struct str code;
	unsigned variables;
	struct str variable_names; /* with a blank behind each */
};

/* usage.c */
enum { SIEVE_USAGE_SIZE = 24 };
struct sieve_usage {
	uint64_t cpu_ms, last_ms; /* when it was added to */
};

struct sieve_program {
	struct sieve_engine *engine;
	struct str bytes;
	const struct sieve_extension **extensions;
	const struct sieve_command **commands;
	const struct sieve_tag **tags;
	struct str *texts;
	struct sieve_dependency *sources;
	struct sieve_unit *units;
	/* Of a command and a tag, whether the one takes the other: 1 or 2 (it
	 * does not); 0: not known yet. */
	unsigned char *takes;
	unsigned extension_count, command_count, tag_count, text_count;
	unsigned source_count, unit_count;
	bool variables; /* the extension is in use: matches are wanted */
	bool global;    /* compiled as a global script */
	/* Just now: a global script in it has what only those may have. A file
	 * that users could have written is not believed that. */
	bool compiled;
	const char *binary; /* where it is saved; NULL: nowhere */
	struct sieve_usage usage;
};

/* Whether the command of that number takes the tag of that number. */
bool sieve_program_takes(const struct sieve_program *program, uint64_t command,
			 uint64_t tag);
/* sieve_program_load(), not copied; with `usage`, that may stand behind it. */
int sieve_program_take(const void *ctx, struct sieve_engine *engine,
		       struct buf *bytes, bool usage,
		       struct sieve_program **out, struct err *err);
/* A file's bytes without it. */
struct str sieve_usage_cut(struct str bytes, struct sieve_usage *out);
void sieve_usage_write(const struct sieve_usage *usage,
		       char out[SIEVE_USAGE_SIZE]);
/* Of the program that was there before: a new text does not reset it. */
void sieve_usage_inherit(struct sieve_program *program, const char *binary);
/* A run took that much: add it to what is saved, if it is worth it. */
void sieve_usage_add(struct sieve_program *program, uint64_t cpu_ms);
/* Whether it may not run (sieve_resource_usage_timeout). */
bool sieve_usage_excessive(const struct sieve_program *program);

#endif
