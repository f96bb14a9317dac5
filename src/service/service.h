/* SPDX-License-Identifier: MIT */
/*
 * service/service.h - what every process does at start, and how it lives.
 *
 * The master execs one process per service with the sealed configuration, the
 * listeners and a log pipe. service_run() loads settings, and then either
 * serves itself (process_limit = 1: auth, anvil, log) or is the *template* of
 * its service: it forks workers, pre-forked up to process_min_avail, that
 * cost no exec. A worker that accepts connections shares the listeners. A
 * worker of a post-login service (imap, pop3) gets sessions from the template,
 * which asked auth with login's token, dropped the worker to the uid, and
 * reports to anvil; an idle worker waits for the next session of its uid.
 *
 * When the template dies, its workers end their sessions in peace; the master
 * starts a new one. When the master is gone, all end.
 */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H
#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/str.h"
#include "config/setting.h"
#include "service/account.h"

struct config;
struct haproxy;
struct err;
struct loop;
struct service_env;

/* What the sandbox (seccomp) lets a worker do beyond talking on descriptors
 * that it has or is given. */
enum {
	SANDBOX_FILES = 1 << 0, /* open, rename, link, ... */
	SANDBOX_UNIX = 1 << 1,  /* connect to unix sockets */
	SANDBOX_INET = 1 << 2,
	SANDBOX_EXEC = 1 << 3,
	SANDBOX_IDS = 1 << 4,  /* setuid and friends: lmtp */
	SANDBOX_NONE = 1 << 5, /* no filter at all: PAM and NSS modules */
	/* To change the effective group only, among those that a process has:
	 * FILES with mail_privileged_group. */
	SANDBOX_GROUP = 1 << 6,
};

struct service_listener {
	const char *name; /* "imaps", "auth-login": as in the configuration */
	const char *path; /* of a unix socket; NULL for inet */
	bool ssl, haproxy;
};

/* A raw connection. */
struct service_client {
	int fd; /* the service's now */
	const struct service_listener *listener;
	struct ip local, remote; /* family 0 on unix sockets */
	/* Of a proxy in front, where `local` and `remote` are what it says;
	 * without one the same. */
	struct ip real_local, real_remote;
	/* What else it says (service/haproxy.h); NULL without one. Valid during
	 * accept(). */
	const struct haproxy *haproxy;
};

/* A logged-in session, for post-login services. Valid until
 * service_session_end_of(). */
struct service_session {
	int fd; /* the service's now */
	const struct account *account;
	struct ip local, remote;
	bool secured, tls;
	bool alone; /* without a server: no login, no command that it answers */
	const char *session_id;
	struct str tag;   /* IMAP */
	struct str input; /* read by login already */
};

struct service {
	const char *name; /* "imap"; also the protocol for settings filters
			     where there is one */
	const struct setting *settings; /* checked at start; may be NULL */
	unsigned sandbox;
	/* Once in the process that will fork, before any connection: load what
	 * is dear and the same for all. May be NULL. */
	int (*preload)(struct service_env *env, struct err *err);
	/* Once in each serving process, privileges dropped. May be NULL. */
	int (*init)(struct service_env *env, struct err *err);
	/* One of these two: */
	void (*accept)(struct service_env *env,
		       const struct service_client *client);
	void (*start)(struct service_env *env,
		      const struct service_session *session);
	/* The server stops: end what can end now. The process ends when
	 * service_client_end()/_session_end() balanced all, a few seconds later
	 * in any case. `reason` is for clients: "Server shutting down.". NULL:
	 * it just ends. */
	void (*stop)(struct service_env *env, const char *reason);
	/* The rest may be NULL. All processes are full and somebody waits: end
	 * a client who can be spared, if there is one. */
	bool (*make_room)(struct service_env *env);
	/* Reload: this process gets no new clients and ends with its last one;
	 * close what only waits for more work (auth's idle clients, login's
	 * connection to auth when all are logged in). */
	void (*retire)(struct service_env *env);
	/* For what lives through reloads (types log and anvil): the new
	 * configuration is in service_config(). */
	void (*reload)(struct service_env *env);
	/* A message of the master's for this service alone (log: its pipes).
	 * `fd` is the service's, -1 if none came. */
	void (*control)(struct service_env *env, struct str frame, int fd);
};

/* main() of every service. Returns the exit status. */
int service_run(const struct service *service, int argc, char **argv);

/* for the service's code */

struct loop *service_loop(struct service_env *env);
const struct config *service_config(struct service_env *env);
/* base_dir + "/" + name, or `name` if it is absolute. Child of ctx. */
char *service_socket_path(const void *ctx, struct service_env *env,
			  const char *name);
/* Within accept(): this connection is the process's last one, which gives up
 * the listeners. */
void service_take_no_more(struct service_env *env);
/* A connection given to accept() has ended. */
void service_client_end(struct service_env *env);
/* A session given to start() has ended; a process may have several. */
void service_session_end_of(struct service_env *env,
			    const struct service_session *session);
/* Process title: "imap [alice 192.0.2.1 IDLE]" with verbose_proctitle. */
void service_title(struct service_env *env, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* For init(): by its configuration this process does more than the service's
 * `sandbox` says, up to SANDBOX_NONE (it runs programs that know nothing of
 * sandboxes). */
void service_may(struct service_env *env, unsigned sandbox);
/* A unique session id in Dovecot's form (base64 of time and random). */
char *service_session_id(const void *ctx);

#endif
