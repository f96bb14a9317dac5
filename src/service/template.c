/* SPDX-License-Identifier: MIT */
/*
 * service/template.c - the parent of workers that accept connections.
 *
 * It looks at the listeners itself only while no worker has room, to fork
 * another one; it never accepts.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pack.h"
#include "net/loop.h"
#include "net/sock.h"
#include "service/env.h"
#include "service/wire.h"

enum {
	KILL_WAIT_MS = STOP_WAIT_MS + 1000,
	IDLE_NEVER_MS = INT32_MAX,
	ROOM_WAIT_MS = 1000,
};

struct worker {
	struct template *template;
	pid_t pid;
	struct channel channel;
	bool full, asked, leaving;
	unsigned clients, total;
	uint64_t idle_since;
	struct worker *prev, *next;
};

struct template
{
	struct service_env *env;
	struct worker *workers;
	unsigned count;
	bool watching;
	bool waiting;     /* somebody is at the door */
	bool dropped;     /* ... and there is no room for him */
	unsigned refused; /* workers that could make no room for him */
	bool leaving, asked;
	struct backoff backoff;
	struct timer *retry, *idle, *kill;
	struct watch *child;
};

static void ensure(struct template *template);

static void knock(void *ctx, unsigned events);

static void watch_listeners(struct template *template, bool on)
{
	struct service_env *env = template->env;

	if (template->watching == on)
		return;
	template->watching = on;
	for (unsigned i = 0; i < env->listener_count; i++) {
		struct served *one = &env->listeners[i];

		if (on)
			one->watch = watch_new(env->loop, one->fd, WATCH_READ,
					       knock, one);
		else
			watch_free(&one->watch);
	}
}

static void delay(struct template *template, uint64_t ms);

/* One worker after the other, until one makes room. */
static void ask_room(struct template *template)
{
	struct worker *one = template->workers;

	if (template->env->service->make_room == NULL || one == NULL)
		return;
	DL_DELETE(template->workers, one);
	DL_APPEND(template->workers, one);
	channel_send_type(&one->channel, WIRE_ROOM);
	delay(template, ROOM_WAIT_MS);
}

static void knock(void *ctx, unsigned)
{
	struct served *one = ctx;
	struct service_env *env = one->env;
	struct template *template = env->role;

	if (template->count >= env->process_limit) {
		process_warn_limit(env, "process_limit", env->process_limit);
		template->dropped = true;
		ask_room(template);
	}
	template->waiting = true;
	ensure(template);
}

/* a worker's words */

static void answer_list(struct template *template)
{
	struct buf frame = buf_init(64 * 1024);
	struct worker *one;

	DL_FOREACH (template->workers, one) {
		if (one->asked) {
			buf_free(&frame);
			return;
		}
	}
	template->asked = false;
	pack_u8(&frame, WIRE_LIST);
	DL_FOREACH (template->workers, one) {
		process_row(&frame, one->pid, one->clients,
			    template->env->client_limit, one->total,
			    one->idle_since);
	}
	channel_send(&template->env->up, &frame, -1);
	buf_free(&frame);
}

static void worker_free(struct worker *worker)
{
	struct template *template = worker->template;

	DL_DELETE(template->workers, worker);
	channel_close(&worker->channel);
	mem_free(worker);
	template->count--;
	template->dropped = false;
}

static void end_idle(void *ctx)
{
	struct template *template = ctx;

	if (template->count == 0)
		loop_stop(template->env->loop);
}

static void after_loss(struct template *template)
{
	struct service_env *env = template->env;

	if (template->asked)
		answer_list(template);
	if (template->count == 0 && template->leaving) {
		loop_stop(env->loop);
		return;
	}
	/* The master will wake us again; until then it needs no process. */
	if (template->count == 0 && env->set.process_min_avail == 0 &&
	    env->idle_kill.ms <= IDLE_NEVER_MS) {
		timer_free(&template->idle);
		template->idle = timer_new(env->loop, env->idle_kill, end_idle,
					   template);
	}
	ensure(template);
}

static unsigned available(const struct template *template)
{
	unsigned count = 0;

	for (const struct worker *one = template->workers; one != NULL;
	     one = one->next)
		count += !one->full && !one->leaving;
	return count;
}

static void told_idle(struct worker *worker)
{
	struct template *template = worker->template;
	unsigned keep = template->env->set.process_min_avail;

	if (worker->full || worker->leaving || available(template) <= keep)
		return;
	worker->leaving = true;
	channel_send_type(&worker->channel, WIRE_RETIRE);
}

static void told(struct worker *worker, struct str frame)
{
	struct template *template = worker->template;
	struct unpack in = {.in = frame};
	uint8_t type = unpack_u8(&in);

	unpack_u32(&in);
	worker->clients = unpack_u32(&in);
	unpack_u32(&in);
	worker->total = unpack_u32(&in);
	worker->idle_since = unpack_u64(&in);
	if (in.bad)
		return;
	if (type == WIRE_FULL && worker->full) { /* what we asked for */
		if (template->dropped && ++template->refused < template->count)
			ask_room(template);
	} else if (type == WIRE_FULL || type == WIRE_FREE) {
		worker->full = type == WIRE_FULL;
		template->dropped = false;
		template->refused = 0;
		ensure(template);
	} else if (type == WIRE_IDLE) {
		told_idle(worker);
	} else if (type == WIRE_LIST && worker->asked) {
		worker->asked = false;
		answer_list(template);
	}
}

static void worker_readable(void *ctx, unsigned)
{
	struct worker *worker = ctx;
	struct str frame;
	int fd, ret = channel_next(&worker->channel, &frame, &fd);

	/* One a turn: who never stops talking must not keep us from others. */
	if (ret > 0) {
		fd_close(&fd);
		told(worker, frame);
		channel_done(&worker->channel, frame);
	}
	if (ret < 0) {
		struct template *template = worker->template;

		worker_free(worker);
		after_loss(template);
	}
}

/* forking */

_Noreturn static void be_worker(struct template *template, int fd)
{
	struct service_env *env = template->env;

	watch_listeners(template, false);
	while (template->workers != NULL)
		worker_free(template->workers);
	timer_free(&template->retry);
	timer_free(&template->idle);
	watch_free(&template->child);
	mem_free(template);
	env->role = NULL;
	exit(worker_serve(env, fd));
}

static int fork_worker(struct template *template)
{
	struct service_env *env = template->env;
	struct worker *worker;
	struct err err;
	int fds[2];
	pid_t pid;

	if (sock_pair(fds, &err) < 0) {
		log_error("%s", err.text);
		return -1;
	}
	pid = process_fork(env);
	if (pid == 0) {
		close(fds[0]);
		be_worker(template, fds[1]);
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return -1;
	}
	worker = mem_new(template, struct worker);
	worker->template = template;
	worker->pid = pid;
	channel_open(&worker->channel, env->loop, fds[0], worker_readable,
		     worker);
	DL_APPEND(template->workers, worker);
	template->count++;
	return 0;
}

static void try_again(void *ctx)
{
	struct template *template = ctx;

	timer_free(&template->retry);
	template->dropped = false;
	template->refused = 0;
	ensure(template);
}

static void delay(struct template *template, uint64_t ms)
{
	watch_listeners(template, false);
	/* What was asked a second ago is no measure for who was asked now. */
	timer_free(&template->retry);
	template->retry = timer_new(template->env->loop, (struct duration){ms},
				    try_again, template);
}

/* As many workers as should be there; none more than may. */
static void ensure_outside(void *ctx)
{
	struct template *template = ctx;
	struct service_env *env = template->env;
	unsigned want = env->set.process_min_avail;
	unsigned have = available(template);
	uint64_t ms = backoff_left_ms(&template->backoff);

	if (template->leaving)
		return;
	if (want == 0 && template->waiting)
		want = 1;
	if (have < want && ms > 0) {
		delay(template, ms);
		return;
	}
	while (have < want && template->count < env->process_limit) {
		if (fork_worker(template) < 0) {
			backoff_failed(&template->backoff);
			delay(template, backoff_left_ms(&template->backoff));
			return;
		}
		have++;
	}
	if (have > 0)
		template->waiting = false;
	watch_listeners(template, have == 0 && !template->dropped);
}

/* Forking is not for callbacks (loop_outside()). */
static void ensure(struct template *template)
{
	loop_outside(template->env->loop, ensure_outside, template);
}

static void child_ended(void *ctx, pid_t, bool failed)
{
	struct template *template = ctx;

	if (failed && !template->leaving)
		backoff_died(&template->backoff);
}

static void on_child(void *ctx, unsigned)
{
	struct template *template = ctx;

	process_reap(template->env, child_ended, template);
	ensure(template);
}

/* the master's words */

static void kill_rest(void *ctx)
{
	struct template *template = ctx;
	struct worker *one;

	DL_FOREACH (template->workers, one) {
		log_error("service(%s): child %d did not end: killing it",
			  template->env->name, (int)one->pid);
		kill(one->pid, SIGKILL);
	}
	loop_stop(template->env->loop);
}

static void leave(struct template *template, enum wire how)
{
	struct worker *one;

	template->leaving = true;
	serve_close(template->env);
	timer_free(&template->retry);
	DL_FOREACH (template->workers, one)
		channel_send_type(&one->channel, (unsigned char)how);
	if (template->count == 0)
		loop_stop(template->env->loop);
	else if (how == WIRE_STOP && template->kill == NULL)
		template->kill = timer_new(template->env->loop,
					   (struct duration){KILL_WAIT_MS},
					   kill_rest, template);
}

void template_command(struct service_env *env, struct str frame)
{
	struct template *template = env->role;
	struct worker *one;

	switch (frame.len > 0 ? frame.data[0] : '\0') {
	case WIRE_RETIRE:
	case WIRE_STOP:
		leave(template, (enum wire)frame.data[0]);
		break;
	case WIRE_ASK:
		template->asked = true;
		DL_FOREACH (template->workers, one) {
			one->asked = channel_send_type(&one->channel, WIRE_ASK);
		}
		answer_list(template);
		break;
	default:
		break;
	}
}

int template_run(struct service_env *env)
{
	struct template *template = mem_new(env, struct template);
	struct err err;

	template->env = env;
	env->role = template;
	if (sandbox_prepare(sandbox_flags(env), &err) < 0) {
		log_error("%s", err.text);
		return EXIT_FAILED;
	}
	template->child = watch_signal(env->loop, SIGCHLD, on_child, template);
	channel_send_type(&env->up, WIRE_UP);
	/* The master started us because somebody came, or for min_avail. */
	template->waiting = true;
	ensure(template);
	loop_run(env->loop);
	process_reap(env, child_ended, template);
	return EXIT_SUCCESS;
}
