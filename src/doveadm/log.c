/* SPDX-License-Identifier: MIT */
/*
 * doveadm/log.c - `doveadm log`: where the log is, trying it, its last errors.
 */
#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "config/config.h"
#include "doveadm/client.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/log_search.h"
#include "doveadm/master.h"
#include "doveadm/print.h"

static bool settings_read(struct doveadm *adm, struct log_settings *out)
{
	struct err err;

	if (!doveadm_need_config(adm))
		return false;
	if (config_read(adm->ctx, adm->config, NULL, log_settings, out, &err) ==
	    0)
		return true;
	give_up("Error reading configuration: %s", err.text);
	return false;
}

static const enum log_level levels[] = {LOG_LEVEL_DEBUG, LOG_LEVEL_INFO,
					LOG_LEVEL_WARNING, LOG_LEVEL_ERROR,
					LOG_LEVEL_FATAL};
enum { LEVELS = sizeof(levels) / sizeof(levels[0]) };

/* test */

/* The words are Dovecot's: people and scripts look for them. */
static void write_test(struct doveadm *adm, const struct log_settings *settings,
		       unsigned long token, bool syslog_only)
{
	log_open_files("doveadm", adm->settings.instance_name, settings);
	log_debug_set(true);
	for (size_t i = 0; i < LEVELS; i++) {
		CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "level");

		if (syslog_only && log_path_of(settings, levels[i]) != NULL)
			continue;
		log_line(levels[i], "This is Dovecot's %s log (%lu)",
			 str_lower(ctx, str_of(log_level_name(levels[i]))),
			 token);
	}
	log_open("doveadm", LOG_TO_STDERR);
	log_debug_set(adm->debug);
}

int cmd_log_test(struct doveadm *adm, int, char **)
{
	struct log_settings settings;

	if (!settings_read(adm, &settings))
		return EX_TEMPFAIL;
	write_test(adm, &settings, (unsigned long)time(NULL), false);
	return EX_OK;
}

/* find */

int cmd_log_find(struct doveadm *adm, int argc, char **argv)
{
	struct log_search *search = NULL;
	struct log_settings settings;
	const char *dir = argc > 0 ? argv[0] : "/var/log";
	unsigned long token = (unsigned long)time(NULL);

	if (!settings_read(adm, &settings))
		return EX_TEMPFAIL;
	for (size_t i = 0; i < LEVELS && search == NULL; i++) {
		if (log_path_of(&settings, levels[i]) != NULL)
			continue;
		printf("Looking for log files from %s\n", dir);
		fflush(stdout);
		search = log_search_begin(adm->ctx, dir);
		write_test(adm, &settings, token, true);
	}
	for (size_t i = 0; i < LEVELS; i++) {
		const char *path = log_path_of(&settings, levels[i]);
		const char *name = log_level_name(levels[i]);

		if (path == NULL)
			path = log_search_find(
				search,
				mem_printf(adm->ctx,
					   "This is Dovecot's %s log (%lu)",
					   str_lower(adm->ctx, str_of(name)),
					   token));
		printf("%s: %s\n", name, path != NULL ? path : "Not found");
	}
	return EX_OK;
}

/* reopen, errors */

int cmd_log_reopen(struct doveadm *adm, int, char **)
{
	pid_t pid;

	return master_signal(adm, SIGUSR1, &pid);
}

/* "warning <tab> 1795358252 <tab> imap(17): <tab> text" */
static void print_error(struct printer *printer, struct str line,
			uint64_t since)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "line");
	char *type = line_word(ctx, line, 0);
	char *prefix = line_word(ctx, line, 2);
	size_t len = strlen(prefix);
	uint64_t seconds;
	char text[32];
	struct tm tm;
	time_t when;

	if (!str_to_u64(str_of(line_word(ctx, line, 1)), &seconds) ||
	    seconds < since)
		return;
	when = (time_t)seconds;
	if (localtime_r(&when, &tm) == NULL)
		return;
	strftime(text, sizeof(text), "%b %d %H:%M:%S", &tm);
	type[0] = ascii_upper(type[0]);
	if (len >= 2 && strcmp(prefix + len - 2, ": ") == 0)
		prefix[len - 2] = '\0';
	print_value(printer, text);
	print_value(printer, prefix);
	print_value(printer, type);
	print_value(printer, line_word(ctx, line, 3));
}

static int show_errors(struct doveadm *adm, struct printer *printer,
		       uint64_t since, struct err *err)
{
	struct client *client;
	struct str line;

	if (client_open(adm->ctx, doveadm_socket(adm, NULL, "log-errors"),
			&client, err) < 0)
		return -1;
	while (client_line(client, &line, err) == 0)
		print_error(printer, line, since);
	return err->code == ERR_CLOSED ? 0 : -1;
}

int cmd_log_errors(struct doveadm *adm, int, char **)
{
	const char *text = doveadm_value(adm, 's');
	struct printer *printer;
	uint64_t since = 0;
	struct err err;

	if (text != NULL && !str_to_u64(str_of(text), &since)) {
		complain("Not a timestamp: %s", text);
		return EX_USAGE;
	}
	printer = doveadm_printer(adm,
				  "%{timestamp} %{type}: %{prefix}: %{text}\n");
	if (printer == NULL || !doveadm_need_config(adm))
		return EX_TEMPFAIL;
	print_columns(printer, 0, "timestamp", "prefix", "type", "text", NULL);
	if (show_errors(adm, printer, since, &err) < 0)
		return give_up("%s", err.text);
	print_end(&printer);
	return EX_OK;
}
