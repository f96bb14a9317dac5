/* SPDX-License-Identifier: MIT */
/*
 * service/run.c - what every process of a service does at start.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pack.h"
#include "config/config.h"
#include "net/loop.h"
#include "net/sock.h"
#include "service/env.h"
#include "service/wire.h"

enum { START_WAIT_MS = 10 * 1000, LISTENERS_MAX = 1024 };

/* for the service's code */

struct loop *service_loop(struct service_env *env)
{
	return env->loop;
}

const struct config *service_config(struct service_env *env)
{
	return env->config;
}

void service_may(struct service_env *env, unsigned sandbox)
{
	env->sandbox |= sandbox;
}

/* In a chroot, only what is below it can be reached, from its root. */
char *service_socket_path(const void *ctx, struct service_env *env,
			  const char *name)
{
	const char *root = env->set.chroot;
	size_t len = strlen(root);

	if (name[0] == '/')
		return mem_strdup(ctx, name);
	if (env->chrooted && strncmp(name, root, len) == 0 && name[len] == '/')
		return mem_strdup(ctx, name + len);
	if (env->chrooted)
		return mem_printf(ctx, "/%s", name);
	return mem_printf(ctx, "%s/%s", env->base.base_dir, name);
}

void service_title(struct service_env *env, const char *fmt, ...)
{
	char *text;
	va_list args;

	if (!env->base.verbose_proctitle)
		return;
	va_start(args, fmt);
	text = mem_vprintf(env, fmt, args);
	va_end(args);
	title_set(text);
	mem_free(text);
}

char *service_session_id(const void *ctx)
{
	struct buf text = buf_init(32);
	uint64_t now = clock_real_us();
	unsigned char id[12];

	random_fill(id, sizeof(id));
	for (size_t i = 0; i < 6; i++)
		id[i] = (unsigned char)(now >> (8 * i));
	base64_encode(str_n(id, sizeof(id)), &text);
	return buf_steal(ctx, &text);
}

/* at start */

/* The settings of this service, with the general limits where it has none. */
static int read_settings(struct service_env *env, struct err *err)
{
	const struct config_section *at = NULL;

	if (config_read(env, env->config, NULL, base_settings, &env->base,
			err) < 0)
		return -1;
	while ((at = config_section_next(env->config, NULL, "service", at)) !=
	       NULL) {
		if (strcmp(at->name, env->name) == 0)
			break;
	}
	if (at == NULL)
		return err_set(err, ERR_NOT_FOUND, "service(%s) is unknown",
			       env->name);
	if (config_read_section(env, at, service_settings, &env->set, err) < 0)
		return -1;
	env->client_limit = env->set.client_limit;
	if (env->client_limit == 0)
		env->client_limit = env->base.default_client_limit;
	env->process_limit = env->set.process_limit;
	if (env->process_limit == 0)
		env->process_limit = env->base.default_process_limit;
	env->idle_kill = env->set.idle_kill;
	if (env->idle_kill.ms == 0)
		env->idle_kill = env->base.default_idle_kill;
	return 0;
}

static int read_listeners(struct service_env *env, struct unpack *in,
			  struct err *err)
{
	uint32_t count = unpack_u32(in);

	if (in->bad || count > LISTENERS_MAX)
		return err_set(err, ERR_INVALID, "Malformed start message");
	env->listeners = mem_array(env, struct served, count);
	env->listener_count = count;
	for (uint32_t i = 0; i < count; i++) {
		struct served *one = &env->listeners[i];
		struct str path;
		uint8_t flags;

		one->env = env;
		one->fd = WIRE_LISTEN_FD + (int)i;
		one->listener.name = str_dup(env, unpack_str(in));
		path = unpack_str(in);
		flags = unpack_u8(in);
		one->listener.path = path.len > 0 ? str_dup(env, path) : NULL;
		one->listener.ssl = (flags & WIRE_LISTENER_SSL) != 0;
		one->listener.haproxy = (flags & WIRE_LISTENER_HAPROXY) != 0;
	}
	return in->bad ? err_set(err, ERR_INVALID, "Malformed start message")
		       : 0;
}

static int read_start(struct service_env *env, struct err *err)
{
	CLEANUP(buf_free) struct buf frame = buf_init(FRAME_MAX + 4);
	struct unpack in;
	size_t len;
	int fd = -1;

	if (frame_wait(WIRE_CONTROL_FD, &frame, &fd, &len, START_WAIT_MS, err) <
	    0)
		return -1;
	fd_close(&fd);
	in.in = str_n(frame.data + 4, len);
	in.bad = false;
	if (unpack_u8(&in) != WIRE_START)
		return err_set(err, ERR_INVALID, "Malformed start message");
	return read_listeners(env, &in, err);
}

/* master and signals */

static bool post_login(const struct service_env *env)
{
	return env->service->start != NULL;
}

static void command(struct service_env *env, struct str frame, int fd)
{
	if (frame.len > 0 && frame.data[0] == WIRE_RETIRE)
		env->let_go = true;
	if (env->role == NULL) {
		serve_command(env, frame, fd);
		return;
	}
	fd_close(&fd);
	if (post_login(env))
		zygote_command(env, frame);
	else
		template_command(env, frame);
}

static void told(struct service_env *env, unsigned char what)
{
	command(env, str_n(&what, 1), -1);
}

static void up_readable(void *ctx, unsigned)
{
	struct service_env *env = ctx;
	struct str frame;
	int fd, ret = channel_next(&env->up, &frame, &fd);

	if (ret > 0) {
		command(env, frame, fd);
		channel_done(&env->up, frame);
	} else if (ret < 0) {
		channel_close(&env->up);
		if (env->let_go)
			return;
		/* Without a template, clients are served to their end; without
		 * the master, all ends. */
		told(env, env->worker ? WIRE_RETIRE : WIRE_STOP);
	}
}

static void on_signal(void *ctx, unsigned)
{
	struct service_env *env = ctx;

	if (!env->worker)
		told(env, WIRE_STOP);
	else if (post_login(env) && env->role == NULL)
		worker_stop(env);
	else if (env->role == NULL)
		serve_stop(env);
	else
		loop_stop(env->loop); /* the manager */
}

void env_set_signals(struct service_env *env)
{
	static const int ignored[] = {SIGPIPE, SIGHUP, SIGUSR1, SIGUSR2,
				      SIGALRM};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	env->signals[0] = watch_signal(env->loop, SIGTERM, on_signal, env);
	env->signals[1] = watch_signal(env->loop, SIGINT, on_signal, env);
}

static void raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_debug("setrlimit(RLIMIT_NOFILE): %s", strerror(errno));
}

/* It holds private keys and passwords of people who are logging in. */
static void keep_secrets(const struct service_env *env)
{
#ifndef SANITIZERS
	if (strcmp(env->set.type, "login") == 0 &&
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		log_warning("prctl(PR_SET_DUMPABLE): %s", strerror(errno));
#else
	(void)env;
#endif
}

/* a worker of a template */

int worker_serve(struct service_env *env, int template)
{
	channel_open(&env->up, env->loop, template, up_readable, env);
	process_limit_memory(env);
	keep_secrets(env);
	title_set("");
	return serve_run(env);
}

/* the process that the master started */

static int start(struct service_env *env, struct err *err)
{
	if (config_open(env, NULL, &env->config, err) < 0 ||
	    read_settings(env, err) < 0 || read_start(env, err) < 0)
		return -1;
	close(WIRE_CONFIG_FD);
	raise_files();
	env->loop = loop_new();
	env_set_signals(env);
	channel_open(&env->up, env->loop, WIRE_CONTROL_FD, up_readable, env);
	if (env->service->preload != NULL &&
	    env->service->preload(env, err) < 0)
		return -1;
	/* Of a post-login service, each worker becomes its user's. */
	return post_login(env) ? 0 : process_privileges(env, err);
}

static int run(struct service_env *env)
{
	if (post_login(env)) {
		title_set("zygote");
		return zygote_run(env);
	}
	if (env->process_limit > 1) {
		title_set("template");
		return template_run(env);
	}
	process_limit_memory(env);
	keep_secrets(env);
	return serve_run(env);
}

int service_run(const struct service *service, int argc, char **argv)
{
	struct service_env *env = mem_new(NULL, struct service_env);
	const char *name = getenv("DOVETAIL_SERVICE");
	struct err err;
	int ret;

	env->service = service;
	if (name == NULL) {
		log_open(service->name, LOG_TO_STDERR);
		env->name = service->name;
		if (post_login(env))
			return alone_run(env, argc, argv);
		log_fatal(EXIT_FAILED,
			  "This program is started by dovetail(8)");
	}
	env->name = mem_strdup(env, name);
	log_open(env->name, LOG_TO_PROCESS);
	title_init(argc, argv);
	if (start(env, &err) < 0)
		log_fatal(EXIT_FAILED, "%s", err.text);
	ret = run(env);
	channel_close(&env->up);
	return ret;
}
