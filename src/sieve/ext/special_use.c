/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/special_use.c - specialuse_exists, :specialuse (RFC 8579).
 */
#include "sieve/ext.h"

/* "\Junk" (RFC 6154 section 6: an atom behind a backslash) */
static bool is_flag(struct str flag)
{
	bool right = flag.len > 1 && flag.data[0] == '\\';

	for (size_t i = 1; right && i < flag.len; i++)
		right = flag.data[i] > ' ' && flag.data[i] < 0x7f &&
			strchr("(){%*\"\\]", flag.data[i]) == NULL;
	return right;
}

static void flag_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	if (!is_flag(arg->text))
		sieve_error(check, arg->at,
			    "specified special-use flag '%.*s' is invalid",
			    STR_FMT(arg->text));
}

static int specialuse_exists_run(struct sieve_run *run,
				 const struct sieve_args *args,
				 bool *result_out, struct err *err)
{
	const struct sieve_host *host = run->host;
	const struct sieve_value *mailbox = &args->params[0];
	const struct sieve_value *flags = &args->params[1];
	const char *name = NULL;

	*result_out = host->special_use != NULL;
	if (mailbox->type != SIEVE_NONE) {
		*result_out &= sieve_mailbox_valid(mailbox->text);
		name = sieve_run_text(run, mailbox->text);
	}
	for (unsigned i = 0; *result_out && i < flags->count; i++) {
		*result_out = is_flag(flags->list[i]);
		if (*result_out &&
		    host->special_use(host->ctx, name,
				      sieve_run_text(run, flags->list[i]),
				      result_out, err) < 0)
			return -1;
	}
	return 0;
}

static int specialuse_apply(struct sieve_run *run,
			    const struct sieve_value *value,
			    struct sieve_action *action, struct err *err)
{
	if (!is_flag(value->text))
		return err_set(err, ERR_INVALID,
			       "specified special-use flag '%.200s' is invalid",
			       sieve_run_text(run, value->text));
	sieve_run_store(run, action)->special_use =
		sieve_run_text(run, value->text);
	return 0;
}

static const struct sieve_tag tags[] = {
	{.name = "specialuse",
	 .of = "fileinto @fcc",
	 .group = "mailbox",
	 .param = {"special-use flag", SIEVE_STRING, 0, flag_check},
	 .check = sieve_check_fcc,
	 .apply = specialuse_apply},
	SIEVE_END,
};

static const struct sieve_command commands[] = {
	{.name = "specialuse_exists",
	 .flags = SIEVE_IS_TEST,
	 .params = {{"mailbox name", SIEVE_STRING, SIEVE_OPTIONAL,
		     sieve_check_mailbox},
		    {"special-use flags", SIEVE_STRINGS, 0, flag_check}},
	 .run = specialuse_exists_run},
	SIEVE_END,
};

const struct sieve_extension ext_special_use = {
	.name = "special-use", .commands = commands, .tags = tags};
