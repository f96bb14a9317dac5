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

enum {
	PREFIX_MAX = 512,
	NAME_MAX_LEN = 64,
	TIME_MAX_LEN = 128,
	KINDS = LOG_LEVEL_WARNING + 1, /* debug, info, and all others */
};

static struct {
	enum log_target target;
	bool debug;
	int fds[KINDS]; /* -1: syslog */
	char name[NAME_MAX_LEN];
	char prefix[PREFIX_MAX];
	char timestamp[NAME_MAX_LEN];
} out = {.target = LOG_TO_STDERR,
	 .fds = {STDERR_FILENO, STDERR_FILENO, STDERR_FILENO}};

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
	for (int i = 0; i < KINDS; i++)
		out.fds[i] = STDERR_FILENO;
}

const char *log_path_of(const struct log_settings *settings,
			enum log_level level)
{
	const char *path = settings->log_path;

	if (level <= LOG_LEVEL_INFO && settings->info_log_path[0] != '\0')
		path = settings->info_log_path;
	if (level == LOG_LEVEL_DEBUG && settings->debug_log_path[0] != '\0')
		path = settings->debug_log_path;
	return path[0] == '\0' || strcmp(path, "syslog") == 0 ? NULL : path;
}

/* -1: syslog */
static int open_path(const char *path)
{
	int fd;

	if (path == NULL)
		return -1;
	if (strcmp(path, "/dev/stderr") == 0)
		return STDERR_FILENO;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
		  0600);
	if (fd < 0) {
		log_error("open(%s): %s", path, strerror(errno));
		return STDERR_FILENO;
	}
	return fd;
}

void log_open_files(const char *name, const char *ident,
		    const struct log_settings *settings)
{
	static char kept[NAME_MAX_LEN]; /* openlog() keeps the pointer */
	const char *path, *before = NULL;
	int fds[KINDS];

	log_open(name, LOG_TO_STDERR);
	copy_text(kept, sizeof(kept), ident);
	for (int i = 0; i < KINDS; i++) {
		path = log_path_of(settings, (enum log_level)i);
		fds[i] = i > 0 && path == before ? fds[i - 1] : open_path(path);
		before = path;
		if (path == NULL)
			openlog(kept, LOG_NDELAY,
				log_facility(settings->syslog_facility));
	}
	copy_text(out.timestamp, sizeof(out.timestamp),
		  settings->log_timestamp);
	memcpy(out.fds, fds, sizeof(fds));
	out.target = LOG_TO_FILES;
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

static int fd_of(enum log_level level)
{
	return out.fds[level < LOG_LEVEL_WARNING ? level : LOG_LEVEL_WARNING];
}

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
	case LOG_TO_FILES:
		if (fd_of(level) < 0) {
			line_add(line, "%s: ", prefix);
			if (level != LOG_LEVEL_INFO)
				line_add(line, "%s: ", log_level_name(level));
			return;
		}
		line_add_time(line);
		break;
	case LOG_TO_STDERR:
	case LOG_TO_NOWHERE:
		break;
	}
	line_add(line, "%s: %s: ", prefix, log_level_name(level));
}

static void line_write(const struct line *line, int fd)
{
	size_t done = 0;

	while (done < line->len) {
		ssize_t ret = write(fd, line->text + done, line->len - done);

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
	if ((level == LOG_LEVEL_DEBUG && !out.debug) ||
	    out.target == LOG_TO_NOWHERE)
		return;
	line_start(&line, level);
	start = line.len;
	errno = error;
	line_vadd(&line, fmt, args);
	line_clean(&line, start);
	if (fd_of(level) < 0) {
		syslog(syslog_level(level), "%.*s", (int)line.len, line.text);
	} else {
		line.text[line.len++] = '\n';
		line_write(&line, fd_of(level));
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
