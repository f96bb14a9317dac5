/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/mailbox.c - mailboxexists, :create (RFC 5490 section 3).
 */
#include "sieve/ext.h"

static int mailboxexists_run(struct sieve_run *run,
			     const struct sieve_args *args, bool *result_out,
			     struct err *err)
{
	const struct sieve_host *host = run->host;
	const struct sieve_value *names = &args->params[0];

	*result_out = host->mailbox_exists != NULL;
	for (unsigned i = 0; *result_out && i < names->count; i++) {
		*result_out = sieve_mailbox_valid(names->list[i]);
		if (*result_out &&
		    host->mailbox_exists(host->ctx,
					 sieve_run_text(run, names->list[i]),
					 result_out, err) < 0)
			return -1;
	}
	return 0;
}

static int create_apply(struct sieve_run *run, const struct sieve_value *,
			struct sieve_action *action, struct err *)
{
	sieve_run_store(run, action)->create = true;
	return 0;
}

static const struct sieve_tag tags[] = {
	{.name = "create",
	 .of = "fileinto @fcc",
	 .check = sieve_check_fcc,
	 .apply = create_apply},
	SIEVE_END,
};

static const struct sieve_command commands[] = {
	{.name = "mailboxexists",
	 .flags = SIEVE_IS_TEST,
	 .params = {{"mailbox names", SIEVE_STRINGS, 0, sieve_check_mailbox}},
	 .run = mailboxexists_run},
	SIEVE_END,
};

const struct sieve_extension ext_mailbox = {
	.name = "mailbox", .commands = commands, .tags = tags};
