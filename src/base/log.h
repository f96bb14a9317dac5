/* SPDX-License-Identifier: MIT */
/*
 * base/log.h - log lines of this process.
 *
 * A line is one event, in Dovecot's wording where other tools parse it. Where
 * it goes depends on log_open(): a service under the master writes to the log
 * process, in that process's line protocol (log/protocol.h describes it), a
 * program on a terminal to stderr as "NAME(prefix): Error: text".
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H
#include <stdbool.h>


enum log_level {
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_FATAL,
	LOG_LEVEL_PANIC,
};

enum log_target {
	LOG_TO_STDERR,  /* "doveadm(alice): Error: ..." */
	LOG_TO_PROCESS, /* stderr is the log process's pipe */
	LOG_TO_FILES,   /* straight to where the log settings say */
	LOG_TO_NOWHERE, /* tests that fail on purpose */
};

/* Name this process in its lines ("imap-login"); lives as long as the
 * process. Until called, lines go to stderr. */
void log_open(const char *name, enum log_target target);
/* Dovecot's settings of these names. */
struct log_settings {
	const char *log_path, *info_log_path, *debug_log_path;
	const char *log_timestamp, *syslog_facility;
};
/* The file that lines of a level go to; NULL: syslog. */
const char *log_path_of(const struct log_settings *settings,
			enum log_level level);
/* For LOG_TO_FILES; `ident` is for syslog. Lines for a file that can't be
 * opened go to stderr. */
void log_open_files(const char *name, const char *ident,
		    const struct log_settings *settings);
int log_facility(const char *name); /* of syslog: "mail" is LOG_MAIL */
/* What stands after the name: "imap(alice)<123><sid>"; NULL is just the name.
 * Copied. See mail_log_prefix. */
void log_prefix_set(const char *prefix);
/* Whether debug lines are written (mail_debug, auth_debug). */
void log_debug_set(bool on);
bool log_debug_on(void);

void log_line(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Logs and ends the process with `status` (Dovecot's: 89 is a failure that
 * restarting will not mend, 84 a configuration error). */
_Noreturn void log_fatal(int status, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* "Debug", "Info", ... */
const char *log_level_name(enum log_level level);

#endif
