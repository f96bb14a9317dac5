/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/report.c - report, an abuse report (vnd.dovecot.report, RFC 5965).
 */
#include "sieve/ext.h"

/* A token of RFC 2045 section 5.1. */
static bool is_type(struct str type)
{
	bool right = type.len > 0;

	for (size_t i = 0; right && i < type.len; i++)
		right = type.data[i] > ' ' && type.data[i] < 0x7f &&
			strchr("()<>@,;:\\\"/[]?=", type.data[i]) == NULL;
	return right;
}

static void type_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	if (!is_type(arg->text))
		sieve_error(check, arg->at,
			    "specified feedback type '%.*s' is invalid",
			    STR_FMT(arg->text));
}

static int report_run(struct sieve_run *run, const struct sieve_args *args,
		      bool *, struct err *err)
{
	struct sieve_action action = {
		.kind = SIEVE_ACTION_REPORT,
		.report = {
			.type = sieve_run_text(run, args->params[0].text),
			.message = sieve_run_text(run, args->params[1].text),
			.address = sieve_run_text(run, args->params[2].text),
			.headers_only =
				sieve_args_tag(args, "headers_only") != NULL,
		}};

	if (!is_type(args->params[0].text))
		return err_set(err, ERR_INVALID,
			       "specified feedback type '%.200s' is invalid",
			       action.report.type);
	return sieve_run_action(run, args, &action, err);
}

static const struct sieve_tag tags[] = {{.name = "headers_only"}, SIEVE_END};

static const struct sieve_command commands[] = {
	{.name = "report",
	 .tags = tags,
	 .params = {{"feedback type", SIEVE_STRING, 0, type_check},
		    {"message", SIEVE_STRING, 0, NULL},
		    {"address", SIEVE_STRING, 0, sieve_check_address}},
	 .run = report_run},
	SIEVE_END,
};

const struct sieve_extension ext_vnd_dovecot_report = {
	.name = "vnd.dovecot.report",
	.flags = SIEVE_EXT_OFF,
	.commands = commands};
