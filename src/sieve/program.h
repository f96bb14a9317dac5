/* SPDX-License-Identifier: MIT */
/*
 * sieve/program.h - a program as loaded. Only for sieve/.
 */
#ifndef SIEVE_PROGRAM_H
#define SIEVE_PROGRAM_H
#include "sieve/code.h"
#include "sieve/ext.h"

struct sieve_dependency {
	const char *path;
	uint64_t size, mtime_us;
};

struct sieve_unit {
	const char *name;
	struct str code;
	unsigned variables;
	struct str variable_names; /* with a blank behind each */
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
	unsigned extension_count, command_count, tag_count, text_count;
	unsigned source_count, unit_count;
	bool variables; /* the extension is in use: matches are wanted */
	bool global;    /* compiled as a global script */
};

#endif
