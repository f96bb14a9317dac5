/* SPDX-License-Identifier: MIT */
/*
 * log/protocol.h - how lines come to the log process and how they leave.
 *
 * In: base/log.c writes, into the pipe of its service,
 *	"\001" LEVEL PID " " PREFIX "\t" TEXT "\n"
 * with LEVEL a digit, '1' for LOG_LEVEL_DEBUG and so on. Any other line is what
 * a library or a sanitizer wrote to stderr: an error of that service. Lines
 * are cut at LOG_LINE_MAX.
 *
 * Out, on the socket `log-errors`: the last LOG_KEEP warnings and worse, the
 * oldest first, and then the connection is closed. A line each, fields escaped
 * (str_tab_escape) and divided by TAB, as Dovecot has them:
 *	"warning" | "error" | "fatal" | "panic"
 *	seconds since 1970
 *	prefix with its ": "
 *	text
 */
#ifndef LOG_PROTOCOL_H
#define LOG_PROTOCOL_H

enum {
	LOG_LINE_MAX = 8192,
	LOG_KEEP = 1000,
};

#endif
