/* SPDX-License-Identifier: MIT */
/*
 * log/output.c - where lines go: files with time stamps, or syslog.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "log/log.h"
#include "service/settings.h"

enum { TIME_MAX = 128, KINDS = 3 };

struct target {
	char *path; /* NULL: syslog */
	int fd;
	bool failed; /* said once */
};

struct output {
	struct target targets[KINDS]; /* errors, info, debug */
	char *timestamp, *ident;
	time_t second; /* that `stamp` is for */
	char stamp[TIME_MAX];
	size_t stamp_len;
};

/* targets */

static void target_open(struct target *target)
{
	if (target->path == NULL)
		return;
	if (strcmp(target->path, "/dev/stderr") == 0)
		/* The terminal that the master was started on; ours leads to
		 * ourselves. */
		target->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		target->fd = open(target->path,
				  O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
					  O_NOCTTY,
				  0600);
}

/* Lines that can't go where they should go to syslog: all others wait for us
 * to read what they write. */
static void target_init(struct output *output, struct target *target,
			const char *path)
{
	target->fd = -1;
	if (path == NULL)
		return;
	target->path = mem_strdup(output, path);
	target_open(target);
	if (target->fd >= 0)
		return;
	syslog(LOG_CRIT, "log: Error: Can't open log file %s: %s", path,
	       strerror(errno));
	target->path = NULL;
}

static int output_destroy(struct output *output)
{
	for (int i = 0; i < KINDS; i++)
		fd_close(&output->targets[i].fd);
	return 0;
}

int output_open(const void *ctx, const struct config *config,
		struct output **out, struct err *err)
{
	struct output *output = mem_new(ctx, struct output);
	static const enum log_level levels[KINDS] = {
		LOG_LEVEL_ERROR, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG};
	struct log_settings set;

	for (int i = 0; i < KINDS; i++)
		output->targets[i].fd = -1;
	talloc_set_destructor(output, output_destroy);
	if (config_read(output, config, NULL, log_settings, &set, err) < 0) {
		mem_free(output);
		return -1;
	}
	output->timestamp = mem_strdup(output, set.log_timestamp);
	output->ident =
		mem_strdup(output, config_value(config, NULL, "instance_name"));
	openlog(output->ident, LOG_NDELAY, log_facility(set.syslog_facility));
	for (int i = 0; i < KINDS; i++)
		target_init(output, &output->targets[i],
			    log_path_of(&set, levels[i]));
	*out = output;
	return 0;
}

void output_reopen(struct output *output)
{
	for (int i = 0; i < KINDS; i++) {
		struct target *target = &output->targets[i];
		int old = target->fd;

		if (target->path == NULL)
			continue;
		target_open(target);
		target->failed = false;
		/* Better the old file than none. */
		if (target->fd < 0)
			target->fd = old;
		else
			fd_close(&old);
	}
}

/* lines */

char *output_format(const void *ctx, const struct entry *entry)
{
	return mem_printf(ctx, "%.*s: %s: %.*s", STR_FMT(entry->prefix),
			  log_level_name(entry->level), STR_FMT(entry->text));
}

/* The format is the administrator's, so no literal. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void update_stamp(struct output *output)
{
	time_t now = time(NULL);
	struct tm tm;

	if (now == output->second)
		return;
	output->second = now;
	output->stamp_len = strftime(output->stamp, sizeof(output->stamp),
				     output->timestamp, localtime_r(&now, &tm));
}
#pragma GCC diagnostic pop

static void to_file(struct output *output, struct target *target,
		    const struct entry *entry)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "line");
	struct err err;
	char *line;

	update_stamp(output);
	line = mem_printf(ctx, "%.*s%s\n", (int)output->stamp_len,
			  output->stamp, output_format(ctx, entry));
	if (file_write_all(target->fd, line, strlen(line), target->path,
			   &err) == 0 ||
	    target->failed)
		return;
	/* A full disk: the lines are lost, but that is not kept quiet. */
	target->failed = true;
	syslog(LOG_CRIT, "log: Error: %s", err.text);
}

static void to_syslog(const struct entry *entry)
{
	static const int priorities[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING,
					 LOG_ERR,   LOG_CRIT, LOG_CRIT};
	int priority = priorities[entry->level];

	if (entry->level == LOG_LEVEL_INFO)
		syslog(priority, "%.*s: %.*s", STR_FMT(entry->prefix),
		       STR_FMT(entry->text));
	else
		syslog(priority, "%.*s: %s: %.*s", STR_FMT(entry->prefix),
		       log_level_name(entry->level), STR_FMT(entry->text));
}

void output_write(struct output *output, const struct entry *entry)
{
	struct target *target = &output->targets[0];

	if (entry->level == LOG_LEVEL_INFO)
		target = &output->targets[1];
	else if (entry->level == LOG_LEVEL_DEBUG)
		target = &output->targets[2];
	if (target->path == NULL)
		to_syslog(entry);
	else
		to_file(output, target, entry);
}
