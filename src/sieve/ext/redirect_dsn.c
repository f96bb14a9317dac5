/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/redirect_dsn.c - :notify, :ret, :bytimerelative, :bytimeabsolute,
 * :bymode, :bytrace of redirect (RFC 6009 sections 4, 5).
 */
#include "sieve/ext.h"

static void ret_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	if (!str_case_is(arg->text, "FULL") && !str_case_is(arg->text, "HDRS"))
		sieve_error(check, arg->at,
			    "specified :ret '%.*s' is invalid: expected FULL "
			    "or HDRS",
			    STR_FMT(arg->text));
}

/* RFC 3461 section 4.1: NEVER alone, or some of the others. */
static bool is_notify(struct str list)
{
	struct str part;
	unsigned count = 0;
	bool never = false;

	while (str_split(&list, ',', &part)) {
		count++;
		if (str_case_is(part, "NEVER"))
			never = true;
		else if (!str_case_is(part, "SUCCESS") &&
			 !str_case_is(part, "FAILURE") &&
			 !str_case_is(part, "DELAY"))
			return false;
	}
	return count > 0 && (!never || count == 1);
}

static void notify_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	if (!is_notify(arg->text))
		sieve_error(check, arg->at,
			    "specified :notify '%.*s' is invalid: expected "
			    "NEVER, or SUCCESS,FAILURE,DELAY",
			    STR_FMT(arg->text));
}

static int notify_apply(struct sieve_run *run, const struct sieve_value *value,
			struct sieve_action *action, struct err *err)
{
	if (!is_notify(value->text))
		return err_set(err, ERR_INVALID,
			       "specified :notify is invalid");
	action->redirect.notify = sieve_run_text(run, value->text);
	return 0;
}

static int ret_apply(struct sieve_run *run, const struct sieve_value *value,
		     struct sieve_action *action, struct err *err)
{
	if (!str_case_is(value->text, "FULL") &&
	    !str_case_is(value->text, "HDRS"))
		return err_set(err, ERR_INVALID, "specified :ret is invalid");
	action->redirect.ret = sieve_run_text(run, value->text);
	return 0;
}

static const struct sieve_tag dsn_tags[] = {
	{.name = "notify",
	 .of = "redirect",
	 .param = {"conditions", SIEVE_STRING, 0, notify_check},
	 .apply = notify_apply},
	{.name = "ret",
	 .of = "redirect",
	 .param = {"what to return", SIEVE_STRING, 0, ret_check},
	 .apply = ret_apply},
	SIEVE_END,
};

const struct sieve_extension ext_redirect_dsn = {
	.name = "redirect-dsn", .flags = SIEVE_EXT_OFF, .tags = dsn_tags};
