/* SPDX-License-Identifier: MIT */
/*
 * master/supervise.c - the master's life: signals, reload, stop.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>
#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pack.h"
#include "master/master.h"
#include "net/loop.h"
#include "net/sock.h"
#include "service/wire.h"

enum {
	/* Templates kill what does not end in 6 s. */
	KILL_WAIT_MS = STOP_WAIT_MS + 2500,
	LOG_WAIT_MS = 2000,
	REPORT_MAX = 256 * 1024,
	PROTOCOLS_MAX = 1024,
};

static void notify(const char *state)
{
#ifdef HAVE_SYSTEMD
	sd_notify(0, state);
#else
	(void)state;
#endif
}

static void start_units(struct master *master)
{
	struct unit *unit;

	DL_FOREACH (master->units, unit) {
		if (unit->process != NULL)
			continue;
		if (unit->set.process_min_avail > 0)
			unit_start(unit);
		else
			unit_watch(unit, true);
	}
}

void master_stop_unit(struct unit *unit)
{
	unit->stopped = true;
	unit_watch(unit, false);
	timer_free(&unit->retry);
	if (unit->process != NULL)
		process_tell(unit->process, WIRE_RETIRE);
}

/* reload */

static void log_lines(enum log_level level, struct str rest)
{
	struct str line;

	while (str_split(&rest, '\n', &line)) {
		if (line.len > 0)
			log_line(level, "%.*s", STR_FMT(line));
	}
}

struct fresh {
	struct config *config;
	struct base_settings base;
	struct unit *units;
	int fd;
};

static int use_fresh(struct master *master, struct fresh *fresh,
		     struct err *err)
{
	if (master->key_password != NULL &&
	    config_override(fresh->config, master->key_password, err) < 0)
		return -1;
	if (config_read(fresh->config, fresh->config, NULL, base_settings,
			&fresh->base, err) < 0)
		return -1;
	if (strcmp(fresh->base.base_dir, master->base.base_dir) != 0)
		return err_set(err, ERR_INVALID,
			       "base_dir can't be changed by a reload");
	if (check_all_can_start(fresh->config, &fresh->base, err) < 0 ||
	    units_read(fresh->config, master, fresh->config, &fresh->base,
		       &fresh->units, err) < 0)
		return -1;
	return config_seal(fresh->config, &fresh->fd, err);
}

/* What is wrong goes to `errors`. */
static int read_fresh(struct master *master, struct fresh *fresh,
		      struct buf *errors)
{
	CLEANUP(buf_free) struct buf warnings = buf_init(REPORT_MAX);
	struct err err;

	if (config_load(master, master->config_file, CONFIG_SERVE, errors,
			&warnings, &fresh->config, &err) < 0) {
		/* A file that can't be read. */
		if (errors->len == 0)
			buf_add(errors, err.text);
		return -1;
	}
	log_lines(LOG_LEVEL_WARNING, str_n(warnings.data, warnings.len));
	if (use_fresh(master, fresh, &err) < 0) {
		buf_add(errors, err.text);
		return -1;
	}
	return 0;
}

/* The log process and anvil go on, with the new settings. */
static void keep_lasting(struct unit *unit, struct fresh *fresh)
{
	struct unit *heir = unit_find(fresh->units, unit->name);
	struct buf frame = buf_init(4);

	pack_u8(&frame, WIRE_CONFIG);
	if (heir != NULL) {
		heir->process = unit->process;
		heir->total = unit->total;
		unit->process->unit = heir;
		channel_send(&unit->process->channel, &frame, fresh->fd);
	}
	buf_free(&frame);
}

static void connect_auth(struct process *process, struct unit *heir)
{
	struct buf frame = buf_init(4);
	struct err err;
	int pair[2];

	if (sock_pair(pair, &err) < 0) {
		log_error("%s", err.text);
		return;
	}
	pack_u8(&frame, WIRE_SUCCESSOR);
	channel_send(&process->channel, &frame, pair[0]);
	fd_close(&pair[0]);
	heir->predecessors[heir->predecessor_count++] = pair[1];
	buf_free(&frame);
}

/* Logins that an auth has accepted are known to it alone, and those who ask may
 * come to the one after the reload, or after the next. */
static void connect_auths(struct master *master, struct unit *old,
			  struct unit *heir)
{
	struct process *one;

	if (old == NULL)
		return;
	while (old->predecessor_count > 0)
		fd_close(&old->predecessors[--old->predecessor_count]);
	DL_FOREACH (master->processes, one) {
		if (heir != NULL && strcmp(one->name, heir->name) == 0 &&
		    heir->predecessor_count < PREDECESSORS_MAX)
			connect_auth(one, heir);
	}
}

static void retire_old(struct master *master, struct fresh *fresh)
{
	struct unit *unit;

	listeners_close(master->units);
	connect_auths(master, unit_find(master->units, "auth"),
		      unit_find(fresh->units, "auth"));
	DL_FOREACH (master->units, unit) {
		timer_free(&unit->retry);
		if (unit->process == NULL)
			continue;
		if (unit->lasting && unit_find(fresh->units, unit->name)) {
			keep_lasting(unit, fresh);
			continue;
		}
		unit->process->unit = NULL;
		process_tell(unit->process, WIRE_RETIRE);
	}
}

/* Which of the old listeners live on. */
static void mark_taken(struct unit *old, struct unit *fresh)
{
	struct unit *unit, *other;
	struct listener *one, *two;

	DL_FOREACH (old, unit) {
		DL_FOREACH (unit->listeners, one) {
			one->taken = false;
			DL_FOREACH (fresh, other) {
				DL_FOREACH (other->listeners, two)
					one->taken |= two->fd == one->fd;
			}
		}
	}
}

bool master_reload(struct master *master, struct buf *errors)
{
	struct fresh fresh = {.fd = -1};
	struct config *old = master->config;

	log_warning("SIGHUP received - reloading configuration");
	if (read_fresh(master, &fresh, errors) < 0 ||
	    listeners_bind(fresh.units, master->units) < 0) {
		log_lines(LOG_LEVEL_ERROR, str_n(errors->data, errors->len));
		log_error("The configuration has errors: the old one stays in "
			  "use");
		fd_close(&fresh.fd);
		mem_free(fresh.config);
		return false;
	}
	notify("RELOADING=1");
	mark_taken(master->units, fresh.units);
	retire_old(master, &fresh);
	master->config = fresh.config;
	master->base = fresh.base;
	master->units = fresh.units;
	fd_close(&master->config_fd);
	master->config_fd = fresh.fd;
	mem_free(old);
	start_units(master);
	certs_watch(master);
	notify("READY=1");
	return true;
}

int master_use_config(struct master *master, struct err *err)
{
	struct fresh fresh = {.units = master->units, .fd = -1};
	struct unit *unit;

	if (config_seal(master->config, &fresh.fd, err) < 0)
		return -1;
	unit = unit_find(master->units, "auth");
	connect_auths(master, unit, unit);
	DL_FOREACH (master->units, unit) {
		if (unit->process == NULL)
			continue;
		if (unit->lasting) {
			keep_lasting(unit, &fresh);
			continue;
		}
		unit->process->unit = NULL;
		process_tell(unit->process, WIRE_RETIRE);
		unit->process = NULL;
	}
	fd_close(&master->config_fd);
	master->config_fd = fresh.fd;
	start_units(master);
	return 0;
}

static void reload(struct master *master)
{
	CLEANUP(buf_free) struct buf errors = buf_init(REPORT_MAX);

	master_reload(master, &errors);
}

/* stop */

static struct process *log_process(struct master *master)
{
	struct unit *unit = unit_find(master->units, "log");

	return unit != NULL ? unit->process : NULL;
}

static void give_up(void *ctx)
{
	struct master *master = ctx;
	struct process *one;

	DL_FOREACH (master->processes, one) {
		if (!master->ended && strcmp(one->name, "log") != 0)
			log_error("service(%s): child %d did not end: killing "
				  "it",
				  one->name, (int)one->pid);
	}
	processes_kill(master, SIGKILL, master->ended);
	timer_free(&master->kill);
	master->kill = timer_new(master->loop, (struct duration){LOG_WAIT_MS},
				 give_up, master);
}

/* All others are gone: the log process, too, may go now. */
static void end_log(struct master *master)
{
	struct process *log = log_process(master);
	struct log_pipe *pipe;

	master->ended = true;
	/* Nothing more is written: log reads to the end of the pipes. */
	log_open("master", LOG_TO_STDERR);
	dup2(master->stderr_fd, STDERR_FILENO);
	DL_FOREACH (master->pipes, pipe) {
		close(pipe->fds[0]);
		close(pipe->fds[1]);
	}
	if (log == NULL) {
		loop_stop(master->loop);
		return;
	}
	process_tell(log,
		     master->base.shutdown_clients ? WIRE_STOP : WIRE_RETIRE);
	timer_free(&master->kill);
	master->kill = timer_new(master->loop, (struct duration){LOG_WAIT_MS},
				 give_up, master);
	if (!master->base.shutdown_clients)
		loop_stop(master->loop);
}

static bool any_left(struct master *master, bool fronts)
{
	struct process *one;

	DL_FOREACH (master->processes, one) {
		if (one != log_process(master) && (one->front || !fronts))
			return true;
	}
	return false;
}

static void tell_all(struct master *master, bool fronts)
{
	bool clients = master->base.shutdown_clients;
	struct process *one;

	DL_FOREACH (master->processes, one) {
		if (one != log_process(master) && one->front == fronts)
			process_tell(one, clients ? WIRE_STOP : WIRE_RETIRE);
	}
}

/* What has connected to auth and waits for an answer is not to see the socket
 * go before it goes itself. */
static void close_listeners(struct master *master, bool all)
{
	struct unit *unit;
	struct listener *one;

	DL_FOREACH (master->units, unit) {
		DL_FOREACH (unit->listeners, one)
			one->taken = !all && unit->set.protocol[0] == '\0';
	}
	listeners_close(master->units);
}

/* First those that serve clients, then auth and anvil, which they ask, and log
 * at the very end. */
static void check_end(struct master *master)
{
	bool wait = master->base.shutdown_clients;

	if (!master->stopping)
		return;
	if (master->ended) {
		if (master->processes == NULL)
			loop_stop(master->loop);
		return;
	}
	if (wait && any_left(master, true))
		return;
	if (!master->backs_told) {
		master->backs_told = true;
		close_listeners(master, true);
		tell_all(master, false);
	}
	if (!wait || !any_left(master, false))
		end_log(master);
}

static void stop(struct master *master)
{
	if (master->stopping)
		return;
	master->stopping = true;
	notify("STOPPING=1");
	clients_close(master);
	close_listeners(master, false);
	tell_all(master, true);
	master->kill = timer_new(master->loop, (struct duration){KILL_WAIT_MS},
				 give_up, master);
	check_end(master);
}

/* signals */

static void reap(struct master *master)
{
	struct process *one, *next;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		DL_FOREACH_SAFE(master->processes, one, next)
		{
			if (one->pid == pid)
				process_gone(master, one, status);
		}
	}
	check_end(master);
}

static void reopen_logs(struct master *master)
{
	struct process *log = log_process(master);

	log_warning("SIGUSR1 received - reopening log files");
	if (log != NULL)
		process_tell(log, WIRE_REOPEN);
}

static const char *code_name(int code)
{
	switch (code) {
	case SI_USER:
		return "kill";
	case SI_KERNEL:
		return "kernel";
	case SI_TKILL:
		return "tkill";
	default:
		return "unknown";
	}
}

static void signalled(void *ctx, unsigned)
{
	struct master *master = ctx;
	struct signalfd_siginfo info;

	if (read(master->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGCHLD:
		reap(master);
		break;
	case SIGHUP:
		if (!master->stopping)
			reload(master);
		break;
	case SIGUSR1:
		reopen_logs(master);
		break;
	default:
		if (!master->stopping)
			log_warning("Killed with signal %u (by pid=%u uid=%u "
				    "code=%s)",
				    info.ssi_signo, info.ssi_pid, info.ssi_uid,
				    code_name(info.ssi_code));
		stop(master);
		break;
	}
}

static int catch_signals(struct master *master, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, SIG_IGN);
	master->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (master->signal_fd < 0)
		return err_sys(err, "signalfd()");
	master->signals = watch_new(master->loop, master->signal_fd, WATCH_READ,
				    signalled, master);
	return 0;
}

/* start */

/* Our own lines go the way of all others, through the log process. */
static void log_through_process(struct master *master)
{
	dup2(pipe_for(master, "master"), STDERR_FILENO);
	log_open("master", LOG_TO_PROCESS);
}

static void say_hello(struct master *master)
{
	CLEANUP(buf_free) struct buf names = buf_init(PROTOCOLS_MAX);
	struct str rest = str_of(master->base.protocols), name;
	struct rlimit core;

	while (str_word(&rest, &name)) {
		if (names.len > 0)
			buf_add(&names, ", ");
		buf_add_str(&names, name);
	}
	if (strcmp(names.data, "none") == 0) {
		buf_reset(&names);
		buf_add(&names, "no protocols");
	}
	getrlimit(RLIMIT_CORE, &core);
	log_info("Dovetail v%s starting up for %s%s", PACKAGE_VERSION,
		 names.data,
		 core.rlim_cur == 0 ? " (core dumps disabled)" : "");
}

int master_run(struct master *master)
{
	struct unit *log = unit_find(master->units, "log");
	struct err err;

	master->loop = loop_new();
	if (catch_signals(master, &err) < 0 ||
	    config_seal(master->config, &master->config_fd, &err) < 0 ||
	    clients_listen(master, &err) < 0 ||
	    basedir_claim(master, &err) < 0) {
		log_error("%s", err.text);
		return EXIT_FAILED;
	}
	log_through_process(master);
	unit_start(log);
	say_hello(master);
	log_lines(LOG_LEVEL_WARNING, str_of(master->warnings));
	start_units(master);
	certs_watch(master);
	notify("READY=1");
	loop_run(master->loop);
	basedir_release(master);
	return EXIT_SUCCESS;
}
