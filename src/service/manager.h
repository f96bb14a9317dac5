/* SPDX-License-Identifier: MIT */
/*
 * service/manager.h - what manager.c (clients on their way), manager_link.c
 * (login processes) and manager_pool.c (workers and their sessions) share.
 */
#ifndef SERVICE_MANAGER_H
#define SERVICE_MANAGER_H
#include "service/anvil.h"
#include "service/auth_master.h"
#include "service/env.h"
#include "service/handover.h"

/* A connection from a login process. */
struct link {
	struct manager *manager;
	struct channel channel;
	pid_t pid;
	unsigned request_count;
	struct buf out; /* answers that it has not read yet */
	struct watch *writable;
	struct link *prev, *next;
};

/* A client between login's message and the answer to it. */
struct request {
	struct manager *manager;
	struct link *link; /* NULL when login is gone */
	uint32_t id;
	int fd; /* the client's */
	struct handover handover;
	struct buf input; /* what handover's texts point into */
	struct buf frame; /* for the worker */
	char *user;
	char *app;              /* id of the app password; NULL: none */
	char *key;              /* of the rights that it needs */
	uint64_t wait_until_ms; /* for room; 0: it did not have to yet */
	struct request *prev, *next;
};

/* A session in a worker, as far as anvil and limits go. */
struct served_session {
	uint32_t id;
	char *user, *session_id;
	char *app; /* as in request */
	struct ip remote;
	struct served_session *prev, *next;
};

struct pool_worker {
	struct manager *manager;
	struct channel channel;
	pid_t pid; /* 0: the zygote has not said yet */
	char *key; /* NULL: it has all rights still */
	bool leaving;
	unsigned sessions_count, total;
	uint64_t idle_since, idle_ms;
	struct served_session *sessions;
	struct request *waiting; /* for the pid */
	bool ready;              /* on that list */
	struct pool_worker *prev, *next;
	struct pool_worker *ready_prev, *ready_next;
};

/* A worker that is gone with its sessions: the zygote tells how, maybe only
 * after its channel has closed. */
enum { LOST_KEPT = 16 };
struct lost {
	pid_t pid;
	char *prefix; /* of its log lines */
};

struct manager {
	struct service_env *env;
	struct channel zygote;
	int master; /* shared with the zygote, for answers only */
	struct auth_master *auth;
	struct anvil *anvil;
	struct link *links;
	struct peers *peers;      /* of links */
	struct request *requests; /* with auth or anvil */
	struct request *queue;    /* without room */
	struct timer *queue_timer;
	struct pool_worker *workers; /* the youngest first */
	/* Those that may take another session: few, however many serve. */
	struct pool_worker *ready;
	struct lost lost[LOST_KEPT]; /* a ring */
	unsigned next_lost;
	unsigned request_count, worker_count;
	uint32_t next_id;
	bool leaving, stopping;
	struct backoff backoff;
	struct timer *idle;
	struct timer *drop; /* of links, when there is no zygote */
	struct timer *rest; /* of accepting, when there is no descriptor */
};

/* manager.c */

/* What a login process hands over, with the client's descriptor. False when it
 * does not know the protocol; `fd` is closed in the end. */
bool request_handed(struct link *link, struct str frame, int fd);
void request_done(struct request *request, pid_t pid);
/* `code` is "[UNAVAILABLE]", ...; `message` for the client. */
void request_failed(struct request *request, const char *code,
		    const char *message);
/* Its account is known: if its user may have one more session, the pool gets
 * it. It is on no list. */
void request_admit(struct request *request);
/* Ends the manager when nothing is left to do. */
void manager_check_end(struct manager *manager);

/* manager_link.c */

void links_listen(struct manager *manager);
/* An answer. It never waits for the process to read it. */
void link_send(struct link *link, const struct buf *frame);
/* A timer's: login processes look for the next manager, each when its answers
 * are out. */
void links_drop(void *manager);

/* manager_wait.c */

/* Try again when there is room, for some seconds. */
void wait_for_room(struct request *request);
/* There may be room. */
void wait_is_over(struct manager *manager);
/* Nobody waits any longer. */
void wait_stop(struct manager *manager);

/* manager_pool.c */

/* The request's frame is ready: give it to a worker. */
void pool_dispatch(struct request *request);
/* Whether that would find one. */
bool pool_can_take(const struct request *request);
/* Workers ahead of need, process_min_avail of them. */
void pool_ensure_spare(struct manager *manager);
/* The zygote's answer to the oldest fork; 0: it failed. */
void pool_forked(struct manager *manager, pid_t pid);
/* The zygote's news of a worker that did not end in peace. */
void pool_died(struct manager *manager, pid_t pid, int status);
void pool_end_idle(struct manager *manager, bool all);
void pool_stop(struct manager *manager);
void pool_list(struct manager *manager, struct buf *out);
/* "PID <SESSION>, ...": the sessions that a user has from that address. */
void pool_holders(const struct manager *manager, const char *user,
		  const struct ip *remote, struct buf *out);

#endif
