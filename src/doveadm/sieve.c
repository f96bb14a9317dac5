/* SPDX-License-Identifier: MIT */
/*
 * doveadm/sieve.c - `doveadm sieve`: users' scripts (scripts/scripts.h).
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "config/config.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/mail.h"
#include "doveadm/print.h"
#include "scripts/scripts.h"
#include "sieve/host.h"

enum { INPUT_MAX = 64 << 20 };

/* One command for all its users. */
struct sieving {
	struct printer *printer;
	const char *delimiter;
	struct str *names;
	size_t count;
	bool activate; /* -a */
	struct str text;
	int (*run)(const struct sieving *sieving, struct scripts *scripts);
};

/* what is told */

static void log_compiler(void *, enum log_level level, const char *where,
			 const char *text)
{
	log_line(level, "sieve: %s: %s", where, text);
}

static const struct sieve_log compiler_log = {.line = log_compiler};

/* The words and statuses of Dovecot's. */
static int failed(const char *what, const struct err *err)
{
	switch (err->code) {
	case ERR_CORRUPT: /* the compiler has told why */
		return EX_DATAERR;
	case ERR_EXISTS:
	case ERR_IN_USE:
	case ERR_DENIED:
	case ERR_INVALID:
	case ERR_LIMIT:
		log_error("Failed to %s Sieve script: %s", what, err->text);
		return EX_DATAERR;
	case ERR_NOT_FOUND:
		log_error("Failed to %s Sieve script: %s", what, err->text);
		return EX_NOHOST;
	default:
		log_error("Failed to %s Sieve script: %s", what, err->text);
		return EX_TEMPFAIL;
	}
}

/* for one user */

static int activate(struct scripts *scripts, struct str name)
{
	bool changed;
	struct err err;

	return scripts_activate(scripts, name, &compiler_log, &changed, &err) ==
			       0
		       ? EX_OK
		       : failed(name.len > 0 ? "activate" : "deactivate", &err);
}

static int run_activate(const struct sieving *sieving, struct scripts *scripts)
{
	return activate(scripts, sieving->names[0]);
}

static int run_deactivate(const struct sieving *, struct scripts *scripts)
{
	return activate(scripts, STR(""));
}

static int run_put(const struct sieving *sieving, struct scripts *scripts)
{
	struct str name = sieving->names[0];
	const char *quota;
	struct err err;

	/* The quota is the user's, not the administrator's. */
	if (scripts_check_size(scripts, sieving->text.len, &quota, &err) < 0 ||
	    scripts_put(scripts, name, sieving->text, sieving->activate,
			&compiler_log, &err) < 0)
		return failed("save", &err);
	return EX_OK;
}

static int run_get(const struct sieving *sieving, struct scripts *scripts)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "get");
	struct str text;
	struct err err;

	if (scripts_get(ctx, scripts, sieving->names[0], &text, &err) < 0)
		return failed("open", &err);
	if (print_takes_pieces(sieving->printer)) {
		print_piece(sieving->printer, text.data, text.len);
		print_piece_end(sieving->printer);
	} else {
		print_value(sieving->printer, text.data);
	}
	return EX_OK;
}

static int run_list(const struct sieving *sieving, struct scripts *scripts)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "list");
	struct script_entry *entries;
	size_t count;
	struct err err;

	if (scripts_list(ctx, scripts, &entries, &count, &err) < 0)
		return failed("list", &err);
	for (size_t i = 0; i < count; i++) {
		print_value(sieving->printer, entries[i].name);
		print_value(sieving->printer,
			    entries[i].active ? "ACTIVE" : "");
	}
	return EX_OK;
}

static bool is_active(struct scripts *scripts, struct str name)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "list");
	struct script_entry *entries;
	size_t count;
	struct err err;

	if (scripts_list(ctx, scripts, &entries, &count, &err) < 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (entries[i].active && str_is(name, entries[i].name))
			return true;
	}
	return false;
}

/* With -a, the active one is deactivated before. */
static int delete_one(const struct sieving *sieving, struct scripts *scripts,
		      struct str name)
{
	struct err err;
	int status;

	if (sieving->activate && is_active(scripts, name)) {
		status = activate(scripts, STR(""));
		if (status != EX_OK)
			return status;
	}
	return scripts_delete(scripts, name, &err) == 0
		       ? EX_OK
		       : failed("delete", &err);
}

static int run_delete(const struct sieving *sieving, struct scripts *scripts)
{
	int status = EX_OK;

	for (size_t i = 0; i < sieving->count; i++) {
		int one = delete_one(sieving, scripts, sieving->names[i]);

		if (status == EX_OK)
			status = one;
	}
	return status;
}

static int run_rename(const struct sieving *sieving, struct scripts *scripts)
{
	struct err err;

	return scripts_rename(scripts, sieving->names[0], sieving->names[1],
			      &err) == 0
		       ? EX_OK
		       : failed("rename", &err);
}

static int run_user(void *ctx, struct user *user)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(NULL, "sieve");
	const struct sieving *sieving = ctx;
	struct scripts *scripts;
	struct err err;

	if (scripts_new(memory, user, sieving->delimiter,
			scripts_upload_options(user), &scripts, &err) < 0)
		return failed("open storage of", &err);
	return sieving->run(sieving, scripts);
}

/* the command line */

static int run(struct doveadm *adm, struct sieving *sieving, int count,
	       char **names)
{
	sieving->names = mem_array(adm->ctx, struct str, (size_t)count + 1);
	for (int i = 0; i < count; i++) {
		sieving->names[sieving->count++] = str_of(names[i]);
		if (script_name_valid(str_of(names[i])))
			continue;
		fprintf(stderr, "Fatal: Sieve script name not valid: %s\n",
			names[i]);
		return EX_DATAERR;
	}
	if (!doveadm_need_config(adm))
		return EX_TEMPFAIL;
	sieving->delimiter =
		config_value(adm->config, NULL, "recipient_delimiter");
	return mail_run(adm, sieving->printer, run_user, sieving);
}

/* From a file if one is named behind the script, as Dovecot does it. */
static int read_input(const char *path, struct buf *out, struct err *err)
{
	int ret = path == NULL ? file_read_fd(STDIN_FILENO, "stdin", out, err)
			       : file_read(path, out, err);

	return ret < 0 ? err_wrap(err, "read(script input) failed") : 0;
}

static const struct {
	const char *command;
	int (*run)(const struct sieving *sieving, struct scripts *scripts);
	const char *format; /* of what it shows; NULL: nothing */
} commands[] = {
	{"activate", run_activate, NULL}, {"deactivate", run_deactivate, NULL},
	{"delete", run_delete, NULL},     {"get", run_get, "pager"},
	{"list", run_list, "flow"},       {"put", run_put, NULL},
	{"rename", run_rename, NULL},
};

static bool begin_table(struct doveadm *adm, struct sieving *sieving,
			const char *format)
{
	if (format == NULL)
		return true;
	sieving->printer = mail_printer(adm, format);
	if (sieving->printer == NULL)
		return false;
	if (sieving->run == run_get)
		print_columns(sieving->printer, 0, "sieve script", NULL);
	else
		print_columns(sieving->printer, PRINT_HIDE_TITLE, "script",
			      "active", NULL);
	return true;
}

int cmd_sieve(struct doveadm *adm, int argc, char **argv)
{
	CLEANUP(buf_free) struct buf text = buf_init(INPUT_MAX);
	const char *name = strchr(adm->command->name, ' ') + 1;
	struct sieving sieving = {
		.activate = doveadm_value(adm, 'a') != NULL,
	};
	struct err err;
	size_t i = 0;

	while (strcmp(commands[i].command, name) != 0)
		i++;
	sieving.run = commands[i].run;
	if (sieving.run == run_put) {
		if (read_input(argv[1], &text, &err) < 0)
			return give_up("%s", err.text);
		sieving.text = str_n(text.data, text.len);
		argc = 1;
	}
	return begin_table(adm, &sieving, commands[i].format)
		       ? run(adm, &sieving, argc, argv)
		       : EX_TEMPFAIL;
}
