/* SPDX-License-Identifier: MIT */
/*
 * net/conn.c - the owner's side of a connection; conn_io.c has the loop's.
 */
#include "net/conn_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

void conn_free(struct conn **conn)
{
	mem_free(*conn);
	*conn = NULL;
}

void conn_set_events(struct conn *conn, const struct conn_events *events,
		     void *events_ctx)
{
	conn->events = events;
	conn->events_ctx = events_ctx;
}

/* input */

struct str conn_input(struct conn *conn)
{
	return str_n(conn->in.data + conn->in_at, conn_in_len(conn));
}

void conn_consume(struct conn *conn, size_t len)
{
	bool was_full = conn_in_len(conn) >= conn->in.max;

	conn->in_at += len < conn_in_len(conn) ? len : conn_in_len(conn);
	if (conn_in_len(conn) == 0) {
		conn->in_at = 0;
		/* A large mail: the next piece goes there without a copy. */
		if (conn->in.cap > CONN_KEEP_BUFFER && !conn->flood)
			buf_free(&conn->in);
		else
			buf_reset(&conn->in);
	}
	/* TLS may have more that epoll knows nothing of. */
	if (was_full && len > 0) {
		conn->more = true;
		conn_turn_later(conn);
	}
}

void conn_add_input(struct conn *conn, struct str data)
{
	struct buf old = conn->in;
	size_t at = conn->in_at;

	if (data.len == 0)
		return;
	/* In front of what has been read since, though there is none as a
	 * rule; longer than the limit only if the other process allowed it. */
	conn->in = buf_init(old.max + data.len);
	conn->in_at = 0;
	buf_add_str(&conn->in, data);
	buf_append(&conn->in, old.data + at, old.len - at);
	conn->in.max = old.max > conn->in.len ? old.max : conn->in.len;
	buf_free(&old);
	conn->bytes_in += data.len;
	conn->again = true;
	conn_turn_later(conn);
}

void conn_pause(struct conn *conn)
{
	/* epoll is told when input comes, if it comes. */
	conn->paused = true;
	conn->again = false;
}

void conn_resume(struct conn *conn)
{
	if (!conn->paused)
		return;
	conn->paused = false;
	conn->more = true;
	conn->again = conn_in_len(conn) > 0;
	conn_turn_later(conn);
}

void conn_set_timeout(struct conn *conn, struct duration timeout)
{
	conn->timeout = timeout;
	conn->active_ms = clock_monotonic_ms();
	conn_arm_timer(conn);
}

/* output */

char *conn_space(struct conn *conn, size_t len)
{
	char *space;

	if (conn_out_len(conn) == 0 || conn->closed) {
		buf_reset(&conn->out);
		conn->out_at = 0;
	} else if (conn->out_at > CONN_OUTPUT_LOW) {
		buf_shift(&conn->out, conn->out_at);
		conn->out_at = 0;
	}
	space = buf_space(&conn->out, len);
	if (space != NULL)
		return space;
	conn_broke(conn, "Output buffer is full");
	buf_reset(&conn->out);
	conn->out_at = 0;
	if (conn->out.max < len)
		conn->out.max = len;
	return buf_space(&conn->out, len);
}

void conn_grew(struct conn *conn, size_t len)
{
	buf_grew(&conn->out, len);
	if (!conn->corked && !conn->writing)
		conn_turn_later(conn);
}

void conn_write(struct conn *conn, const void *data, size_t len)
{
	if (len == 0 || conn->closed)
		return;
	memcpy(conn_space(conn, len), data, len);
	conn_grew(conn, len);
}

void conn_write_str(struct conn *conn, struct str str)
{
	conn_write(conn, str.data, str.len);
}

void conn_printf(struct conn *conn, const char *fmt, ...)
{
	char small[512];
	va_list args, again;
	int len;

	va_start(args, fmt);
	va_copy(again, args);
	len = vsnprintf(small, sizeof(small), fmt, args);
	if (len >= 0 && (size_t)len < sizeof(small)) {
		conn_write(conn, small, (size_t)len);
	} else if (len >= 0) {
		char *space = conn_space(conn, (size_t)len + 1);

		vsnprintf(space, (size_t)len + 1, fmt, again);
		conn_grew(conn, (size_t)len);
	}
	va_end(again);
	va_end(args);
}

void conn_flush(struct conn *conn)
{
	if (!conn->closed && conn->tls_state != TLS_HANDSHAKE)
		conn_io_flush(conn);
}

size_t conn_output_size(struct conn *conn)
{
	return conn_out_len(conn);
}

bool conn_output_full(struct conn *conn)
{
	/* Nothing more comes of a connection that is gone: closed() will. */
	if (conn->closed)
		return true;
	if (conn_out_len(conn) >= CONN_OUTPUT_HIGH)
		conn_flush(conn);
	if (!conn->closed && conn_out_len(conn) < CONN_OUTPUT_HIGH) {
		if (!loop_turn_over(conn->loop))
			return false;
		conn_turn_later(conn);
	}
	conn->told_full = true;
	return true;
}

void conn_close_later(struct conn *conn)
{
	conn->closing = true;
	/* Whoever says good-bye to one that is gone hears so once more. */
	conn->told_end = false;
	conn->again = false;
	conn->corked = false;
	if (conn->timeout.ms == 0)
		conn_set_timeout(conn, (struct duration){CONN_CLOSE_WAIT_MS});
	conn_turn_later(conn);
}

void conn_cork(struct conn *conn, bool on)
{
	conn->corked = on;
	if (!on && conn_out_len(conn) > 0)
		conn_turn_later(conn);
}

uint64_t conn_bytes_in(struct conn *conn)
{
	return conn->bytes_in;
}

uint64_t conn_bytes_out(struct conn *conn)
{
	return conn->bytes_out;
}

bool conn_closed(struct conn *conn)
{
	return conn->closed;
}

uint64_t conn_idle_ms(struct conn *conn)
{
	return clock_monotonic_ms() - conn->active_ms;
}

int conn_fd(struct conn *conn)
{
	return conn->fd;
}

bool conn_has_tls(struct conn *conn)
{
	return conn->tls_state == TLS_READY;
}
