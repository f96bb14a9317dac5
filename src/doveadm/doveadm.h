/* SPDX-License-Identifier: MIT */
/*
 * doveadm/doveadm.h - the administrator's command: what its families of
 * commands share.
 *
 * A command is a row of the table in commands.c and a function that returns
 * the exit status (sysexits.h, as Dovecot's doveadm uses them).
 */
#ifndef DOVEADM_DOVEADM_H
#define DOVEADM_DOVEADM_H
#include <stdbool.h>
#include <stddef.h>
#include <sysexits.h>

#include "base/mem.h"
#include "service/settings.h"

struct command;
struct config;
struct err;
struct printer;

enum { STATUS_FATAL = 89 /* Dovecot's FATAL_DEFAULT */ };

/* An option of the running command; the value is "" where it takes none. */
struct given {
	int option;
	char *value;
};

/* One run of the program. */
struct doveadm {
	TALLOC_CTX *ctx;
	const char *config_path; /* -c; NULL is the compiled-in one */
	const char *formatter;   /* -f; NULL is the command's own */
	const char **overrides;  /* -o */
	unsigned override_count;
	const char *instance; /* -i; NULL is any */
	bool debug;
	const struct command *command;
	struct given *given; /* in the order of the command line */
	unsigned given_count;
	struct config *config; /* NULL until doveadm_need_config() */
	struct base_settings settings;
};

enum {
	COMMAND_MAIL = 1 << 0, /* takes -A, -F and -u too */
	/* All arguments are another program's. */
	COMMAND_RAW = 1 << 1,
	COMMAND_LONG = 1 << 2,       /* has mailbox_update_options */
	COMMAND_LONG_CACHE = 1 << 3, /* has mailbox_cache_options */
};

struct command {
	const char *name; /* "log find" */
	/* Called with the arguments behind name and options (all but the name
	 * with COMMAND_RAW), no fewer or more than these; argv[argc] is NULL.
	 */
	int (*run)(struct doveadm *adm, int argc, char **argv);
	const char *usage;   /* what follows the name */
	const char *options; /* for getopt() */
	unsigned flags;
	int min, max; /* arguments */
	int mode;     /* for functions that serve several commands */
};

/* Ends with a NULL name. */
extern const struct command doveadm_commands[];
/* The row that the first words of argv name, and how many words those are. */
const struct command *command_find(int argc, char **argv, int *words_out);
/* Whether a command or family of that name exists. */
bool command_family(const char *name);
/* To stderr: all commands, those of one family, one command. Return
 * EX_USAGE. */
int usage_all(void);
int usage_family(const char *family);
int usage_command(const struct command *command);

/* What was given with an option of the running command, the last time; NULL if
 * it was not given. */
char *doveadm_value(const struct doveadm *adm, int option);

/* Read the configuration if that has not been done; false after an error that
 * was told the user. */
bool doveadm_need_config(struct doveadm *adm);
/* `path`, or if that is NULL `name`, below base_dir unless it is absolute.
 * Child of adm->ctx. */
const char *doveadm_socket(struct doveadm *adm, const char *path,
			   const char *name);
/* The form that -f asks for, or `format`; NULL after an error. */
struct printer *doveadm_printer(struct doveadm *adm, const char *format);

/* "Error: ..." and "Fatal: ..." to stderr; the second returns
 * EX_TEMPFAIL. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int give_up(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The exit status for what storage or auth said. */
int status_of(const struct err *err);
/* Log "...: " and what it said, and return the exit status for it. */
int log_failure(const struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Ask for a password without echo; false at end of input. Wipe it. */
bool ask_password(const char *prompt, char *out, size_t size);

#endif
