/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/fcc.c - :fcc, a copy of what is sent (RFC 8580). The tags of
 * fileinto go with it: sieve_check_fcc().
 */
#include "sieve/ext.h"

static int fcc_apply(struct sieve_run *run, const struct sieve_value *value,
		     struct sieve_action *action, struct err *err)
{
	if (!sieve_mailbox_valid(value->text))
		return err_set(err, ERR_INVALID,
			       "specified :fcc mailbox name is invalid");
	sieve_run_store(run, action)->mailbox =
		sieve_run_text(run, value->text);
	return 0;
}

static const struct sieve_tag tags[] = {
	{.name = "fcc",
	 .of = "@fcc",
	 .param = {"mailbox name", SIEVE_STRING, 0, sieve_check_mailbox},
	 .apply = fcc_apply},
	SIEVE_END,
};

const struct sieve_extension ext_fcc = {.name = "fcc", .tags = tags};
