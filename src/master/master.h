/* SPDX-License-Identifier: MIT */
/*
 * master/master.h - the process that binds, starts and watches all others.
 *
 * It runs one process per service, which forks further ones itself
 * (service/env.h). A service without a process has its listeners watched
 * here; the first connection starts it and waits in the listener meanwhile.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/ip.h"
#include "config/config.h"
#include "service/env.h"
#include "service/settings.h"

struct err;

/* Of one service. */
enum { LISTENERS_MAX = 64 };

/* One bound socket. */
struct listener {
	struct unit *unit;
	char *name; /* of the block: "imaps" */
	char *path; /* of a unix socket, absolute; NULL for inet */
	struct ip ip;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	bool ssl, haproxy, reuse_port;
	/* May fail where the machine has no such address family. */
	bool optional;
	int fd;
	bool taken; /* by the services of a new configuration */
	struct watch *watch;
	struct listener *prev, *next;
};

/* A started process of a service. */
struct process {
	struct master *master;
	struct unit *unit; /* NULL: of an old configuration */
	char *name;
	pid_t pid;
	struct channel channel;
	bool up, retired, asked;
	bool front; /* of a protocol: needs the others, and stops first */
	uint64_t started_ms, told, killed; /* the last two in seconds of 1970 */
	struct buf rows;                   /* its last WIRE_LIST */
	struct process *prev, *next;
};

/* Connections to an auth's predecessors that it gets when it starts: so many
 * reloads that nobody logs in between. */
enum { PREDECESSORS_MAX = 8 };

/* A service of the configuration. */
struct unit {
	struct master *master;
	char *name;
	struct service_settings set;
	unsigned client_limit, process_limit;
	char *program;
	struct listener *listeners;
	struct process *process; /* the one that serves now */
	bool stopped;            /* by doveadm */
	bool lasting;            /* log, anvil: lives through a reload */
	struct backoff backoff;
	struct timer *retry;
	unsigned total;
	uint64_t last_failure, last_drop; /* seconds of 1970 */
	unsigned failures;                /* in that second */
	int predecessors[PREDECESSORS_MAX];
	unsigned predecessor_count;
	struct unit *prev, *next;
};

/* The pipe that all processes of a service name log to. The master keeps both
 * ends: nothing is lost when the log process is started anew. */
struct log_pipe {
	char *name;
	int fds[2];
	struct log_pipe *prev, *next;
};

struct master {
	struct loop *loop;
	char *config_file;
	char *key_password; /* -p: "ssl_key_password=..."; NULL without */
	struct config *config;
	char *warnings; /* of reading it: for the log, when there is one */
	int config_fd;
	struct base_settings base;
	struct unit *units;
	struct process *processes;
	struct log_pipe *pipes;
	int stderr_fd; /* the terminal's, for log_path = /dev/stderr */
	bool foreground;
	bool stopping;
	bool backs_told; /* the fronts are gone, the others were told to go */
	bool ended;      /* all but log are gone */
	struct timer *kill;
	struct watch *signals;
	int signal_fd;
	struct listener *control; /* the socket for doveadm */
	struct master_client *clients;
	struct certs *certs;
};

/* units.c */

/* The services of a configuration with their listeners, not yet bound.
 * Children of ctx. */
int units_read(const void *ctx, struct master *master,
	       const struct config *config, const struct base_settings *base,
	       struct unit **out, struct err *err);
struct unit *unit_find(struct unit *units, const char *name);

/* listen.c */

/* Bind all; sockets of `old` with the same address go on. Each failure is
 * logged; -1 if there was any, and `old` still has all that is its. */
int listeners_bind(struct unit *units, struct unit *old);
/* Close what the new configuration did not take. */
void listeners_close(struct unit *units);
/* Watch them, to start the service; or leave them to its process. */
void unit_watch(struct unit *unit, bool on);
bool unit_pending(const struct unit *unit);
/* Sockets that systemd gave us. */
void listeners_inherit(void);

/* process.c */

/* Start the unit's process; failing is logged and tried again later. */
void unit_start(struct unit *unit);
void process_gone(struct master *master, struct process *process, int status);
void process_tell(struct process *process, unsigned char what);
void processes_kill(struct master *master, int signal, bool log_too);
int pipe_for(struct master *master, const char *name);

/* supervise.c */

int master_run(struct master *master);
void master_stop_unit(struct unit *unit);
/* Read the configuration again and use it. False: the old one stays, the log
 * says why, and `errors` has what is wrong with the configuration. */
bool master_reload(struct master *master, struct buf *errors);
/* Give what is in master->config now to all services, by new processes. */
int master_use_config(struct master *master, struct err *err);
/* A process answered or ended: queries may be complete. */
void master_clients_update(struct master *master);

/* certs.c */

/* Watch the files of certificates and keys, and when they end; again after a
 * reload. */
void certs_watch(struct master *master);

/* check.c */

/* What can be known only by trying: certificates, keys and ciphers of all
 * protocols (the error names file and line), log files. */
int check_all_can_start(const struct config *config,
			const struct base_settings *base, struct err *err);

/* basedir.c */

int basedir_prepare(struct master *master, struct err *err);
/* The pid of a running master, 0 if there is none. */
pid_t basedir_running(const char *base_dir);
int basedir_claim(struct master *master, struct err *err);
void basedir_release(struct master *master);

/* client.c */

int clients_listen(struct master *master, struct err *err);
void clients_close(struct master *master);

#endif
