/* SPDX-License-Identifier: MIT */
/*
 * doveadm/mail.c - whose mail, and the way there: auth, privileges, storage.
 */
#include "doveadm/mail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mask.h"
#include "doveadm/doveadm.h"
#include "doveadm/print.h"
#include "doveadm/progress.h"
#include "doveadm/user.h"
#include "service/auth_master.h"
#include "service/privs.h"
#include "storage/user.h"

enum { USER_FILE_MAX = 64 * 1024 * 1024 };

struct run {
	struct doveadm *adm;
	struct printer *printer;
	int (*fn)(void *ctx, struct user *user);
	void *fn_ctx;
	bool many; /* each in a process of its own */
};

int mail_targets_check(const struct doveadm *adm)
{
	const char *socket = doveadm_value(adm, 'S');

	if (socket != NULL)
		return give_up("-S %s: There is no doveadm server that could "
			       "be asked",
			       socket);
	if (doveadm_value(adm, 'A') != NULL ||
	    doveadm_value(adm, 'F') != NULL ||
	    doveadm_value(adm, 'u') != NULL || getenv("USER") != NULL)
		return EX_OK;
	give_up("USER environment is missing and -u option not used");
	return EX_USAGE;
}

static bool are_many(const struct doveadm *adm)
{
	const char *user = doveadm_value(adm, 'u');

	return doveadm_value(adm, 'A') != NULL ||
	       doveadm_value(adm, 'F') != NULL ||
	       (user != NULL && user_is_mask(user));
}

struct printer *mail_printer(struct doveadm *adm, const char *format)
{
	struct printer *printer = doveadm_printer(adm, format);

	if (printer != NULL && are_many(adm))
		print_column(printer, "username", "Username",
			     PRINT_HIDE_TITLE | PRINT_STICKY);
	return printer;
}

int mail_account(const void *ctx, struct doveadm *adm, const char *name,
		 struct account **out, struct err *err)
{
	struct auth_request_info info = {.service = "doveadm"};

	return auth_user_lookup(
		ctx, doveadm_socket(adm, NULL, adm->settings.auth_socket_path),
		name, &info, out, err);
}

/* one user */

static int with_rights(struct run *run, const void *ctx,
		       const struct account *account)
{
	CLEANUP(ctx_free) TALLOC_CTX *memory = mem_ctx(ctx, "user");
	struct user_context context = {.service = "doveadm"};
	struct user *user;
	struct err err;
	int status;

	if (privs_drop(account, run->adm->config, &err) < 0) {
		log_error("Couldn't drop privileges: %s", err.text);
		return EX_TEMPFAIL;
	}
	if (user_open(memory, run->adm->config, account, &context, &user,
		      &err) < 0) {
		log_error("User initialization failed: %s", err.text);
		return EX_TEMPFAIL;
	}
	status = run->fn(run->fn_ctx, user);
	user_autoexpunge(user);
	return status;
}

/* In a process of its own, for good without the rights that the next user's
 * needs: what the first one wrote into an index must not get at them. */
static int in_child(struct run *run, const void *ctx,
		    const struct account *account, int fd)
{
	FILE *out = fdopen(fd, "w");
	int status;

	if (out == NULL)
		return EX_OSERR;
	if (run->printer != NULL)
		print_send(run->printer, out);
	status = with_rights(run, ctx, account);
	if (fclose(out) != 0 || fflush(stdout) != 0)
		return EX_IOERR;
	return status;
}

static int wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) < 0) {
		log_error("waitpid(): %s", strerror(errno));
		return EX_OSERR;
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	log_error("The process for this user was killed by signal %d",
		  WTERMSIG(status));
	return EX_SOFTWARE;
}

static int run_child(struct run *run, const void *ctx,
		     const struct account *account)
{
	CLEANUP(file_close) FILE *in = NULL;
	struct err err;
	int fds[2];
	pid_t pid;

	fflush(NULL);
	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		log_error("fork(): %s", strerror(errno));
		return EX_OSERR;
	}
	if (pid == 0) {
		close(fds[0]);
		_exit(in_child(run, ctx, account, fds[1]));
	}
	close(fds[1]);
	in = fdopen(fds[0], "r");
	if (run->printer != NULL && in != NULL) {
		print_sticky(run->printer, "username", account->name);
		if (print_receive(run->printer, in, &err) < 0)
			log_error("%s", err.text);
	}
	file_close(&in);
	return wait_for(pid);
}

static int run_account(struct run *run, const void *ctx,
		       const struct account *account)
{
	return run->many ? run_child(run, ctx, account)
			 : with_rights(run, ctx, account);
}

static int run_name(struct run *run, const char *name)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(run->adm->ctx, "user");
	struct account *account;
	struct err err;
	int status;

	log_prefix_set(mem_printf(ctx, "doveadm(%s)", name));
	if (mail_account(ctx, run->adm, name, &account, &err) == 0) {
		status = run_account(run, ctx, account);
	} else if (err.code == ERR_NOT_FOUND) {
		if (run->many)
			log_info("User no longer exists, skipping");
		else
			log_error("User doesn't exist");
		status = run->many ? EX_OK : EX_NOUSER;
	} else {
		log_error("User lookup failed: %s", err.text);
		status = EX_TEMPFAIL;
	}
	log_prefix_set(NULL);
	return status;
}

/* The caller, without asking auth, as Dovecot does it: for people who look at
 * their own mail. */
static int run_caller(struct run *run)
{
	static const char *const no_fields[] = {NULL};
	bool root = geteuid() == 0;
	struct account account = {
		.name = getenv("USER"),
		.home = getenv("HOME"),
		.uid = root ? (uid_t)-1 : geteuid(),
		.gid = root ? (gid_t)-1 : getegid(),
		.fields = no_fields,
	};
	int status;

	log_prefix_set(mem_printf(run->adm->ctx, "doveadm(%s)", account.name));
	status = run_account(run, run->adm->ctx, &account);
	log_prefix_set(NULL);
	return status;
}

/* many users */

/* auth takes the mask for a hint only: names may come that don't match. */
static int run_names(struct run *run, const char *mask,
		     const char *const *names, size_t count)
{
	struct progress progress;
	int status = EX_OK;

	progress_begin(&progress, "Users", count);
	for (size_t i = 0; i < count; i++) {
		int result = EX_OK;

		if (mask == NULL || mask_match(mask, names[i]))
			result = run_name(run, names[i]);
		if (status == EX_OK)
			status = result;
		progress_step(&progress);
	}
	progress_end(&progress);
	return status;
}

static int run_mask(struct run *run, const char *mask)
{
	struct doveadm *adm = run->adm;
	const char *const *names;
	size_t count;
	struct err err;

	if (auth_user_list(
		    adm->ctx,
		    doveadm_socket(adm, NULL, adm->settings.auth_socket_path),
		    mask, &names, &count, &err) < 0) {
		complain("%s", err.text);
		log_error("Failed to iterate through some users");
		return EX_TEMPFAIL;
	}
	return run_names(run, mask, names, count);
}

static int run_file(struct run *run, const char *path)
{
	CLEANUP(buf_free) struct buf text = buf_init(USER_FILE_MAX);
	const char **names = NULL;
	struct str rest, line;
	size_t count = 0;
	struct err err;

	if (file_read(path, &text, &err) < 0) {
		complain("%s", err.text);
		log_error("Failed to iterate through some users");
		return EX_TEMPFAIL;
	}
	rest = str_n(text.data, text.len);
	while (str_split(&rest, '\n', &line)) {
		line = str_trim(line);
		if (line.len == 0)
			continue;
		names = mem_resize(run->adm->ctx, names, const char *,
				   count + 1);
		names[count++] = str_dup(run->adm->ctx, line);
	}
	return run_names(run, NULL, names, count);
}

static int run_all(struct run *run)
{
	const char *file = doveadm_value(run->adm, 'F');
	const char *user = doveadm_value(run->adm, 'u');

	if (doveadm_value(run->adm, 'A') != NULL)
		return run_mask(run, NULL);
	if (file != NULL)
		return run_file(run, file);
	if (user == NULL)
		return run_caller(run);
	return run->many ? run_mask(run, user) : run_name(run, user);
}

int mail_run(struct doveadm *adm, struct printer *printer,
	     int (*fn)(void *ctx, struct user *user), void *ctx)
{
	struct run run = {adm, printer, fn, ctx, are_many(adm)};
	int status;

	if (!doveadm_need_config(adm))
		return EX_TEMPFAIL;
	status = run_all(&run);
	print_end(&printer);
	return status;
}
