/* SPDX-License-Identifier: MIT */
/*
 * auth/workers.h - the auth-worker processes as auth sees them: connections
 * to their socket, each working on one request; what is more waits its turn.
 *
 * Lines, tab-separated and escaped as in the auth protocol. auth sends
 *	VERSION 2
 *	PASS <id> <passdb> <mark> <password> <lookup only: 0, 1, 2, scheme>
 *		key=value...
 *	USER <id> <userdb> <mark> key=value...
 *	LIST <id> <userdb> <mark> key=value...
 *	POLICY <id> 0 <command> <body> key=value...
 *	HOST <id> 0 <name> key=value...
 *	HASH <id> 0 <scheme> <rounds,salt> <password> key=value...
 *	APP <id> <passdb> <mark> <order> <its arguments> key=value...
 * and gets, the fields being those that the database gave:
 *	OK <id> key=value... | FAIL <id> <result> key=value...
 *	NAME <id> <user>  (before the OK of a LIST, and rows for an APP)
 * A mark tells databases apart whose numbers are the same: an auth of before a
 * reload gets FAIL from workers of after it where they differ.
 * 2 is a password known to be right: passdbs that can tell fields without it
 * do. A lookup for a scheme answers with what is stored as the field
 * "password", and so does HASH with what it made.
 */
#ifndef AUTH_WORKERS_H
#define AUTH_WORKERS_H
#include "auth/request.h"

struct auth;
struct pass_answer;
struct passdb;
struct userdb;
struct workers;

enum {
	WORKER_VERSION = 2,
	WORKER_LINE_MAX = 64 * 1024,
	WORKER_QUEUE_MAX = 100 * 1000,
	WORKER_TIMEOUT_MS = 60 * 1000, /* queueing and working, together */
	WORKER_PAUSE_MS = 30 * 1000,
};

typedef void workers_pass_fn(void *ctx, const struct pass_answer *answer);
typedef void workers_user_fn(void *ctx, enum user_result result,
			     const struct fields *fields);
/* False: no more before workers_go_on(). */
typedef bool workers_list_fn(void *ctx, const char *name);

struct workers *workers_new(const void *ctx, struct auth *auth,
			    const char *socket_path, unsigned max);
/* All: freeing `owner` cancels, `fn` is then not called. */
void workers_pass(struct workers *workers, const void *owner,
		  const struct passdb *db, const struct request *request,
		  workers_pass_fn *fn, void *ctx);
void workers_user(struct workers *workers, const void *owner,
		  const struct userdb *db, const struct request *request,
		  workers_user_fn *fn, void *ctx);
/* What the policy server says to `body`. */
void workers_policy(struct workers *workers, const void *owner,
		    const struct request *request, const char *command,
		    const char *body, workers_pass_fn *fn, void *ctx);
/* The addresses of a host: its answer has the field "ips", separated by spaces,
 * or "reason". */
void workers_host(struct workers *workers, const void *owner,
		  const struct request *request, const char *name,
		  workers_pass_fn *fn, void *ctx);
/* What request->want_scheme makes of request->to_hash. */
void workers_hash(struct workers *workers, const void *owner,
		  const struct request *request, workers_pass_fn *fn,
		  void *ctx);
/* An order for passdb app-password; `args` is "key=value TAB key=value". */
void workers_app(struct workers *workers, const void *owner,
		 const struct passdb *db, const struct request *request,
		 const char *what, const char *args, workers_list_fn *fn,
		 void (*done)(void *ctx, bool ok), void *ctx);
/* `done` gets false if not all could be listed. Whoever takes no names for
 * WORKER_PAUSE_MS gets no more, and half of the workers are for others. */
void workers_list(struct workers *workers, const void *owner,
		  const struct userdb *db, const struct request *request,
		  workers_list_fn *fn, void (*done)(void *ctx, bool ok),
		  void *ctx);
/* The list function of that `ctx` takes names again. */
void workers_go_on(struct workers *workers, const void *ctx);

#endif
