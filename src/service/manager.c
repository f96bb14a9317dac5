/* SPDX-License-Identifier: MIT */
/*
 * service/manager.c - clients on their way from login to a worker: who is it
 * (auth), may he (limits, anvil), and what login is told.
 */
#include "service/manager.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pack.h"
#include "config/config.h"
#include "net/loop.h"
#include "net/sock.h"
#include "service/privs.h"
#include "service/wire.h"

enum {
	REQUESTS_MAX = 4096,
	REQUESTS_OF_LINK = 1024, /* those of a process leave some to others */
	IDLE_NEVER_MS = INT32_MAX,
	HOLDERS_MAX = 2048, /* of a line in the log */
};

static const char internal_error[] =
	"Internal error occurred. Refer to server log for more information.";

/* answers */

static void reply(struct request *request, const struct handover_reply *answer)
{
	struct buf frame = buf_init(4096);

	handover_reply_pack(answer, &frame);
	if (request->link != NULL)
		link_send(request->link, &frame);
	buf_free(&frame);
}

/* It is on no list any more. */
static void request_free(struct request *request)
{
	request->manager->request_count--;
	if (request->link != NULL)
		request->link->request_count--;
	fd_close(&request->fd);
	if (request->input.cap > 0)
		mem_wipe(request->input.data, request->input.cap);
	if (request->frame.cap > 0)
		mem_wipe(request->frame.data, request->frame.cap);
	buf_free(&request->input);
	buf_free(&request->frame);
	mem_free(request);
}

void request_done(struct request *request, pid_t pid)
{
	struct manager *manager = request->manager;

	reply(request, &(struct handover_reply){.id = request->id,
						.ok = true,
						.pid = (uint32_t)pid,
						.message = STR(""),
						.code = STR("")});
	request_free(request);
	manager_check_end(manager);
}

void request_failed(struct request *request, const char *code,
		    const char *message)
{
	struct manager *manager = request->manager;

	reply(request, &(struct handover_reply){.id = request->id,
						.message = str_of(message),
						.code = str_of(code)});
	request_free(request);
	manager_check_end(manager);
}

/* Leave the list of those that wait for auth or anvil. */
static void request_take(struct request *request)
{
	DL_DELETE(request->manager->requests, request);
}

/* limits */

static unsigned userip_limit(struct request *request)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "limit");
	struct service_env *env = request->manager->env;
	struct config_filter filter = {
		.protocol = env->set.protocol,
		.local = request->handover.local,
		.remote = request->handover.remote,
	};
	struct base_settings set;
	struct err err;

	if (request->handover.remote.family == 0)
		return 0;
	if (config_read(ctx, env->config, &filter, base_settings, &set, &err) <
	    0) {
		log_error("%s", err.text);
		return env->base.mail_max_userip_connections;
	}
	return set.mail_max_userip_connections;
}

/* Whose the others are: what is left of a client that went away without a word,
 * or another program of the user's. */
static void log_holders(const struct request *request, const char *what)
{
	CLEANUP(buf_free) struct buf held = buf_init(HOLDERS_MAX);
	char ip[IP_TEXT_MAX];

	pool_holders(request->manager, request->user, &request->handover.remote,
		     &held);
	log_info("%s: user=<%s>, rip=%s, session=<%.*s>: held by %s", what,
		 request->user, ip_text(&request->handover.remote, ip),
		 STR_FMT(request->handover.session_id),
		 held.len > 0 ? held.data : "another process");
}

static void counted(void *ctx, unsigned count)
{
	struct request *request = ctx;
	unsigned limit = userip_limit(request);
	char text[128];

	request_take(request);
	if (count < limit) {
		pool_dispatch(request);
		return;
	}
	snprintf(text, sizeof(text),
		 "Maximum number of connections from user+IP exceeded "
		 "(mail_max_userip_connections=%u)",
		 limit);
	log_holders(request, text);
	request_failed(request, "[LIMIT]", text);
}

void request_admit(struct request *request)
{
	struct manager *manager = request->manager;

	if (userip_limit(request) == 0) {
		pool_dispatch(request);
		return;
	}
	DL_APPEND(manager->requests, request);
	anvil_count(manager->anvil, env_protocol(manager->env), request->user,
		    &request->handover.remote, counted, request);
}

/* auth */

static void pack_session(struct request *request, const struct account *account)
{
	struct handover *handover = &request->handover;
	struct buf *out = &request->frame;

	pack_u8(out, WIRE_SESSION);
	pack_u32(out, 0); /* the session's number, when it has one */
	account_pack(account, out);
	pack_ip(out, &handover->local);
	pack_ip(out, &handover->remote);
	pack_u32(out, handover->flags);
	pack_str(out, handover->session_id);
	pack_str(out, handover->tag);
	pack_str(out, handover->input);
}

static void refused(struct request *request, const struct err *err)
{
	if (err->code == ERR_DENIED) {
		request_failed(request, "[AUTHORIZATIONFAILED]", err->text);
		return;
	}
	/* auth has logged what it knows; this is what came of it. */
	log_error("Login failed: %s", err->text);
	request_failed(request, "[UNAVAILABLE]", internal_error);
}

/* "imap(alice): Error: ..." */
static void log_of_user(struct request *request, const char *user,
			const char *text)
{
	char *prefix = mem_printf(request, "%s(%s)",
				  request->manager->env->name, user);

	log_prefix_set(prefix);
	log_error("%s", text);
	log_prefix_set(NULL);
	mem_free(prefix);
}

static void authenticated(void *ctx, const struct account *account,
			  const struct err *why)
{
	struct request *request = ctx;
	struct manager *manager = request->manager;
	const char *app;
	struct err err;

	if (account == NULL) {
		request_take(request);
		refused(request, why);
		return;
	}
	request->key = privs_key(request, account, manager->env->config, &err);
	if (request->key == NULL ||
	    privs_check_root(account, manager->env->config, &err) < 0) {
		request_take(request);
		log_of_user(request, account->name, err.text);
		request_failed(request, "[UNAVAILABLE]", internal_error);
		return;
	}
	request->user = mem_strdup(request, account->name);
	app = account_field(account, "app_password");
	if (app != NULL)
		request->app = mem_strdup(request, app);
	pack_session(request, account);
	if (request->frame.overflow) {
		request_take(request);
		log_of_user(request, account->name, "userdb gave too much");
		request_failed(request, "[UNAVAILABLE]", internal_error);
		return;
	}
	request_take(request);
	request_admit(request);
}

static void ask_auth(struct request *request)
{
	struct handover *handover = &request->handover;
	char *sid = str_dup(request, handover->session_id);
	struct auth_request_info info = {
		.service = env_protocol(request->manager->env),
		.session_id = sid,
		.local = handover->local,
		.remote = handover->remote,
		.pid = getpid(),
	};

	auth_master_token(request->manager->auth, &handover->token, &info,
			  authenticated, request);
}

/* Anything else might make a worker wait, or never end. */
static bool is_stream(int fd)
{
	int type;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_STREAM;
}

bool request_handed(struct link *link, struct str frame, int fd)
{
	struct manager *manager = link->manager;
	struct request *request = mem_new(NULL, struct request);

	request->manager = manager;
	request->link = link;
	request->fd = fd;
	request->input = buf_init(FRAME_MAX);
	request->frame = buf_init(FRAME_MAX);
	buf_add_str(&request->input, frame);
	manager->request_count++;
	link->request_count++;
	if (!is_stream(fd) ||
	    !handover_unpack(str_n(request->input.data, request->input.len),
			     &request->handover)) {
		request_free(request);
		return false;
	}
	request->id = request->handover.id;
	if (manager->stopping || manager->request_count > REQUESTS_MAX ||
	    link->request_count > REQUESTS_OF_LINK) {
		request_failed(request, "[UNAVAILABLE]", internal_error);
		return true;
	}
	DL_APPEND(manager->requests, request);
	ask_auth(request);
	return true;
}

/* the end */

void manager_check_end(struct manager *manager)
{
	/* After a reload, login processes of before finish their logins with
	 * the auth and the manager of before: only those know their tokens. */
	if (!manager->leaving || manager->request_count > 0 ||
	    (manager->links != NULL && !manager->stopping))
		return;
	/* An auth of an old configuration waits for us to go. */
	mem_free(manager->auth);
	manager->auth = NULL;
	if (manager->workers == NULL)
		loop_stop(manager->env->loop);
}

static void leave(struct manager *manager, bool stop)
{
	serve_close(manager->env);
	manager->leaving = true;
	timer_free(&manager->idle);
	if (stop && !manager->stopping) {
		manager->stopping = true;
		wait_stop(manager);
		pool_stop(manager);
		process_end_soon(manager->env);
	} else {
		pool_end_idle(manager, true);
	}
	manager_check_end(manager);
}

static void idle(void *ctx)
{
	struct manager *manager = ctx;
	struct service_env *env = manager->env;

	pool_end_idle(manager, false);
	if (manager->workers == NULL && manager->links == NULL &&
	    manager->request_count == 0 && env->set.process_min_avail == 0) {
		loop_stop(env->loop);
		return;
	}
	timer_reset(manager->idle, env->idle_kill);
}

static void answer_list(struct manager *manager)
{
	struct buf frame = buf_init(FRAME_MAX);
	struct err err;

	pack_u8(&frame, WIRE_LIST);
	pool_list(manager, &frame);
	frame_send(manager->master, frame.data, frame.len, -1, &err);
	buf_free(&frame);
}

static void zygote_says(struct manager *manager, struct str frame)
{
	struct unpack in = {.in = frame};
	pid_t pid;

	switch (unpack_u8(&in)) {
	case WIRE_PID:
		pool_forked(manager, (pid_t)unpack_u32(&in));
		break;
	case WIRE_DIED:
		pid = (pid_t)unpack_u32(&in);
		pool_died(manager, pid, (int)unpack_u32(&in));
		break;
	case WIRE_RETIRE:
		leave(manager, false);
		break;
	case WIRE_STOP:
		leave(manager, true);
		break;
	case WIRE_ASK:
		answer_list(manager);
		break;
	default:
		break;
	}
}

static void zygote_readable(void *ctx, unsigned)
{
	struct manager *manager = ctx;
	struct str frame;
	int fd, ret;

	while ((ret = channel_next(&manager->zygote, &frame, &fd)) > 0) {
		fd_close(&fd);
		zygote_says(manager, frame);
		channel_done(&manager->zygote, frame);
	}
	/* Nobody to fork for us: what is there goes on. */
	if (ret < 0) {
		channel_close(&manager->zygote);
		manager->drop =
			timer_new(manager->env->loop, (struct duration){0},
				  links_drop, manager);
		leave(manager, false);
	}
}

int manager_run(struct service_env *env, int zygote, int master)
{
	struct manager *manager = mem_new(env, struct manager);
	unsigned char up = WIRE_UP;
	struct err err;

	env->role = manager;
	manager->env = env;
	manager->master = master;
	channel_open(&manager->zygote, env->loop, zygote, zygote_readable,
		     manager);
	manager->auth = auth_master_new(
		manager, env->loop,
		service_socket_path(manager, env, "auth-master"));
	manager->anvil = anvil_new(manager, env->loop,
				   service_socket_path(manager, env, "anvil"));
	if (env->idle_kill.ms <= IDLE_NEVER_MS)
		manager->idle =
			timer_new(env->loop, env->idle_kill, idle, manager);
	title_set("manager");
	/* Login processes talk to us: we run no programs, reach no network and
	 * become nobody. Files only because users may be given by name. */
	if (sandbox_enter(SANDBOX_FILES | SANDBOX_UNIX, &err) < 0) {
		log_error("%s", err.text);
		return EXIT_FAILED;
	}
	pool_ensure_spare(manager);
	links_listen(manager);
	frame_send(master, &up, 1, -1, &err);
	loop_run(env->loop);
	return EXIT_SUCCESS;
}
