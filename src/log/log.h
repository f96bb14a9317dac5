/* SPDX-License-Identifier: MIT */
/*
 * log/log.h - the parts of the log process: pipes in, lines parsed, targets
 * out, errors kept.
 */
#ifndef LOG_LOG_H
#define LOG_LOG_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"
#include "base/str.h"

struct config;
struct err;
struct loop;
struct service_client;
struct service_env;

struct entry {
	enum log_level level;
	pid_t pid; /* 0 if it does not say */
	struct str prefix, text;
};

/* line.c */

/* `line` without its end, from the pipe of `service`. */
void line_parse(struct str line, struct str service, struct entry *out);
/* Which process a master's "service(imap): child 123 killed ..." is about; 0
 * if it is no such line. */
pid_t line_child(const struct entry *entry);

/* output.c */

struct output;
/* The files or syslog that the settings name. */
int output_open(const void *ctx, const struct config *config,
		struct output **out, struct err *err);
void output_write(struct output *output, const struct entry *entry);
/* After rotation. */
void output_reopen(struct output *output);
/* The line as it stands in a file, without the time. Child of ctx. */
char *output_format(const void *ctx, const struct entry *entry);

/* errors.c */

struct errors;
struct errors *errors_new(const void *ctx);
void errors_add(struct errors *errors, const struct entry *entry);
void errors_serve(struct errors *errors, struct service_env *env,
		  const struct service_client *client);

/* pipes.c */

struct pipes;
struct pipes *pipes_new(const void *ctx, struct loop *loop,
			void (*fn)(void *ctx, const struct entry *entry),
			void *fn_ctx);
/* Read `fd`, which is taken, for the service. */
void pipes_add(struct pipes *pipes, struct str service, int fd);
/* Read what is there; with `to_the_end`, until nobody writes any more. */
void pipes_drain(struct pipes *pipes, bool to_the_end);

#endif
