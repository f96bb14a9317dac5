/* SPDX-License-Identifier: MIT */
/*
 * auth/relay.h - tokens of the auth before a reload.
 *
 * Who logged in there just before may come to a manager that asks here. So the
 * master connects an auth that retires with its successor; that one asks, and
 * the other answers REQUESTs as on the socket auth-master. An auth that has just
 * started keeps REQUESTs of clients that it does not know for some seconds: the
 * master's message may be on its way.
 */
#ifndef AUTH_RELAY_H
#define AUTH_RELAY_H
#include "base/str.h"

struct conn;
struct loop;
struct relay;

/* `command` is USER, NOTFOUND or FAIL, `rest` what stands behind the id. */
typedef void relay_fn(void *ctx, struct str command, struct str rest);

/* Child of ctx. */
struct relay *relay_new(const void *ctx, struct loop *loop);
/* A predecessor, until relay_remove(). */
void relay_add(struct relay *relay, struct conn *conn);
void relay_remove(struct relay *relay, struct conn *conn);
/* Ask them, one after another, with all of a REQUEST but its id. `fn` is called
 * once, maybe at once, with FAIL when none knows; never after `owner` was
 * freed. */
void relay_ask(struct relay *relay, const void *owner, struct str request,
	       relay_fn *fn, void *ctx);
/* A line of a predecessor. */
void relay_answer(struct relay *relay, struct str line);

#endif
