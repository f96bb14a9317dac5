/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/imap4flags.h - commands on flags, which imap4flags and the older
 * imapflags have in common.
 */
#ifndef SIEVE_EXT_IMAP4FLAGS_H
#define SIEVE_EXT_IMAP4FLAGS_H
#include <stdbool.h>

struct err;
struct sieve_arg;
struct sieve_args;
struct sieve_check;
struct sieve_run;

/* For sieve_param.check: warn of flags that are none. */
void sieve_flags_check(struct sieve_check *check, const struct sieve_arg *arg);
/* For sieve_command.run: params[0] may name a variable, params[1] are flags. */
int sieve_setflag_run(struct sieve_run *run, const struct sieve_args *args,
		      bool *result_out, struct err *err);
int sieve_addflag_run(struct sieve_run *run, const struct sieve_args *args,
		      bool *result_out, struct err *err);
int sieve_removeflag_run(struct sieve_run *run, const struct sieve_args *args,
			 bool *result_out, struct err *err);

#define SIEVE_FLAGS_COMMAND(command, fn)                                       \
	{                                                                      \
		.name = command,                                               \
		.params = {{"variable name", SIEVE_STRING,                     \
			    SIEVE_OPTIONAL | SIEVE_VARIABLE, NULL},            \
			   {"list of flags", SIEVE_STRINGS, 0,                 \
			    sieve_flags_check}},                               \
		.run = fn                                                      \
	}
/* Rows of `commands`. */
#define SIEVE_FLAGS_COMMANDS                                                   \
	SIEVE_FLAGS_COMMAND("setflag", sieve_setflag_run),                     \
		SIEVE_FLAGS_COMMAND("addflag", sieve_addflag_run),             \
		SIEVE_FLAGS_COMMAND("removeflag", sieve_removeflag_run)

#endif
