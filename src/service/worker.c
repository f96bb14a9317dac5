/* SPDX-License-Identifier: MIT */
/*
 * service/worker.c - a process that serves sessions of one mail user.
 */
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pack.h"
#include "config/config.h"
#include "net/loop.h"
#include "service/env.h"
#include "service/handover.h"
#include "service/privs.h"
#include "service/wire.h"

enum {
	REST_MS = 500,           /* after which no session is expected soon */
	FREE_KEPT = 1024 * 1024, /* for the next one */
};

static struct session *session_read(struct service_env *env, struct unpack *in,
				    int fd)
{
	struct session *session = mem_new(env, struct session);
	struct service_session *public = &session->public;
	struct str text;
	uint32_t flags;

	session->id = unpack_u32(in);
	session->account = account_unpack(session, in);
	if (session->account == NULL || !unpack_ip(in, &public->local) ||
	    !unpack_ip(in, &public->remote)) {
		mem_free(session);
		return NULL;
	}
	flags = unpack_u32(in);
	public->fd = fd;
	public->account = session->account;
	public->secured = (flags & HANDOVER_SECURED) != 0;
	public->tls = (flags & HANDOVER_TLS) != 0;
	public->session_id = str_dup(session, unpack_str(in));
	text = unpack_str(in);
	public->tag = str_n(str_dup(session, text), text.len);
	text = unpack_str(in);
	public->input =
		str_n(mem_memdup(session, text.data, text.len), text.len);
	if (in->bad) {
		mem_free(session);
		return NULL;
	}
	return session;
}

/* Before the first session: become its user, for good. */
static int settle(struct service_env *env, const struct account *account,
		  struct err *err)
{
	if (privs_drop(account, env->config, err) < 0)
		return err_wrap(err, "user %s", account->name);
	if (env->service->init != NULL && env->service->init(env, err) < 0)
		return -1;
	return sandbox_enter(sandbox_flags(env), err);
}

static void begin(struct service_env *env, struct session *session)
{
	DL_APPEND(env->sessions, session);
	env->clients++;
	env->total++;
	env->service->start(env, &session->public);
}

static void session_start(struct service_env *env, struct unpack *in, int fd)
{
	struct session *session = session_read(env, in, fd);
	struct err err;

	if (session == NULL) {
		log_error("Malformed session from the manager");
		fd_close(&fd);
		return;
	}
	if (env->total == 0 && settle(env, session->account, &err) < 0) {
		log_error("%s", err.text);
		close(fd);
		exit(EXIT_FAILED);
	}
	begin(env, session);
}

static void check_end(struct service_env *env)
{
	if (env->clients == 0 && (env->stopping || env->retired))
		loop_stop(env->loop);
}

static void end(struct service_env *env, struct session *session)
{
	struct buf frame = buf_init(16);

	pack_u8(&frame, WIRE_ENDED);
	pack_u32(&frame, session->id);
	channel_send(&env->up, &frame, -1);
	buf_free(&frame);
	DL_DELETE(env->sessions, session);
	mem_free(session);
	env->clients--;
	log_prefix_set(NULL);
	title_set("");
	check_end(env);
	if (env->clients == 0 && env->rest != NULL)
		timer_reset(env->rest, (struct duration){.ms = REST_MS});
}

void service_session_end_of(struct service_env *env,
			    const struct service_session *public)
{
	struct session *one, *next;

	DL_FOREACH_SAFE(env->sessions, one, next)
	{
		if (&one->public == public)
			end(env, one);
	}
}

static void retire(struct service_env *env)
{
	if (!env->retired && env->clients > 0 && env->service->retire != NULL)
		env->service->retire(env);
	env->retired = true;
	check_end(env);
}

void worker_stop(struct service_env *env)
{
	if (env->stopping)
		return;
	env->stopping = true;
	/* It may take a while, and was not the manager's idea (doveadm kick).
	 */
	channel_send_type(&env->up, WIRE_RETIRE);
	if (env->clients > 0 && env->service->stop != NULL)
		env->service->stop(env, "Server shutting down.");
	else
		loop_stop(env->loop);
	process_end_soon(env);
	check_end(env);
}

static void told(struct service_env *env, struct str frame, int fd)
{
	struct unpack in = {.in = frame};

	switch (unpack_u8(&in)) {
	case WIRE_SESSION:
		session_start(env, &in, fd);
		return;
	case WIRE_RETIRE:
		retire(env);
		break;
	case WIRE_STOP:
		worker_stop(env);
		break;
	default:
		break;
	}
	fd_close(&fd);
}

static void manager_readable(void *ctx, unsigned)
{
	struct service_env *env = ctx;
	struct str frame;
	int fd, ret = channel_next(&env->up, &frame, &fd);

	if (ret > 0) {
		told(env, frame, fd);
		channel_done(&env->up, frame);
	} else if (ret < 0) {
		/* Sessions end in peace without him. */
		channel_close(&env->up);
		retire(env);
	}
}

/* What one session needed is not all kept for the next. */
static void rest(void *ctx)
{
	struct service_env *env = ctx;

	if (env->clients == 0)
		mem_trim_above(FREE_KEPT);
}

int worker_run(struct service_env *env, int manager)
{
	process_limit_memory(env);
	title_set("");
	channel_open(&env->up, env->loop, manager, manager_readable, env);
	env->rest = timer_new(env->loop, (struct duration){.ms = REST_MS}, rest,
			      env);
	loop_run(env->loop);
	timer_free(&env->rest);
	return EXIT_SUCCESS;
}

int worker_alone(struct service_env *env, const struct service_session *public,
		 struct err *err)
{
	struct session *session = mem_new(env, struct session);

	session->public = *public;
	process_limit_memory(env);
	if (settle(env, public->account, err) < 0)
		return -1;
	env->retired = true; /* it is the only one */
	begin(env, session);
	if (env->clients > 0)
		loop_run(env->loop);
	return 0;
}
