/* SPDX-License-Identifier: MIT */
/*
 * base/log.c - a line is put together on the stack and leaves in one write(),
 * so that lines of several processes in one pipe or file don't mix.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/str.h"

enum { PREFIX_MAX = 512, NAME_MAX_LEN = 64, TIME_MAX_LEN = 128 };

static struct {
	enum log_target target;
	bool debug;
	int fd;
	char name[NAME_MAX_LEN];
	char prefix[PREFIX_MAX];
	char timestamp[NAME_MAX_LEN];
} out = {.target = LOG_TO_STDERR, .fd = STDERR_FILENO};

const char *log_level_name(enum log_level level)
{
	static const char *const names[] = {"Debug", "Info",  "Warning",
					    "Error", "Fatal", "Panic"};

	return names[level];
}

static void copy_text(char *dest, size_t size, const char *text)
{
	snprintf(dest, size, "%s", text);
}

void log_open(const char *name, enum log_target target)
{
	copy_text(out.name, sizeof(out.name), name);
	copy_text(out.prefix, sizeof(out.prefix), name);
	out.target = target;
	out.fd = STDERR_FILENO;
}

void log_open_file(const char *name, const char *path, const char *timestamp)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	log_open(name, LOG_TO_STDERR);
	if (fd < 0) {
		log_error("open(%s): %s", path, strerror(errno));
		return;
	}
	copy_text(out.timestamp, sizeof(out.timestamp), timestamp);
	out.target = LOG_TO_FILE;
	out.fd = fd;
}

int log_facility(const char *name)
{
	static const struct {
		const char *name;
		int facility;
	} all[] = {
		{"mail", LOG_MAIL},         {"auth", LOG_AUTH},
		{"authpriv", LOG_AUTHPRIV}, {"cron", LOG_CRON},
		{"daemon", LOG_DAEMON},     {"ftp", LOG_FTP},
		{"kern", LOG_KERN},         {"lpr", LOG_LPR},
		{"news", LOG_NEWS},         {"syslog", LOG_SYSLOG},
		{"user", LOG_USER},         {"uucp", LOG_UUCP},
		{"local0", LOG_LOCAL0},     {"local1", LOG_LOCAL1},
		{"local2", LOG_LOCAL2},     {"local3", LOG_LOCAL3},
		{"local4", LOG_LOCAL4},     {"local5", LOG_LOCAL5},
		{"local6", LOG_LOCAL6},     {"local7", LOG_LOCAL7},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(all[i].name, name) == 0)
			return all[i].facility;
	}
	return LOG_MAIL;
}

void log_open_syslog(const char *name, const char *ident, const char *facility)
{
	static char kept[NAME_MAX_LEN]; /* openlog() keeps the pointer */

	log_open(name, LOG_TO_SYSLOG);
	copy_text(kept, sizeof(kept), ident);
	openlog(kept, LOG_NDELAY, log_facility(facility));
}

/* Text may hold what a client sent: nothing in it ends the line or moves a
 * terminal's cursor. */
static void clean(char *text, size_t len)
{
	struct str rest = str_n(text, len);

	while (rest.len > 0) {
		uint32_t code;
		size_t octets = utf8_get(rest, &code);

		if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
			text[len - rest.len] = '?';
			octets = 1;
		}
		rest = str_from(rest, octets);
	}
}

void log_prefix_set(const char *prefix)
{
	copy_text(out.prefix, sizeof(out.prefix),
		  prefix != NULL ? prefix : out.name);
	/* Users may have any name that auth_username_chars allows. */
	clean(out.prefix, strlen(out.prefix));
}

void log_debug_set(bool on)
{
	out.debug = on;
}

bool log_debug_on(void)
{
	return out.debug;
}

/* A line that is being put together; what does not fit is cut off. */
struct line {
	char text[PIPE_BUF < 4096 ? PIPE_BUF : 4096];
	size_t len;
};

/* Leaves room for the newline. */
__attribute__((format(printf, 2, 0))) static void
line_vadd(struct line *line, const char *fmt, va_list args)
{
	size_t room = sizeof(line->text) - line->len;
	int len = vsnprintf(line->text + line->len, room, fmt, args);

	if (len < 0)
		return;
	line->len += (size_t)len < room ? (size_t)len : room - 1;
}

__attribute__((format(printf, 2, 3))) static void line_add(struct line *line,
							   const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line_vadd(line, fmt, args);
	va_end(args);
}

static void line_clean(struct line *line, size_t start)
{
	clean(line->text + start, line->len - start);
}

/* The format is the administrator's log_timestamp, so no literal. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void line_add_time(struct line *line)
{
	time_t now = time(NULL);
	struct tm tm;

	line->len += strftime(line->text, TIME_MAX_LEN, out.timestamp,
			      localtime_r(&now, &tm));
}
#pragma GCC diagnostic pop

static void line_start(struct line *line, enum log_level level)
{
	const char *prefix = out.prefix;

	if (prefix[0] == '\0')
		prefix = program_invocation_short_name;
	switch (out.target) {
	case LOG_TO_PROCESS:
		line_add(line, "\001%c%d %s\t", '1' + (int)level, (int)getpid(),
			 prefix);
		return;
	case LOG_TO_SYSLOG:
		line_add(line, "%s: ", prefix);
		if (level != LOG_LEVEL_INFO)
			line_add(line, "%s: ", log_level_name(level));
		return;
	case LOG_TO_FILE:
		line_add_time(line);
		break;
	case LOG_TO_STDERR:
		break;
	}
	line_add(line, "%s: %s: ", prefix, log_level_name(level));
}

static void line_write(const struct line *line)
{
	size_t done = 0;

	while (done < line->len) {
		ssize_t ret =
			write(out.fd, line->text + done, line->len - done);

		if (ret < 0 && errno == EINTR)
			continue;
		/* There is nowhere left to say it. */
		if (ret <= 0)
			return;
		done += (size_t)ret;
	}
}

static int syslog_level(enum log_level level)
{
	static const int levels[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING,
				     LOG_ERR,   LOG_CRIT, LOG_CRIT};

	return levels[level];
}

__attribute__((format(printf, 2, 0))) static void
log_vline(enum log_level level, const char *fmt, va_list args)
{
	int error = errno;
	struct line line;
	size_t start;

	line.len = 0;
	if (level == LOG_LEVEL_DEBUG && !out.debug)
		return;
	line_start(&line, level);
	start = line.len;
	errno = error;
	line_vadd(&line, fmt, args);
	line_clean(&line, start);
	if (out.target == LOG_TO_SYSLOG) {
		syslog(syslog_level(level), "%.*s", (int)line.len, line.text);
	} else {
		line.text[line.len++] = '\n';
		line_write(&line);
	}
	errno = error;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_vline(level, fmt, args);
	va_end(args);
}

void log_debug(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_vline(LOG_LEVEL_DEBUG, fmt, args);
	va_end(args);
}

void log_info(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_vline(LOG_LEVEL_INFO, fmt, args);
	va_end(args);
}

void log_warning(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_vline(LOG_LEVEL_WARNING, fmt, args);
	va_end(args);
}

void log_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_vline(LOG_LEVEL_ERROR, fmt, args);
	va_end(args);
}

void log_fatal(int status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_vline(LOG_LEVEL_FATAL, fmt, args);
	va_end(args);
	exit(status);
}
