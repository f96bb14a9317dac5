/* SPDX-License-Identifier: MIT */
/*
 * delivery/sieve_trace.c - sieve_trace_dir: what scripts do, step by step, in a
 * file of each delivery.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "delivery/sieve.h"
#include "delivery/spool.h"
#include "storage/user.h"

struct trace_file {
	int fd;
	char *path;
};

static int trace_free(struct trace_file *trace)
{
	if (trace->fd >= 0)
		close(trace->fd);
	return 0;
}

static void put(struct trace_file *trace, const char *text)
{
	struct err err;

	if (trace->fd < 0 || file_write_all(trace->fd, text, strlen(text),
					    trace->path, &err) == 0)
		return;
	log_warning("sieve: trace: %s", err.text);
	close(trace->fd);
	trace->fd = -1;
}

static void trace_line(void *ctx, const char *text)
{
	put(ctx, text);
	put(ctx, "\n");
}

static enum sieve_trace_level level_of(const char *name)
{
	static const char *const names[] = {"none", "actions", "commands",
					    "tests", "matching"};
	enum sieve_trace_level level = SIEVE_TRACE_MATCHING;

	while (level > SIEVE_TRACE_NONE && strcmp(names[level], name) != 0)
		level--;
	return level;
}

static char *trace_path(const void *ctx, const char *dir)
{
	static unsigned count;
	time_t now = time(NULL);
	char when[40] = "";
	struct tm tm;

	if (localtime_r(&now, &tm) != NULL)
		strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &tm);
	return mem_printf(ctx, "%s/%s.%d.%u.trace", dir, when, (int)getpid(),
			  ++count);
}

static void begin(struct trace_file *trace, const struct carry *carry)
{
	const struct delivery *delivery = carry->delivery;

	put(trace,
	    mem_printf(trace,
		       "Sieve trace log for %s:\n\n"
		       "  Username: %s\n"
		       "  Session ID: %s\n"
		       "  Sender: <%s>\n"
		       "  Final recipient: <%s>\n"
		       "  Default mailbox: %s\n\n",
		       carry->stored != NULL ? "stored message"
					     : "message delivery",
		       user_name(delivery->user),
		       delivery->session_id == NULL ? "" : delivery->session_id,
		       delivery->from, delivery->to, delivery->mailbox));
}

void carry_trace(const void *ctx, struct carry *carry)
{
	const struct lda_plugin_settings *set = &carry->sieve->set;
	enum sieve_trace_level level = level_of(set->sieve_trace_level);
	const char *home = user_home(carry->delivery->user), *dir;
	struct trace_file *trace;

	if (set->sieve_trace_dir[0] == '\0' || level == SIEVE_TRACE_NONE ||
	    (home == NULL && set->sieve_trace_dir[0] != '/'))
		return;
	trace = mem_new(ctx, struct trace_file);
	dir = path_expand(trace, set->sieve_trace_dir, home);
	trace->path = trace_path(trace, dir);
	trace->fd = open(trace->path,
			 O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			 0600);
	talloc_set_destructor(trace, trace_free);
	/* A user turns it on by making the directory. */
	if (trace->fd < 0) {
		if (errno != ENOENT)
			log_error("sieve: trace: open(%s): %s", trace->path,
				  strerror(errno));
		mem_free(trace);
		return;
	}
	begin(trace, carry);
	carry->host.trace = (struct sieve_trace){
		.level = level,
		.addresses = set->sieve_trace_addresses,
		.line = trace_line,
		.ctx = trace,
	};
}
