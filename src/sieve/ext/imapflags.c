/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/imapflags.c - imapflags, for old scripts: the draft that became
 * imap4flags (draft-melnikov-sieve-imapflags-03).
 */
#include "sieve/ext/imap4flags.h"

#include "sieve/ext.h"

/* As if \Flagged stood behind addflag or removeflag. */
static struct sieve_args with_flagged(void)
{
	static const struct str flagged = {"\\Flagged", 8};

	return (struct sieve_args){
		.params = {
			{.type = SIEVE_NONE},
			{.type = SIEVE_STRINGS, .list = &flagged, .count = 1}}};
}

static int mark_run(struct sieve_run *run, const struct sieve_args *,
		    bool *result_out, struct err *err)
{
	struct sieve_args args = with_flagged();

	return sieve_addflag_run(run, &args, result_out, err);
}

static int unmark_run(struct sieve_run *run, const struct sieve_args *,
		      bool *result_out, struct err *err)
{
	struct sieve_args args = with_flagged();

	return sieve_removeflag_run(run, &args, result_out, err);
}

static const struct sieve_command commands[] = {
	SIEVE_FLAGS_COMMANDS,
	{.name = "mark", .run = mark_run},
	{.name = "unmark", .run = unmark_run},
	SIEVE_END,
};

const struct sieve_extension ext_imapflags = {.name = "imapflags",
					      .flags = SIEVE_EXT_OFF,
					      .excludes = "imap4flags",
					      .commands = commands};
