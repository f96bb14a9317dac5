/* SPDX-License-Identifier: MIT */
/*
 * doveadm/doveadm.c - what the families of commands share.
 */
#include "doveadm/doveadm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "config/config.h"
#include "doveadm/print.h"

enum { FAILURE_MAX = 65536 };

static void tell(const char *what, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

static void tell(const char *what, const char *fmt, va_list args)
{
	fflush(stdout);
	fprintf(stderr, "%s: ", what);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

void complain(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	tell("Error", fmt, args);
	va_end(args);
}

int give_up(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	tell("Fatal", fmt, args);
	va_end(args);
	return EX_TEMPFAIL;
}

int status_of(const struct err *err)
{
	switch (err->code) {
	case ERR_NOT_FOUND:
		return EX_NOHOST;
	case ERR_DENIED:
		return EX_NOPERM;
	case ERR_INVALID:
		return EX_USAGE;
	case ERR_EXISTS:
	case ERR_UNSUPPORTED:
	case ERR_LIMIT:
	case ERR_EXPUNGED:
		return EX_DATAERR;
	case ERR_QUOTA:
	case ERR_NO_SPACE:
		return EX_CANTCREAT;
	case ERR_TEMPORARY:
	case ERR_CORRUPT:
	case ERR_IN_USE:
	case ERR_CHANGED:
	case ERR_TIMEOUT:
	case ERR_CLOSED:
		break;
	}
	return EX_TEMPFAIL;
}

int log_failure(const struct err *err, const char *fmt, ...)
{
	CLEANUP(buf_free) struct buf what = buf_init(FAILURE_MAX);
	va_list args;

	va_start(args, fmt);
	buf_vprintf(&what, fmt, args);
	va_end(args);
	log_error("%s: %s", what.data, err->text);
	return status_of(err);
}

char *doveadm_value(const struct doveadm *adm, int option)
{
	for (unsigned i = adm->given_count; i-- > 0;) {
		if (adm->given[i].option == option)
			return adm->given[i].value;
	}
	return NULL;
}

static int read_config(struct doveadm *adm, struct err *err)
{
	if (adm->config != NULL)
		return 0;
	if (config_open(adm->ctx, adm->config_path, &adm->config, err) < 0)
		return -1;
	for (unsigned i = 0; i < adm->override_count; i++) {
		if (config_override(adm->config, adm->overrides[i], err) < 0)
			return -1;
	}
	if (config_read(adm->ctx, adm->config, NULL, base_settings,
			&adm->settings, err) < 0)
		return -1;
	if (adm->instance == NULL ||
	    strcmp(adm->instance, adm->settings.instance_name) == 0)
		return 0;
	return err_set(err, ERR_NOT_FOUND, "Unknown instance name: %s",
		       adm->instance);
}

bool doveadm_need_config(struct doveadm *adm)
{
	struct err err;

	if (read_config(adm, &err) == 0)
		return true;
	if (err.code == ERR_NOT_FOUND && adm->config != NULL)
		give_up("%s", err.text);
	else
		give_up("Error reading configuration: %s", err.text);
	return false;
}

const char *doveadm_socket(struct doveadm *adm, const char *path,
			   const char *name)
{
	if (path != NULL)
		return path;
	return path_expand(adm->ctx, name, adm->settings.base_dir);
}

struct printer *doveadm_printer(struct doveadm *adm, const char *format)
{
	struct printer *printer;

	if (adm->formatter != NULL)
		format = adm->formatter;
	printer = print_new(adm->ctx, stdout, format);
	if (printer == NULL)
		give_up("Unknown print formatter: %s", format);
	return printer;
}

bool ask_password(const char *prompt, char *out, size_t size)
{
	bool terminal = isatty(STDIN_FILENO) != 0;
	struct termios before, silent;
	bool found;

	if (terminal && tcgetattr(STDIN_FILENO, &before) == 0) {
		silent = before;
		silent.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
		/* Not sooner: what is typed before is thrown away. */
		fputs(prompt, stderr);
	}
	setvbuf(stdin, NULL, _IONBF, 0); /* no copy of it stays behind */
	found = fgets(out, (int)size, stdin) != NULL;
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	if (!found)
		return false;
	out[strcspn(out, "\r\n")] = '\0';
	return true;
}
