/* SPDX-License-Identifier: MIT */
#include "auth/relay.h"

#include <utlist.h>

#include "base/duration.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/loop.h"
#include "service/auth_master_line.h"

enum { HOLD_MS = 5000 }; /* after the start */

struct peer {
	struct conn *conn;
	uint32_t number; /* they grow */
	struct peer *prev, *next;
};

/* A REQUEST; child of its owner. */
struct relayed {
	struct relay *relay;
	uint32_t id;
	char *request;
	uint32_t asked; /* the last peer that was; 0: none */
	bool held;      /* all that there are said no */
	relay_fn *fn;
	void *ctx;
	struct relayed *prev, *next;
};

struct relay {
	struct timer *timer; /* NULL: nothing is held any more */
	struct peer *peers;
	struct relayed *requests;
	uint32_t last_id, last_peer;
};

static int relayed_destroy(struct relayed *one)
{
	DL_DELETE(one->relay->requests, one);
	return 0;
}

static void finish(struct relayed *one, struct str command, struct str rest)
{
	relay_fn *fn = one->fn;
	void *ctx = one->ctx;

	mem_free(one);
	fn(ctx, command, rest);
}

static void ask_next(struct relayed *one)
{
	struct peer *peer;

	DL_FOREACH (one->relay->peers, peer) {
		if (peer->number <= one->asked)
			continue;
		one->asked = peer->number;
		one->held = false;
		conn_printf(peer->conn, "REQUEST\t%u\t%s\n", one->id,
			    one->request);
		return;
	}
	one->held = true;
	if (one->relay->timer == NULL)
		finish(one, STR("FAIL"), STR(""));
}

static void end_hold(void *ctx)
{
	struct relay *relay = ctx;
	struct relayed *one, *next;

	timer_free(&relay->timer);
	DL_FOREACH_SAFE(relay->requests, one, next)
	{
		if (one->held)
			finish(one, STR("FAIL"), STR(""));
	}
}

static int relay_destroy(struct relay *relay)
{
	timer_free(&relay->timer);
	return 0;
}

struct relay *relay_new(const void *ctx, struct loop *loop)
{
	struct relay *relay = mem_new(ctx, struct relay);

	relay->timer = timer_new(loop, (struct duration){HOLD_MS}, end_hold,
				 relay);
	talloc_set_destructor(relay, relay_destroy);
	return relay;
}

void relay_add(struct relay *relay, struct conn *conn)
{
	struct peer *peer = mem_new(relay, struct peer);
	struct relayed *one, *next;

	peer->conn = conn;
	peer->number = ++relay->last_peer;
	DL_APPEND(relay->peers, peer);
	DL_FOREACH_SAFE(relay->requests, one, next)
	{
		if (one->held)
			ask_next(one);
	}
}

void relay_remove(struct relay *relay, struct conn *conn)
{
	struct relayed *one, *next;
	struct peer *peer;

	DL_SEARCH_SCALAR(relay->peers, peer, conn, conn);
	if (peer == NULL)
		return;
	DL_DELETE(relay->peers, peer);
	DL_FOREACH_SAFE(relay->requests, one, next)
	{
		if (!one->held && one->asked == peer->number)
			ask_next(one);
	}
	mem_free(peer);
}

void relay_ask(struct relay *relay, const void *owner, struct str request,
	       relay_fn *fn, void *ctx)
{
	struct relayed *one = mem_new(owner, struct relayed);

	one->relay = relay;
	one->id = ++relay->last_id;
	one->request = str_dup(one, request);
	one->fn = fn;
	one->ctx = ctx;
	DL_APPEND(relay->requests, one);
	talloc_set_destructor(one, relayed_destroy);
	ask_next(one);
}

void relay_answer(struct relay *relay, struct str line)
{
	struct master_reply reply;
	struct relayed *one;

	if (!master_reply_parse(line, &reply))
		return;
	DL_SEARCH_SCALAR(relay->requests, one, id, reply.id);
	if (one == NULL)
		return;
	if (str_is(reply.command, "FAIL"))
		ask_next(one);
	else
		finish(one, reply.command, reply.rest);
}
