/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/mailboxid.c - mailboxidexists, :mailboxid (RFC 9042).
 */
#include "sieve/ext.h"

/* RFC 8474 section 7: 1 to 255 of letters, digits, "_" and "-". */
static bool is_id(struct str id)
{
	bool right = id.len > 0 && id.len <= 255;

	for (size_t i = 0; right && i < id.len; i++) {
		char c = ascii_lower(id.data[i]);

		right = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			c == '_' || c == '-';
	}
	return right;
}

static void id_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	if (!is_id(arg->text))
		sieve_warning(check, arg->at,
			      "specified mailbox id '%.*s' is none",
			      STR_FMT(arg->text));
}

static int mailboxidexists_run(struct sieve_run *run,
			       const struct sieve_args *args, bool *result_out,
			       struct err *err)
{
	const struct sieve_host *host = run->host;
	const struct sieve_value *ids = &args->params[0];
	const char *name;

	*result_out = host->mailbox_by_id != NULL;
	for (unsigned i = 0; *result_out && i < ids->count; i++) {
		name = NULL;
		if (is_id(ids->list[i]) &&
		    host->mailbox_by_id(host->ctx, run->scratch,
					sieve_run_text(run, ids->list[i]),
					&name, err) < 0)
			return -1;
		*result_out = name != NULL;
	}
	return 0;
}

static int mailboxid_apply(struct sieve_run *run,
			   const struct sieve_value *value,
			   struct sieve_action *action, struct err *)
{
	if (is_id(value->text))
		sieve_run_store(run, action)->mailbox_id =
			sieve_run_text(run, value->text);
	return 0;
}

static const struct sieve_tag tags[] = {
	{.name = "mailboxid",
	 .of = "fileinto @fcc",
	 .group = "mailbox",
	 .param = {"mailbox id", SIEVE_STRING, 0, id_check},
	 .check = sieve_check_fcc,
	 .apply = mailboxid_apply},
	SIEVE_END,
};

static const struct sieve_command commands[] = {
	{.name = "mailboxidexists",
	 .flags = SIEVE_IS_TEST,
	 .params = {{"mailbox ids", SIEVE_STRINGS, 0, id_check}},
	 .run = mailboxidexists_run},
	SIEVE_END,
};

const struct sieve_extension ext_mailboxid = {
	.name = "mailboxid", .commands = commands, .tags = tags};
