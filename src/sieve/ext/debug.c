/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/debug.c - debug_log (vnd.dovecot.debug).
 */
#include "sieve/ext.h"

static int debug_log_run(struct sieve_run *run, const struct sieve_args *args,
			 bool *, struct err *)
{
	sieve_run_log(run, LOG_LEVEL_INFO, "DEBUG: %s",
		      sieve_run_text(run, args->params[0].text));
	return 0;
}

static const struct sieve_command commands[] = {
	{.name = "debug_log",
	 .params = {{"message", SIEVE_STRING, 0, NULL}},
	 .run = debug_log_run},
	SIEVE_END,
};

const struct sieve_extension ext_vnd_dovecot_debug = {
	.name = "vnd.dovecot.debug",
	.flags = SIEVE_EXT_OFF,
	.commands = commands};
