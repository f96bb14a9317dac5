/* SPDX-License-Identifier: MIT */
/*
 * doveadm/main.c - global options, and which command it is.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "storage/settle.h"

enum { OVERRIDES_MAX = 100, OPTIONS_MAX = 64 };

static int add_override(struct doveadm *adm, const char *assignment)
{
	if (adm->override_count == OVERRIDES_MAX)
		return give_up("More than %d -o options", OVERRIDES_MAX);
	adm->overrides = mem_resize(adm->ctx, adm->overrides, const char *,
				    adm->override_count + 1);
	adm->overrides[adm->override_count++] = assignment;
	return 0;
}

static int global_options(struct doveadm *adm, int argc, char **argv)
{
	static const struct option long_options[] = {
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "+c:Df:i:ko:v", long_options,
				     NULL)) != -1) {
		switch (option) {
		case 'c':
			adm->config_path = optarg;
			break;
		case 'D':
			adm->debug = true;
			log_debug_set(true);
			break;
		case 'f':
			adm->formatter = optarg;
			break;
		case 'h':
			return usage_all();
		case 'i':
			adm->instance = optarg;
			break;
		case 'k':
			/* The environment is kept anyway: nothing here runs
			 * with rights that the caller has not. */
			break;
		case 'o':
			if (add_override(adm, optarg) != 0)
				return EX_TEMPFAIL;
			break;
		case 'v':
			/* Progress is shown anyway. */
			break;
		default:
			return STATUS_FATAL;
		}
	}
	return 0;
}

static bool asks_for_help(int argc, char **argv)
{
	return argc > 1 && strcmp(argv[1], "--help") == 0;
}

/* Options may stand behind arguments. What is wrong is told before anything is
 * done. */
static int take_options(struct doveadm *adm, int argc, char **argv)
{
	static const struct option none[] = {{NULL, 0, NULL, 0}};
	static char no_value[] = "";
	const struct command *command = adm->command;
	const struct option *more = none;
	char options[OPTIONS_MAX];
	int option;

	optind = (command->flags & COMMAND_RAW) != 0;
	if (optind == 1)
		return EX_OK;
	if ((command->flags & COMMAND_LONG) != 0)
		more = mailbox_update_options;
	if ((command->flags & COMMAND_LONG_CACHE) != 0)
		more = mailbox_cache_options;
	snprintf(options, sizeof(options), "%s%s",
		 (command->flags & COMMAND_MAIL) != 0 ? "AF:S:u:" : "",
		 command->options);
	while ((option = getopt_long(argc, argv, options, more, NULL)) != -1) {
		if (option == '?')
			return EX_USAGE;
		adm->given = mem_resize(adm->ctx, adm->given, struct given,
					adm->given_count + 1);
		adm->given[adm->given_count++] = (struct given){
			option, optarg != NULL ? optarg : no_value};
	}
	return EX_OK;
}

static int run_command(struct doveadm *adm, int argc, char **argv)
{
	const struct command *command = adm->command;
	int status = take_options(adm, argc, argv);

	if (status != EX_OK)
		return status;
	argc -= optind;
	argv += optind;
	if (argc > command->max) {
		complain("Extraneous arguments found: %s", argv[command->max]);
		return EX_USAGE;
	}
	if ((command->flags & COMMAND_MAIL) != 0)
		status = mail_targets_check(adm);
	if (status != EX_OK)
		return status;
	if (argc < command->min)
		return usage_command(command);
	return command->run(adm, argc, argv);
}

static int run(struct doveadm *adm, int argc, char **argv)
{
	int words;

	if (argc == 0)
		return usage_all();
	adm->command = command_find(argc, argv, &words);
	if (adm->command == NULL)
		return command_family(argv[0]) ? usage_family(argv[0])
					       : usage_all();
	argc -= words - 1;
	argv += words - 1;
	if (asks_for_help(argc, argv))
		return usage_command(adm->command);
	return run_command(adm, argc, argv);
}

int main(int argc, char **argv)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "doveadm");
	struct doveadm adm = {.ctx = ctx};
	int status;

	log_open("doveadm", LOG_TO_STDERR);
	storage_settle_at_end();
	status = global_options(&adm, argc, argv);
	if (status != 0)
		return status;
	status = run(&adm, argc - optind, argv + optind);
	if (fflush(stdout) != 0 && status == 0)
		status = EX_IOERR;
	return status;
}
