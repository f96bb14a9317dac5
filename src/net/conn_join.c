/* SPDX-License-Identifier: MIT */
/*
 * net/conn_join.c - octets copied both ways between two connections.
 *
 * They go from one socket's read straight into the other's write; a buffer is
 * needed only for what the other does not take at once, and then the side
 * that it came from waits.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "net/conn_internal.h"

struct join {
	struct conn *a, *b;  /* NULL: freed by the owner */
	uint64_t to_a, to_b; /* what they had written before */
	void (*done)(void *ctx, uint64_t to_a, uint64_t to_b, const char *why);
	void *ctx;
};

static struct conn *other(const struct conn *conn)
{
	return conn->join->a == conn ? conn->join->b : conn->join->a;
}

/* Bounds what one busy side may do in a turn. */
enum { JOIN_ROUNDS = 8 };

/* Copy from `conn` while its other side takes it. */
static void copy(struct conn *conn, struct conn *to)
{
	size_t got = 0;

	for (int i = 0; i < JOIN_ROUNDS; i++) {
		if (conn_io_read(conn, loop_scratch, LOOP_SCRATCH, &got) !=
		    IO_DONE)
			return;
		conn_write(to, loop_scratch, got);
		if (conn_io_flush(to) != IO_DONE) {
			conn->more = true;
			conn_want_read(conn, false);
			return;
		}
		/* A plain socket that gave less than asked for is empty. */
		if (conn->tls_state != TLS_READY && got < LOOP_SCRATCH)
			return;
	}
	conn_turn_later(conn);
	conn->more = true;
}

static void finish(struct conn *conn)
{
	struct join join = *conn->join;
	char why[CONN_WHY_MAX * 2];

	snprintf(why, sizeof(why), "%s", conn->why);
	/* What one side said last reaches the other. */
	if (!other(conn)->closed)
		conn_io_flush(other(conn));
	mem_free(conn->join);
	conn_pause(join.a);
	conn_pause(join.b);
	join.done(join.ctx, join.a->bytes_out - join.to_a,
		  join.b->bytes_out - join.to_b, why);
}

void conn_join_turn(struct conn *conn, bool readable)
{
	struct conn *to = other(conn);

	if (!conn->closed && conn_out_len(conn) > 0) {
		conn_io_flush(conn);
		/* There is room again: the other side may go on. */
		if (!conn->closed && conn_out_len(conn) == 0 && to->more)
			conn_turn_later(to);
	}
	if (!conn->closed && !to->closed && conn_out_len(to) == 0 &&
	    (readable || conn->more)) {
		conn->more = false;
		copy(conn, to);
	} else if (readable && !conn->closed) {
		conn->more = true;
		conn_want_read(conn, false);
	}
	if (conn->closed) {
		finish(conn);
		return;
	}
	if (to->closed) {
		finish(to);
		return;
	}
	if (!conn->more)
		conn_want_read(conn, true);
}

static void pass_input(struct conn *from, struct conn *to)
{
	struct str input = conn_input(from);

	conn_write(to, input.data, input.len);
	from->in_at = 0;
	buf_free(&from->in);
}

static void enter(struct conn *conn, struct join *join)
{
	conn->join = join;
	conn->paused = false;
	conn->closing = false;
	conn->again = false;
	conn->corked = false;
	conn->more = true;
	conn->timeout.ms = 0;
	event_del(&conn->timer);
	conn_turn_later(conn);
}

/* The owner may free either side while they are joined. */
static int join_destroy(struct join *join)
{
	if (join->a != NULL)
		join->a->join = NULL;
	if (join->b != NULL)
		join->b->join = NULL;
	return 0;
}

void conn_join(struct conn *a, struct conn *b,
	       void (*done)(void *ctx, uint64_t to_a, uint64_t to_b,
			    const char *why),
	       void *ctx)
{
	struct join *join = mem_new(NULL, struct join);

	join->a = a;
	join->b = b;
	join->to_a = a->bytes_out;
	join->to_b = b->bytes_out;
	join->done = done;
	join->ctx = ctx;
	talloc_set_destructor(join, join_destroy);
	pass_input(a, b);
	pass_input(b, a);
	enter(a, join);
	enter(b, join);
}
