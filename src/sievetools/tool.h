/* SPDX-License-Identifier: MIT */
/*
 * sievetools/tool.h - what the Sieve programs have in common: options,
 * configuration, an engine, messages.
 */
#ifndef SIEVETOOLS_TOOL_H
#define SIEVETOOLS_TOOL_H
#include <stdbool.h>
#include <stdio.h>

#include "sieve/sieve.h"

struct config;
struct err;
struct user;

enum {
	EXIT_USAGE = 64,  /* as Dovecot's tools */
	EXIT_FAILED = 89, /* of log_fatal() */
	TOOL_MAX_OVERRIDES = 100,
};

struct tool;
/* owner.c: open the user whom -u names, as whom the process goes on, or who
 * runs it. Of those programs that can reach auth and mailboxes. */
typedef int tool_become(struct tool *tool, const char *name, struct err *err);
tool_become tool_open_user;

struct tool {
	void *ctx;
	tool_become *become; /* NULL: the program has no more than the engine */
	struct user *owner;  /* whom it opened; NULL: none, or no config */
	const char *home;    /* whose scripts are looked for; NULL: none */
	/* A setting of plugin {} as the owner has it; NULL if there is none. */
	const char *(*setting)(const struct tool *tool, const char *name);
	struct config *config; /* NULL: there is none, presets hold */
	struct sieve_engine *engine;
	struct sieve_log log; /* to stderr */
	/* Of the command line. */
	const char *config_path, *user, *extensions;
	const char *overrides[TOOL_MAX_OVERRIDES];
	unsigned override_count;
	bool debug;
};

/* The options that all have, for getopt(). */
#define TOOL_OPTIONS "c:o:P:u:x:D"
/* One of them; false if `option` is none. Ends the process if it is wrong. */
bool tool_option(struct tool *tool, int option, const char *value);
/* Errors of scripts go to stderr. */
void tool_log(struct tool *tool);
/* After the options; ends the process with a message if it can't be done.
 * tool->ctx is to be freed at the end. Where there is a configuration, it
 * becomes the user first. */
void tool_open(struct tool *tool, const char *name);
/* Go on as the program that can do all that `name`, which is sievec or
 * sieve-test, may be asked for; argv is of main(). */
_Noreturn void tool_restart(const struct tool *tool, const char *name,
			    char **argv);
/* What -o and -x say of a setting; NULL if nothing. */
const char *tool_override(const struct tool *tool, const char *name);
/* The script, from its binary if that is current and `compile` does not forbid
 * it; ends the process on errors. */
struct sieve_program *tool_script(struct tool *tool, const char *path,
				  bool compile);
/* A file ("-": standard input) as text, child of tool->ctx; ends the process
 * on errors. */
struct str tool_read(struct tool *tool, const char *path);
/* Write to a file ("-": standard output); ends the process on errors. */
void tool_write(const char *path, struct str text);
/* The envelope that a message's header tells of; texts are children of ctx. */
void tool_envelope(const void *ctx, struct sieve_message *message,
		   const char *auth, struct sieve_envelope *out);
/* Who runs it. */
const char *tool_login(const void *ctx);
/* print.c: what was decided, as Dovecot's sieve-test tells it; what is kept
 * goes into `mailbox`. */
void tool_print(FILE *out, const struct sieve_result *result,
		const char *mailbox);

#endif
