/* SPDX-License-Identifier: MIT */
/*
 * master/process.c - starting services' processes, and what becomes of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

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
	ARGS_MAX = 32,
	TITLE_ROOM = 200,
	EXIT_EXEC = 84,
	ROWS_MAX = FRAME_MAX,
};

/* pipes to the log */

static void tell_log(struct master *master, const struct log_pipe *pipe)
{
	struct unit *log = unit_find(master->units, "log");
	struct buf frame = buf_init(512);

	pack_u8(&frame, WIRE_PIPE);
	pack_str(&frame, str_of(pipe->name));
	if (log != NULL && log->process != NULL)
		channel_send(&log->process->channel, &frame, pipe->fds[0]);
	buf_free(&frame);
}

int pipe_for(struct master *master, const char *name)
{
	struct log_pipe *one;

	DL_FOREACH (master->pipes, one) {
		if (strcmp(one->name, name) == 0)
			return one->fds[1];
	}
	one = mem_new(master, struct log_pipe);
	one->name = mem_strdup(one, name);
	if (pipe2(one->fds, O_CLOEXEC) < 0) {
		log_error("pipe() failed: %s", strerror(errno));
		mem_free(one);
		return STDERR_FILENO;
	}
	/* log reads when there is something; writers wait for it. */
	fcntl(one->fds[0], F_SETFL, O_NONBLOCK);
	DL_APPEND(master->pipes, one);
	tell_log(master, one);
	return one->fds[1];
}

static void tell_log_all(struct master *master)
{
	struct log_pipe *one;

	DL_FOREACH (master->pipes, one)
		tell_log(master, one);
}

/* the child's side */

/* What the child has where: `fds` in order from descriptor 0. */
static int move_fds(const int *fds, int count)
{
	int high[LISTENERS_MAX + WIRE_LISTEN_FD];

	/* Out of the way first: none may be overwritten before its turn. */
	for (int i = 0; i < count; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, count);
		if (high[i] < 0)
			return -1;
	}
	for (int i = 0; i < count; i++) {
		if (dup2(high[i], i) < 0)
			return -1;
	}
	return 0;
}

static void import_environment(char **list, size_t *count, const char *names,
			       const void *ctx)
{
	struct str rest = str_of(names), word;

	while (str_word(&rest, &word) && *count < 64) {
		char *name = str_dup(ctx, word);
		const char *value;

		if (strchr(name, '=') != NULL) {
			list[(*count)++] = name;
			continue;
		}
		value = getenv(name);
		/* systemd's sockets are ours; its notifications too. */
		if (value != NULL && strncmp(name, "LISTEN_", 7) != 0 &&
		    strcmp(name, "NOTIFY_SOCKET") != 0)
			list[(*count)++] =
				mem_printf(ctx, "%s=%s", name, value);
	}
}

static char **make_environment(const struct unit *unit, const void *ctx)
{
	char **list = mem_array(ctx, char *, 72);
	size_t count = 0;

	list[count++] = mem_printf(ctx, "DOVETAIL_SERVICE=%s", unit->name);
	list[count++] =
		mem_printf(ctx, "DOVETAIL_CONFIG_FD=%d", WIRE_CONFIG_FD);
	list[count++] = mem_strdup(ctx, "PATH=/usr/bin:/bin");
	import_environment(list, &count, unit->master->base.import_environment,
			   ctx);
	/* Sanitizers are told by variables what to do. */
	import_environment(list, &count,
			   "ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS", ctx);
	/* Room for a long process title. */
	list[count++] = mem_printf(ctx, "DOVETAIL_TITLE=%*s", TITLE_ROOM, "");
	return list;
}

static char **make_arguments(const struct unit *unit, const void *ctx)
{
	const char *instance = unit->master->base.instance_name;
	struct str rest = str_of(unit->set.executable), word;
	char **list = mem_array(ctx, char *, ARGS_MAX + 1);
	size_t count = 1;

	list[0] = mem_printf(ctx, "%s/%s",
			     strcmp(instance, "dovecot") == 0 ? "dovetail"
							      : instance,
			     unit->name);
	str_word(&rest, &word);
	while (str_word(&rest, &word) && count < ARGS_MAX)
		list[count++] = str_dup(ctx, word);
	return list;
}

_Noreturn static void child(const struct unit *unit, const int *fds, int count)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "child");
	char **arguments = make_arguments(unit, ctx);
	char **environment = make_environment(unit, ctx);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(0077);
	if (move_fds(fds, count) < 0 || chdir(unit->master->base.base_dir) < 0)
		log_fatal(EXIT_EXEC, "service(%s): %s", unit->name,
			  strerror(errno));
	execve(unit->program, arguments, environment);
	log_error("service(%s): execve(%s) failed: %s", unit->name,
		  unit->program, strerror(errno));
	_exit(EXIT_EXEC);
}

/* the parent's side */

static void send_start(struct unit *unit)
{
	struct buf frame = buf_init(FRAME_MAX);
	struct listener *one;
	uint32_t count = 0;

	DL_FOREACH (unit->listeners, one)
		count += one->fd >= 0;
	pack_u8(&frame, WIRE_START);
	pack_u32(&frame, count);
	DL_FOREACH (unit->listeners, one) {
		if (one->fd < 0)
			continue;
		pack_str(&frame, str_of(one->name));
		pack_str(&frame, str_of(one->path != NULL ? one->path : ""));
		pack_u8(&frame,
			(one->ssl ? WIRE_LISTENER_SSL : 0) |
				(one->haproxy ? WIRE_LISTENER_HAPROXY : 0));
	}
	channel_send(&unit->process->channel, &frame, -1);
	buf_free(&frame);
}

static void send_predecessors(struct unit *unit)
{
	struct buf frame = buf_init(4);

	pack_u8(&frame, WIRE_PREDECESSOR);
	while (unit->predecessor_count > 0) {
		int *fd = &unit->predecessors[--unit->predecessor_count];

		channel_send(&unit->process->channel, &frame, *fd);
		fd_close(fd);
	}
	buf_free(&frame);
}

static void told(struct process *process, struct str frame)
{
	struct unit *unit = process->unit;

	process->told = (uint64_t)time(NULL);
	switch (frame.len > 0 ? frame.data[0] : '\0') {
	case WIRE_UP:
		process->up = true;
		break;
	case WIRE_DROP:
		if (unit != NULL)
			unit->last_drop = process->told;
		break;
	case WIRE_LIST:
		buf_reset(&process->rows);
		buf_append(&process->rows, frame.data + 1, frame.len - 1);
		process->asked = false;
		break;
	default:
		break;
	}
}

static void readable(void *ctx, unsigned)
{
	struct process *process = ctx;
	struct master *master = process->master;
	struct str frame;
	int fd, ret = channel_next(&process->channel, &frame, &fd);

	/* One a turn: who never stops talking must not keep us from others. */
	if (ret > 0) {
		fd_close(&fd);
		told(process, frame);
		channel_done(&process->channel, frame);
	}
	/* How it ended, SIGCHLD tells. */
	if (ret < 0)
		channel_close(&process->channel);
	master_clients_update(master);
}

static int collect_fds(struct unit *unit, int control, int *fds)
{
	struct master *master = unit->master;
	struct listener *one;
	int count = 0, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool log = strcmp(unit->set.type, "log") == 0;

	fds[count++] = null;
	/* What log_path = /dev/stderr means. */
	fds[count++] = log ? master->stderr_fd : null;
	fds[count++] = pipe_for(master, unit->name);
	fds[count++] = control;
	fds[count++] = master->config_fd;
	DL_FOREACH (unit->listeners, one) {
		if (one->fd >= 0 && count < LISTENERS_MAX + WIRE_LISTEN_FD)
			fds[count++] = one->fd;
	}
	return count;
}

static pid_t spawn(struct unit *unit, int *control_out, struct err *err)
{
	int fds[LISTENERS_MAX + WIRE_LISTEN_FD], pair[2], count;
	pid_t pid;

	if (sock_pair(pair, err) < 0)
		return -1;
	count = collect_fds(unit, pair[1], fds);
	pid = fork();
	if (pid == 0)
		child(unit, fds, count);
	close(pair[1]);
	close(fds[0]);
	if (pid < 0) {
		close(pair[0]);
		return err_sys(err, "fork()");
	}
	*control_out = pair[0];
	return pid;
}

static void try_again(void *ctx)
{
	struct unit *unit = ctx;

	timer_free(&unit->retry);
	if (unit->set.process_min_avail > 0 || unit->lasting)
		unit_start(unit);
	else
		unit_watch(unit, true);
}

static void start_later(struct unit *unit)
{
	uint64_t ms = backoff_left_ms(&unit->backoff);

	unit_watch(unit, false);
	if (unit->retry == NULL && !unit->master->stopping)
		unit->retry = timer_new(unit->master->loop,
					(struct duration){ms}, try_again, unit);
}

/* Whoever comes to a login process will want what is behind it: that is loaded
 * while he says who he is. */
static void start_behind(const struct unit *login)
{
	const struct service_settings *set = &login->set;
	struct unit *one;

	if (strcmp(set->type, "login") != 0)
		return;
	DL_FOREACH (login->master->units, one) {
		if (strcmp(one->set.protocol, set->protocol) == 0 &&
		    strcmp(one->set.type, "login") != 0 && one->retry == NULL)
			unit_start(one);
	}
}

void unit_start(struct unit *unit)
{
	struct master *master = unit->master;
	struct process *process;
	struct err err;
	int control = -1;
	pid_t pid;

	if (unit->process != NULL || master->stopping || unit->stopped)
		return;
	unit_watch(unit, false);
	pid = spawn(unit, &control, &err);
	if (pid < 0) {
		log_error("service(%s): %s", unit->name, err.text);
		backoff_failed(&unit->backoff);
		start_later(unit);
		return;
	}
	process = mem_new(master, struct process);
	process->master = master;
	process->unit = unit;
	process->name = mem_strdup(process, unit->name);
	process->front = unit->set.protocol[0] != '\0';
	process->pid = pid;
	process->started_ms = clock_monotonic_ms();
	process->told = (uint64_t)time(NULL);
	process->rows = buf_init(ROWS_MAX);
	channel_open(&process->channel, master->loop, control, readable,
		     process);
	DL_APPEND(master->processes, process);
	unit->process = process;
	unit->total++;
	send_start(unit);
	send_predecessors(unit);
	if (strcmp(unit->set.type, "log") == 0)
		tell_log_all(master);
	start_behind(unit);
}

void process_tell(struct process *process, unsigned char what)
{
	channel_send_type(&process->channel, what);
	if (what == WIRE_STOP || what == WIRE_RETIRE) {
		process->killed = (uint64_t)time(NULL);
		process->retired = true;
	}
}

void processes_kill(struct master *master, int signal, bool log_too)
{
	struct process *one;

	DL_FOREACH (master->processes, one) {
		if (log_too || strcmp(one->name, "log") != 0)
			kill(one->pid, signal);
	}
}

static void failed(struct unit *unit, const struct process *process)
{
	uint64_t now = (uint64_t)time(NULL);

	unit->failures = unit->last_failure == now ? unit->failures + 1 : 1;
	unit->last_failure = now;
	if (process->up) {
		backoff_died(&unit->backoff);
		return;
	}
	backoff_failed(&unit->backoff);
	log_error("service(%s): command startup failed, throttling for "
		  "%llu.%03llu secs",
		  unit->name, (unsigned long long)unit->backoff.wait_ms / 1000,
		  (unsigned long long)unit->backoff.wait_ms % 1000);
}

/* In the words of the process itself, as far as the log goes: its name stands
 * in front, as with Dovecot. */
static bool log_end(const struct process *process, int status)
{
	bool bad = process_log_status(process->name, process->name,
				      process->pid, status);

	log_prefix_set("master");
	return bad;
}

void process_gone(struct master *master, struct process *process, int status)
{
	struct unit *unit = process->unit;
	bool bad = log_end(process, status);

	if (unit != NULL && unit->process == process) {
		unit->process = NULL;
		if (bad)
			failed(unit, process);
		if (master->stopping)
			;
		else if (bad)
			start_later(unit);
		else if (unit->set.process_min_avail > 0 || unit->lasting)
			unit_start(unit);
		else
			unit_watch(unit, true);
	}
	DL_DELETE(master->processes, process);
	channel_close(&process->channel);
	buf_free(&process->rows);
	mem_free(process);
	master_clients_update(master);
}
