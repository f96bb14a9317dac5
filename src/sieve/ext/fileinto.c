/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/fileinto.c - fileinto (RFC 5228 section 4.1).
 */
#include "sieve/ext.h"

static int fileinto_run(struct sieve_run *run, const struct sieve_args *args,
			bool *, struct err *err)
{
	struct sieve_action action = {.kind = SIEVE_ACTION_FILEINTO};
	struct str name = args->params[0].text;

	/* Variables may be empty; nobody's mailbox has such a name. */
	if (name.len == 0)
		name = STR("INBOX");
	if (!sieve_mailbox_valid(name))
		return err_set(err, ERR_INVALID,
			       "fileinto: mailbox name is no UTF-8: '%.*s'",
			       (int)(name.len > 100 ? 100 : name.len),
			       name.data);
	action.store.mailbox = sieve_run_text(run, name);
	return sieve_run_action(run, args, &action, err);
}

static const struct sieve_command commands[] = {
	{.name = "fileinto",
	 .takes = "action",
	 .params = {{"folder", SIEVE_STRING, 0, sieve_check_mailbox}},
	 .run = fileinto_run},
	SIEVE_END,
};

const struct sieve_extension ext_fileinto = {.name = "fileinto",
					     .commands = commands};
