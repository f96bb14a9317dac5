/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/reject.c - reject, ereject (RFC 5429).
 */
#include "sieve/ext.h"

static int add(struct sieve_run *run, const struct sieve_args *args,
	       bool refuse, struct err *err)
{
	struct sieve_action action = {
		.kind = SIEVE_ACTION_REJECT,
		.reject = {
			.reason = sieve_run_text(run, args->params[0].text),
			.refuse = refuse,
		}};

	return sieve_run_action(run, args, &action, err);
}

static int reject_run(struct sieve_run *run, const struct sieve_args *args,
		      bool *, struct err *err)
{
	return add(run, args, false, err);
}

static int ereject_run(struct sieve_run *run, const struct sieve_args *args,
		       bool *, struct err *err)
{
	return add(run, args, true, err);
}

static const struct sieve_command reject_commands[] = {
	{.name = "reject",
	 .params = {{"reason", SIEVE_STRING, 0, NULL}},
	 .run = reject_run},
	SIEVE_END,
};

static const struct sieve_command ereject_commands[] = {
	{.name = "ereject",
	 .params = {{"reason", SIEVE_STRING, 0, NULL}},
	 .run = ereject_run},
	SIEVE_END,
};

const struct sieve_extension ext_reject = {.name = "reject",
					   .flags = SIEVE_EXT_ENVELOPE,
					   .commands = reject_commands};
const struct sieve_extension ext_ereject = {.name = "ereject",
					    .flags = SIEVE_EXT_ENVELOPE,
					    .commands = ereject_commands};
