/* SPDX-License-Identifier: MIT */
/*
 * service/zygote.c - the parent of a post-login service's workers.
 *
 * It forks the manager and then, for the manager, workers. It never sees a
 * session, so what a worker inherits from it holds nothing of other users.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pack.h"
#include "net/loop.h"
#include "net/sock.h"
#include "service/env.h"
#include "service/wire.h"

enum { KILL_WAIT_MS = STOP_WAIT_MS + 1000 };

struct child {
	pid_t pid;
	struct child *prev, *next;
};

struct zygote {
	struct service_env *env;
	struct channel manager;
	pid_t manager_pid;
	struct child *children;
	struct watch *signal;
	struct timer *kill;
	bool leaving, failed;
};

static void forget_all(struct zygote *zygote)
{
	struct service_env *env = zygote->env;

	channel_close(&zygote->manager);
	watch_free(&zygote->signal);
	timer_free(&zygote->kill);
	mem_free(zygote);
	env->role = NULL;
}

static void answer_pid(struct zygote *zygote, pid_t pid)
{
	struct buf frame = buf_init(16);

	pack_u8(&frame, WIRE_PID);
	pack_u32(&frame, pid > 0 ? (uint32_t)pid : 0);
	channel_send(&zygote->manager, &frame, -1);
	buf_free(&frame);
}

static void fork_worker(struct zygote *zygote, int fd)
{
	struct service_env *env = zygote->env;
	struct child *child;
	pid_t pid = process_fork(env);

	if (pid == 0) {
		forget_all(zygote);
		serve_close(env);
		exit(worker_run(env, fd));
	}
	close(fd);
	answer_pid(zygote, pid);
	if (pid > 0) {
		child = mem_new(zygote, struct child);
		child->pid = pid;
		DL_APPEND(zygote->children, child);
	}
}

static void take_frames(void *ctx)
{
	struct zygote *zygote = ctx;
	struct str frame;
	int fd, ret;

	while ((ret = channel_next(&zygote->manager, &frame, &fd)) > 0) {
		if (fd >= 0 && frame.len > 0 && frame.data[0] == WIRE_FORK)
			fork_worker(zygote, fd);
		else if (fd >= 0)
			close(fd);
		channel_done(&zygote->manager, frame);
	}
	/* He closes his sockets before one can wait for him: child_ended(). */
	if (ret < 0)
		channel_close(&zygote->manager);
}

/* Forking is not for callbacks (loop_outside()). */
static void manager_readable(void *ctx, unsigned)
{
	struct zygote *zygote = ctx;

	loop_outside(zygote->env->loop, take_frames, zygote);
}

static void child_ended(struct zygote *zygote, pid_t pid, bool failed)
{
	struct child *one, *next;

	if (pid == zygote->manager_pid) {
		/* The workers have lost him too and end with their sessions;
		 * the master starts anew. */
		zygote->manager_pid = 0;
		zygote->failed = failed;
		loop_stop(zygote->env->loop);
	}
	DL_FOREACH_SAFE(zygote->children, one, next)
	{
		if (one->pid == pid) {
			DL_DELETE(zygote->children, one);
			mem_free(one);
		}
	}
}

/* The manager knows whom a worker served; the line is his. */
static bool tell_manager(struct zygote *zygote, pid_t pid, int status)
{
	struct buf frame = buf_init(16);
	bool told;

	pack_u8(&frame, WIRE_DIED);
	pack_u32(&frame, (uint32_t)pid);
	pack_u32(&frame, (uint32_t)status);
	told = pid != zygote->manager_pid &&
	       channel_send(&zygote->manager, &frame, -1);
	buf_free(&frame);
	return told;
}

static void reap(struct zygote *zygote)
{
	const char *name = zygote->env->name;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		bool failed = status != 0;

		if (failed && !tell_manager(zygote, pid, status))
			process_log_status(name, name, pid, status);
		child_ended(zygote, pid, failed);
	}
}

static void on_child(void *ctx, unsigned)
{
	reap(ctx);
}

static void kill_rest(void *ctx)
{
	struct zygote *zygote = ctx;
	struct child *one;

	DL_FOREACH (zygote->children, one) {
		log_error("service(%s): child %d did not end: killing it",
			  zygote->env->name, (int)one->pid);
		kill(one->pid, SIGKILL);
	}
	if (zygote->manager_pid > 0)
		kill(zygote->manager_pid, SIGKILL);
	loop_stop(zygote->env->loop);
}

/* What the master says is for the manager, who answers himself. */
void zygote_command(struct service_env *env, struct str frame)
{
	struct zygote *zygote = env->role;
	struct buf copy = buf_init(16);

	buf_add_str(&copy, frame);
	channel_send(&zygote->manager, &copy, -1);
	buf_free(&copy);
	if (frame.len > 0 && frame.data[0] == WIRE_STOP && zygote->kill == NULL)
		zygote->kill =
			timer_new(env->loop, (struct duration){KILL_WAIT_MS},
				  kill_rest, zygote);
}

static int start_manager(struct zygote *zygote)
{
	struct service_env *env = zygote->env;
	struct err err;
	int fds[2], up;

	if (sock_pair(fds, &err) < 0) {
		log_error("%s", err.text);
		return -1;
	}
	/* The manager answers the master itself. */
	up = dup(env->up.fd);
	zygote->manager_pid = process_fork(env);
	if (zygote->manager_pid == 0) {
		close(fds[0]);
		forget_all(zygote);
		exit(manager_run(env, fds[1], up));
	}
	close(fds[1]);
	close(up);
	if (zygote->manager_pid < 0) {
		close(fds[0]);
		return -1;
	}
	channel_open(&zygote->manager, env->loop, fds[0], manager_readable,
		     zygote);
	return 0;
}

int zygote_run(struct service_env *env)
{
	struct zygote *zygote = mem_new(env, struct zygote);
	struct err err;

	zygote->env = env;
	env->role = zygote;
	if (sandbox_prepare(env->service->sandbox, &err) < 0) {
		log_error("%s", err.text);
		return EXIT_FAILED;
	}
	zygote->signal = watch_signal(env->loop, SIGCHLD, on_child, zygote);
	if (start_manager(zygote) < 0)
		return EXIT_FAILED;
	/* Nothing but the manager answers here. */
	serve_close(env);
	loop_run(env->loop);
	reap(zygote);
	return zygote->failed ? EXIT_FAILED : EXIT_SUCCESS;
}
