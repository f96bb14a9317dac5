/* SPDX-License-Identifier: MIT */
/*
 * doveadm/master.c - the master and its services: `reload`, `stop`,
 * `service status|stop`, `process status`.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "doveadm/client.h"
#include "doveadm/commands.h"
#include "doveadm/doveadm.h"
#include "doveadm/master.h"
#include "doveadm/print.h"

enum {
	STOP_WAIT_MS = 60 * 1000,
	STOP_STEP_MS = 10,
	PID_FILE_MAX = 32,
	PROC_STAT_MAX = 4096
};

/* signals */

/* 0 if no master runs. */
static pid_t master_pid(struct doveadm *adm)
{
	CLEANUP(buf_free) struct buf text = buf_init(PID_FILE_MAX);
	struct err err;
	uint32_t pid;

	if (file_read(doveadm_socket(adm, NULL, "master.pid"), &text, &err) <
		    0 ||
	    !str_to_u32(str_trim(str_n(text.data, text.len)), &pid) ||
	    pid == 0 || pid > INT32_MAX)
		return 0;
	/* Somebody else's process may have the number by now, but then the
	 * signal is refused or, being root, the file was stale. */
	return kill((pid_t)pid, 0) == 0 || errno == EPERM ? (pid_t)pid : 0;
}

static int not_running(struct doveadm *adm)
{
	return give_up("Dovecot is not running (read from %s)",
		       doveadm_socket(adm, NULL, "master.pid"));
}

int master_signal(struct doveadm *adm, int number, pid_t *pid_out)
{
	if (!doveadm_need_config(adm))
		return EX_TEMPFAIL;
	*pid_out = master_pid(adm);
	if (*pid_out == 0)
		return not_running(adm);
	if (kill(*pid_out, number) < 0)
		return give_up("kill(%d, %s) failed: %s", (int)*pid_out,
			       sigabbrev_np(number), strerror(errno));
	return EX_OK;
}

/* A process that its parent has not waited for yet is gone, too. */
static bool is_gone(struct doveadm *adm, pid_t pid)
{
	CLEANUP(buf_free) struct buf text = buf_init(PROC_STAT_MAX);
	const char *path = mem_printf(adm->ctx, "/proc/%d/stat", (int)pid);
	const char *behind;
	struct err err;

	if (kill(pid, 0) < 0 && errno == ESRCH)
		return true;
	if (file_read(path, &text, &err) < 0)
		return false;
	behind = strrchr(text.data, ')'); /* "17 (name) S ..." */
	return behind != NULL && strncmp(behind, ") Z", 3) == 0;
}

/* Returns when the master is gone, so that a start may follow at once. */
int cmd_stop(struct doveadm *adm, int, char **)
{
	const struct timespec step = {.tv_nsec = STOP_STEP_MS * 1000000L};
	pid_t pid;
	int status;

	status = master_signal(adm, SIGTERM, &pid);
	if (status != EX_OK)
		return status;
	for (int waited = 0; waited < STOP_WAIT_MS; waited += STOP_STEP_MS) {
		if (is_gone(adm, pid))
			return EX_OK;
		nanosleep(&step, NULL);
	}
	return give_up("Process %d did not end", (int)pid);
}

/* the master's socket */

static struct client *connect_master(struct doveadm *adm)
{
	struct client *client;
	struct err err;
	struct str line;

	if (!doveadm_need_config(adm))
		return NULL;
	if (client_open(adm->ctx, doveadm_socket(adm, NULL, "master"), &client,
			&err) < 0 ||
	    client_line(client, &line, &err) < 0) {
		give_up("%s", err.text);
		return NULL;
	}
	if (!str_starts(line, "VERSION\tmaster-client\t1\t") ||
	    client_send(client, "VERSION\tmaster-client\t1\t0\n") < 0) {
		give_up("The master speaks another protocol");
		return NULL;
	}
	return client;
}

/* The master says whether it took the new configuration. */
int cmd_reload(struct doveadm *adm, int, char **)
{
	struct client *client;
	struct str line;
	struct err err;

	if (!doveadm_need_config(adm))
		return EX_TEMPFAIL;
	if (master_pid(adm) == 0)
		return not_running(adm);
	client = connect_master(adm);
	if (client == NULL)
		return EX_TEMPFAIL;
	if (client_send(client, "RELOAD\n") < 0)
		return give_up("write(master): %s", strerror(errno));
	/* Its greeting was read before. */
	if (client_line(client, &line, &err) < 0)
		return give_up("%s", err.text);
	if (str_is(line, "+"))
		return EX_OK;
	return give_up("The configuration was not reloaded: %s",
		       line.len > 2 ? line_word(adm->ctx, line, 1)
				    : "see the log");
}

/* rows */

static const char *const service_columns[] = {"name",
					      "process_count",
					      "process_avail",
					      "process_limit",
					      "client_limit",
					      "throttle_secs",
					      "exit_failure_last",
					      "exit_failures_in_sec",
					      "last_drop_warning",
					      "listen_pending",
					      "listening",
					      "doveadm_stop",
					      "process_total",
					      NULL};

static const char *const process_columns[] = {
	"name",           "pid",        "available_count",
	"total_count",    "idle_start", "last_status_update",
	"last_kill_sent", NULL};

static bool wanted(const char *name, int count, char **names)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return count == 0;
}

static void print_row(struct printer *printer, const char *const *columns,
		      struct str line, int count, char **names)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "row");

	if (!wanted(line_word(ctx, line, 0), count, names))
		return;
	for (unsigned i = 0; columns[i] != NULL; i++)
		print_value(printer, line_word(ctx, line, i));
}

/* Ask, and show the rows of those services that were named. */
static int show_status(struct doveadm *adm, const char *request,
		       const char *const *columns, const char *format,
		       int count, char **names)
{
	struct printer *printer = doveadm_printer(adm, format);
	struct client *client;
	struct err err;
	struct str line;

	if (printer == NULL)
		return EX_TEMPFAIL;
	client = connect_master(adm);
	if (client == NULL)
		return EX_TEMPFAIL;
	for (unsigned i = 0; columns[i] != NULL; i++)
		print_column(printer, columns[i], columns[i], 0);
	if (client_send(client, "%s\n", request) < 0)
		return give_up("The master closed the connection");
	for (;;) {
		if (client_line(client, &line, &err) < 0)
			return give_up("%s", err.text);
		if (line.len == 0)
			break;
		print_row(printer, columns, line, count, names);
	}
	print_end(&printer);
	return EX_OK;
}

int cmd_service_status(struct doveadm *adm, int argc, char **argv)
{
	return show_status(adm, "SERVICE-STATUS", service_columns, "pager",
			   argc, argv);
}

int cmd_process_status(struct doveadm *adm, int argc, char **argv)
{
	return show_status(adm, "PROCESS-STATUS", process_columns, "table",
			   argc, argv);
}

int cmd_service_stop(struct doveadm *adm, int argc, char **argv)
{
	struct client *client;
	int status = EX_OK;
	struct err err;
	struct str line;

	if (argc == 0)
		return give_up("service parameter missing");
	client = connect_master(adm);
	if (client == NULL)
		return EX_TEMPFAIL;
	for (int i = 0; i < argc; i++) {
		char *name = str_tab_escape(adm->ctx, str_of(argv[i]));

		if (client_send(client, "SERVICE-STOP\t%s\n", name) < 0)
			return give_up("The master closed the connection");
		if (client_line(client, &line, &err) < 0)
			return give_up("%s", err.text);
		if (str_is(line, "+"))
			continue;
		complain("Unknown service: %s", argv[i]);
		status = EX_NOHOST;
	}
	return status;
}
