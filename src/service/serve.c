/* SPDX-License-Identifier: MIT */
/*
 * service/serve.c - a process that takes connections itself, alone or as one
 * of several workers.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/pack.h"
#include "config/config.h"
#include "net/loop.h"
#include "net/sock.h"
#include "service/env.h"
#include "service/haproxy.h"
#include "service/wire.h"

enum {
	ACCEPT_BURST = 16, /* connections taken in one turn */
	ACCEPT_PAUSE_MS = 1000,
	IDLE_NEVER_MS = INT32_MAX,
};

static void accept_ready(void *ctx, unsigned events);

static void listen_for(struct service_env *env, bool on)
{
	if (env->listening == on)
		return;
	env->listening = on;
	for (unsigned i = 0; i < env->listener_count; i++) {
		struct served *one = &env->listeners[i];

		if (on)
			one->watch = watch_new(env->loop, one->fd, WATCH_READ,
					       accept_ready, one);
		else
			watch_free(&one->watch);
	}
}

void serve_close(struct service_env *env)
{
	for (unsigned i = 0; i < env->listener_count; i++) {
		watch_free(&env->listeners[i].watch);
		fd_close(&env->listeners[i].fd);
	}
	env->listener_count = 0;
	env->listening = false;
}

static void report(struct service_env *env, enum wire what)
{
	struct buf frame = buf_init(64);

	if (env->worker) {
		pack_u8(&frame, (uint8_t)what);
		process_row(&frame, getpid(), env->clients, env->client_limit,
			    env->total, env->idle_since);
		channel_send(&env->up, &frame, -1);
	}
	buf_free(&frame);
}

static bool used_up(const struct service_env *env)
{
	return env->set.service_count != 0 &&
	       env->total >= env->set.service_count;
}

/* It is full, but who knocks may get the place of another. */
static bool makes_room(const struct service_env *env)
{
	return env->service->make_room != NULL && !env->worker &&
	       !env->retired && !env->stopping && !used_up(env);
}

/* Whether more connections may come, after one came or went. */
static void update(struct service_env *env)
{
	bool full = env->retired || used_up(env) ||
		    env->clients >= env->client_limit;

	if (full == env->full)
		return;
	env->full = full;
	listen_for(env, !full || makes_room(env));
	report(env, full ? WIRE_FULL : WIRE_FREE);
	if (full && !env->worker && !env->retired)
		process_warn_limit(env, "client_limit", env->client_limit);
}

static void idle_long(void *ctx)
{
	struct service_env *env = ctx;

	if (env->clients > 0)
		return;
	/* A worker is told to go, if there are others; the master starts a
	 * service of one process again when it is needed. */
	if (env->worker)
		report(env, WIRE_IDLE);
	else if (env->set.process_min_avail == 0)
		serve_retire(env);
}

static void idle_begin(struct service_env *env)
{
	env->idle_since = (uint64_t)time(NULL);
	if (env->idle_kill.ms > IDLE_NEVER_MS)
		return;
	if (env->idle == NULL)
		env->idle =
			timer_new(env->loop, env->idle_kill, idle_long, env);
	else
		timer_reset(env->idle, env->idle_kill);
}

static void listen_again(void *ctx)
{
	struct service_env *env = ctx;

	timer_free(&env->idle);
	idle_begin(env);
	if (!env->full || makes_room(env))
		listen_for(env, true);
}

static void listen_later(struct service_env *env)
{
	listen_for(env, false);
	timer_free(&env->idle);
	env->idle = timer_new(env->loop, (struct duration){ACCEPT_PAUSE_MS},
			      listen_again, env);
}

static void client_new(struct service_env *env,
		       const struct service_client *client)
{
	env->clients++;
	env->total++;
	env->idle_since = 0;
	update(env);
	env->service->accept(env, client);
}

static void haproxy_done(void *ctx, const struct service_client *client)
{
	struct service_env *env = ctx;

	/* It was counted when it was accepted. */
	if (client == NULL)
		service_client_end(env);
	else
		env->service->accept(env, client);
}

static void accept_ready(void *ctx, unsigned)
{
	struct served *one = ctx;
	struct service_env *env = one->env;

	if (env->full) {
		env->service->make_room(env);
		/* Its last words may take a moment. */
		if (env->full)
			listen_later(env);
		return;
	}
	for (int i = 0; i < ACCEPT_BURST && env->listening && !env->full; i++) {
		struct service_client client = {.listener = &one->listener};
		struct err err;

		client.fd = sock_accept(one->fd, &client.local, &client.remote,
					&err);
		if (client.fd < 0) {
			/* Another worker was faster, or the client gave up. */
			if (errno == EAGAIN || errno == ECONNABORTED)
				return;
			log_error("%s", err.text);
			listen_later(env);
			return;
		}
		client.real_local = client.local;
		client.real_remote = client.remote;
		if (!one->listener.haproxy) {
			client_new(env, &client);
			continue;
		}
		env->clients++;
		env->total++;
		env->idle_since = 0;
		update(env);
		haproxy_start(env, env->loop, env->config, &client,
			      haproxy_done, env);
	}
}

void service_client_end(struct service_env *env)
{
	if (env->clients == 0)
		return;
	env->clients--;
	if (env->clients > 0) {
		update(env);
		return;
	}
	if (env->stopping || env->retired || used_up(env)) {
		loop_stop(env->loop);
		return;
	}
	idle_begin(env);
	update(env);
}

void serve_retire(struct service_env *env)
{
	if (env->retired || env->stopping)
		return;
	env->retired = true;
	update(env);
	serve_close(env);
	if (env->service->retire != NULL)
		env->service->retire(env);
	if (env->clients == 0)
		loop_stop(env->loop);
}

void service_take_no_more(struct service_env *env)
{
	serve_retire(env);
}

void serve_stop(struct service_env *env)
{
	if (env->stopping)
		return;
	env->stopping = true;
	serve_close(env);
	if (env->service->stop != NULL && env->clients > 0)
		env->service->stop(env, "Server shutting down.");
	if (env->service->stop == NULL || env->clients == 0)
		loop_stop(env->loop);
	else
		process_end_soon(env);
}

/* A new snapshot for a process that lives through reloads. */
static void take_config(struct service_env *env, int fd)
{
	struct config *config;
	struct err err;

	if (fd < 0)
		return;
	if (config_unseal(env, fd, env->name, &config, &err) < 0) {
		log_error("Can't read the new configuration: %s", err.text);
	} else {
		env->config = config;
		if (env->service->reload != NULL)
			env->service->reload(env);
	}
	close(fd);
}

void serve_command(struct service_env *env, struct str frame, int fd)
{
	struct buf reply = buf_init(64);

	switch (frame.len > 0 ? frame.data[0] : '\0') {
	case WIRE_RETIRE:
		serve_retire(env);
		break;
	case WIRE_STOP:
		serve_stop(env);
		break;
	case WIRE_ROOM:
		if (env->service->make_room != NULL && env->full &&
		    !env->service->make_room(env))
			report(env, WIRE_FULL);
		break;
	case WIRE_CONFIG:
		take_config(env, fd);
		return;
	case WIRE_ASK:
		pack_u8(&reply, WIRE_LIST);
		process_row(&reply, getpid(), env->clients, env->client_limit,
			    env->total, env->idle_since);
		channel_send(&env->up, &reply, -1);
		buf_free(&reply);
		break;
	default:
		if (env->service->control != NULL) {
			env->service->control(env, frame, fd);
			return;
		}
		break;
	}
	if (fd >= 0)
		close(fd);
}

int serve_run(struct service_env *env)
{
	struct err err;

	if (env->service->init != NULL && env->service->init(env, &err) < 0) {
		log_error("%s", err.text);
		return EXIT_FAILED;
	}
	if (sandbox_enter(sandbox_flags(env), &err) < 0) {
		log_error("%s", err.text);
		return EXIT_FAILED;
	}
	if (!env->worker)
		channel_send_type(&env->up, WIRE_UP);
	idle_begin(env);
	listen_for(env, true);
	loop_run(env->loop);
	return EXIT_SUCCESS;
}
