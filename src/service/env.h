/* SPDX-License-Identifier: MIT */
/*
 * service/env.h - what the files of service/ share: a process of a service.
 *
 * Shapes of a service:
 *  - process_limit = 1 and accept(): the process that the master started
 *    serves (serve.c).
 *  - accept() with more processes: it is the template (template.c), whose
 *    forked workers serve and share the listeners.
 *  - start(): it is the zygote (zygote.c), which forks and knows nothing: the
 *    manager (manager.c), who takes clients from login, and workers
 *    (worker.c), who get sessions from the manager. So no worker inherits what
 *    the manager knows of other users.
 */
#ifndef SERVICE_ENV_H
#define SERVICE_ENV_H
#include "base/buf.h"
#include "service/service.h"
#include "service/settings.h"

enum {
	/* Exit statuses that the master reads. */
	EXIT_CONFIG = 84, /* Dovecot's for a configuration that can't work */
	EXIT_FAILED = 89,
	/* What is left after a stop ends so soon. */
	STOP_WAIT_MS = 5000,
};

struct channel {
	int fd;
	struct watch *watch;
	struct buf in;
	int passed; /* a descriptor whose frame is not whole yet, or -1 */
};

struct served {
	struct service_listener listener;
	int fd;
	struct watch *watch;
	struct service_env *env;
};

struct session {
	struct service_session public;
	struct account *account;
	uint32_t id;
	struct session *prev, *next;
};

struct service_env {
	const struct service *service;
	const char *name; /* of the service block: "imap", "imap-login" */
	struct loop *loop;
	struct config *config;
	struct base_settings base;
	struct service_settings set;
	struct duration idle_kill;
	unsigned client_limit, process_limit;
	bool chrooted;

	struct served *listeners;
	unsigned listener_count;
	/* To the master, the template or the manager. */
	struct channel up;

	unsigned clients, total;
	uint64_t idle_since; /* seconds of 1970; 0 while busy */
	struct timer *idle, *end, *rest;
	uint64_t warned_ms; /* of a limit */
	bool worker;        /* forked, not exec'd */
	bool retired;       /* takes no more */
	bool let_go;        /* was told so: nobody above counts any more */
	bool stopping;
	bool listening, full;
	unsigned sandbox;         /* see service_may() */
	struct session *sessions; /* post-login */
	void *role;               /* struct template, zygote, manager, worker */
	struct watch *signals[3];
};

/* What auth and anvil call it: "sieve" for service managesieve. */
static inline const char *env_protocol(const struct service_env *env)
{
	return env->set.protocol[0] == '\0' ? env->name : env->set.protocol;
}

/* run.c */

/* TERM and INT end it; those that mean nothing to it are ignored. */
void env_set_signals(struct service_env *env);

/* alone.c: main() of a post-login service that the master did not start. */
int alone_run(struct service_env *env, int argc, char **argv);

/* channel.c */

/* Watch `fd`; `fn` is called when there is something to take. */
void channel_open(struct channel *channel, struct loop *loop, int fd,
		  void (*fn)(void *ctx, unsigned events), void *ctx);
void channel_close(struct channel *channel);
/* The next whole frame: 1, 0, or -1 when the peer is gone. `*frame` is valid
 * up to channel_done(). *fd_out is -1 or the caller's. */
int channel_next(struct channel *channel, struct str *frame, int *fd_out);
void channel_done(struct channel *channel, struct str frame);
/* False when the peer is gone; `fd` stays the caller's. */
bool channel_send(struct channel *channel, const struct buf *frame, int fd);
bool channel_send_type(struct channel *channel, unsigned char type);

/* serve.c: a process with accept() */

/* init(), and then the loop. */
int serve_run(struct service_env *env);
/* Of any process that takes no more: who comes is for others, and a process
 * that outlives the master leaves the addresses to the next one. */
void serve_close(struct service_env *env);
/* Told by the master or the template. */
void serve_command(struct service_env *env, struct str frame, int fd);
void serve_retire(struct service_env *env);
void serve_stop(struct service_env *env);

/* template.c, zygote.c, manager.c, worker.c */

/* The _command functions take what the master said. */
int template_run(struct service_env *env);
void template_command(struct service_env *env, struct str frame);
int zygote_run(struct service_env *env);
void zygote_command(struct service_env *env, struct str frame);
/* In forked children. The manager's `zygote` leads to its parent; `master` is
 * for answers to the master. */
int manager_run(struct service_env *env, int zygote, int master);
int worker_run(struct service_env *env, int manager);
/* Serve that session and no other, as its user. */
int worker_alone(struct service_env *env, const struct service_session *public,
		 struct err *err);
void worker_stop(struct service_env *env);
/* run.c: a worker of a template. */
int worker_serve(struct service_env *env, int template);

/* process.c */

/* fork(); the child's loop is its own, and the channel upwards is closed. What
 * else is the parent's, the caller frees. */
pid_t process_fork(struct service_env *env);
/* Reap all children that ended, logging how if it was not in peace; `fn` is
 * told of each. */
void process_reap(struct service_env *env,
		  void (*fn)(void *ctx, pid_t pid, bool failed), void *ctx);
/* "service(imap): child 123 killed with signal 9", as Fatal or Error with that
 * prefix; true when it was no peaceful end. */
bool process_log_status(const char *prefix, const char *name, pid_t pid,
			int status);
/* user, group, chroot of the service block. */
int process_privileges(struct service_env *env, struct err *err);
void process_limit_memory(struct service_env *env);
/* End in any case after STOP_WAIT_MS. */
void process_end_soon(struct service_env *env);
void process_warn_limit(struct service_env *env, const char *what,
			unsigned limit);
/* Child processes that fail: how long to wait before the next one. */
struct backoff {
	uint64_t until_ms, wait_ms, last_ms;
};
/* It does not start: wait up to a minute. */
void backoff_failed(struct backoff *backoff);
/* It ran before something ended it: others need it back soon. */
void backoff_died(struct backoff *backoff);
/* 0: now. */
uint64_t backoff_left_ms(const struct backoff *backoff);
/* One row of WIRE_LIST. */
void process_row(struct buf *out, pid_t pid, unsigned clients, unsigned limit,
		 unsigned total, uint64_t idle_since);

/* title.c, sandbox.c */

void title_init(int argc, char **argv);
void title_set(const char *text);
/* The service's, and what the configuration asks for. */
unsigned sandbox_flags(const struct service_env *env);
/* Compile the filter of SANDBOX_* flags, so that sandbox_enter() need not. */
int sandbox_prepare(unsigned flags, struct err *err);
/* The filter is for this process from now on. */
int sandbox_enter(unsigned flags, struct err *err);

#endif
