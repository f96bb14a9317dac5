/* SPDX-License-Identifier: MIT */
/*
 * net/conn_io.c - the loop's side of a connection: a turn reads, writes, and
 * tells the owner one thing; if there is more to tell, another turn follows.
 */
#include "net/conn_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/rawlog.h"

/* Input that grows beyond this is read without the detour by the scratch. */
enum { READ_DIRECT = 8 * 1024 };
/* How much unread input is dropped before a connection is closed. */
enum { CLOSE_READS = 16 };

void conn_turn_later(struct conn *conn)
{
	event_active(&conn->later, EV_TIMEOUT, 0);
}

void conn_want_read(struct conn *conn, bool on)
{
	if (conn->reading == on)
		return;
	conn->reading = on;
	if (on)
		event_add(&conn->read, NULL);
	else
		event_del(&conn->read);
}

void conn_want_write(struct conn *conn, bool on)
{
	if (conn->writing == on)
		return;
	conn->writing = on;
	if (on)
		event_add(&conn->write, NULL);
	else
		event_del(&conn->write);
}

void conn_broke(struct conn *conn, const char *why)
{
	if (conn->closed)
		return;
	conn->closed = true;
	conn->why = mem_strdup(conn, why);
	conn_want_read(conn, false);
	conn_want_write(conn, false);
	conn_turn_later(conn);
}

/* reading and writing */

/* Not even if somebody else who has the descriptor, a login process that was
 * taken over, makes it wait. */
static ssize_t read_now(int fd, char *to, size_t room)
{
	ssize_t got;

	do {
		got = recv(fd, to, room, MSG_DONTWAIT);
		if (got < 0 && errno == ENOTSOCK)
			got = read(fd, to, room);
	} while (got < 0 && errno == EINTR);
	return got;
}

static ssize_t write_now(int fd, const char *from, size_t len)
{
	ssize_t done;

	do {
		done = send(fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (done < 0 && errno == ENOTSOCK)
			done = write(fd, from, len);
	} while (done < 0 && errno == EINTR);
	return done;
}

static enum conn_io plain_read(struct conn *conn, char *to, size_t room,
			       size_t *len_out)
{
	ssize_t got = read_now(conn->fd, to, room);

	if (got > 0) {
		*len_out = (size_t)got;
		return IO_DONE;
	}
	if (got < 0 && errno == EAGAIN)
		return IO_AGAIN;
	/* That a client resets instead of closing is everyday life. */
	conn_broke(conn,
		   got == 0 || errno == ECONNRESET ? "" : strerror(errno));
	return IO_CLOSED;
}

static enum conn_io plain_write(struct conn *conn, const char *from, size_t len,
				size_t *len_out)
{
	ssize_t done = write_now(conn->fd, from, len);

	if (done >= 0) {
		*len_out = (size_t)done;
		return IO_DONE;
	}
	if (errno == EAGAIN)
		return IO_AGAIN;
	conn_broke(conn, errno == EPIPE || errno == ECONNRESET
				 ? ""
				 : strerror(errno));
	return IO_CLOSED;
}

enum conn_io conn_io_read(struct conn *conn, char *to, size_t room,
			  size_t *len_out)
{
	enum conn_io io =
		conn->tls_state == TLS_READY
			? conn->with_tls->read(conn, to, room, len_out)
			: plain_read(conn, to, room, len_out);

	if (io == IO_DONE) {
		conn->bytes_in += *len_out;
		if (conn->rawlog != NULL)
			rawlog_add(conn->rawlog, RAWLOG_IN,
				   str_n(to, *len_out));
		conn->active_ms = clock_monotonic_ms();
	}
	return io;
}

enum conn_io conn_io_flush(struct conn *conn)
{
	while (conn_out_len(conn) > 0) {
		const char *from = conn->out.data + conn->out_at;
		size_t done = 0;
		enum conn_io io =
			conn->tls_state == TLS_READY
				? conn->with_tls->write(
					  conn, from, conn_out_len(conn), &done)
				: plain_write(conn, from, conn_out_len(conn),
					      &done);

		if (io == IO_AGAIN)
			conn_want_write(conn, true);
		if (io != IO_DONE)
			return io;
		if (conn->rawlog != NULL)
			rawlog_add(conn->rawlog, RAWLOG_OUT, str_n(from, done));
		conn->out_at += done;
		conn->bytes_out += done;
		conn->active_ms = clock_monotonic_ms();
	}
	conn->out_at = 0;
	if (conn->out.cap > CONN_KEEP_BUFFER)
		buf_free(&conn->out);
	else
		buf_reset(&conn->out);
	conn_want_write(conn, false);
	return IO_DONE;
}

static void make_room(struct conn *conn)
{
	if (conn->in_at > 0) {
		buf_shift(&conn->in, conn->in_at);
		conn->in_at = 0;
	}
}

/* Whether something came. */
static bool read_input(struct conn *conn)
{
	size_t room, got = 0;
	bool direct;
	char *to;

	make_room(conn);
	room = conn->in.max - conn->in.len;
	direct = conn->in.cap >= conn->in.len + READ_DIRECT + 1;
	if (direct && room > conn->in.cap - conn->in.len - 1)
		room = conn->in.cap - conn->in.len - 1;
	if (!direct && room > LOOP_SCRATCH)
		room = LOOP_SCRATCH;
	to = direct ? buf_space(&conn->in, room) : loop_scratch;
	if (conn_io_read(conn, to, room, &got) != IO_DONE) {
		conn->more = false;
		return false;
	}
	conn->flood = got == room && got >= LOOP_SCRATCH;
	if (direct) {
		buf_grew(&conn->in, got);
	} else {
		buf_append(&conn->in, to, got);
		mem_wipe(to, got); /* it may be a password */
	}
	conn->more = conn->tls_state == TLS_READY;
	return true;
}

/* a turn */

static void tell_input(struct conn *conn)
{
	conn->again = false;
	conn->events->input(conn->events_ctx);
}

static void tell_closed(struct conn *conn)
{
	char why[CONN_WHY_MAX * 2];

	if (conn->told_end)
		return;
	conn->told_end = true;
	event_del(&conn->timer);
	/* The owner may free the connection before he uses it. */
	snprintf(why, sizeof(why), "%s", conn->why);
	conn->events->closed(conn->events_ctx, why);
}

/* Input that nobody read would make the kernel reset the connection, and the
 * client might never see our last words. */
static void drop_input(struct conn *conn)
{
	for (int i = 0; i < CLOSE_READS; i++) {
		ssize_t got = read_now(conn->fd, loop_scratch, LOOP_SCRATCH);

		if (got < LOOP_SCRATCH)
			return;
	}
}

static void tell_end(struct conn *conn)
{
	if (conn->told_end)
		return;
	if (conn->with_tls != NULL)
		conn->with_tls->shutdown(conn);
	shutdown(conn->fd, SHUT_WR);
	drop_input(conn);
	if (conn->events->drained == NULL) {
		conn_broke(conn, "");
		tell_closed(conn);
		return;
	}
	conn->told_end = true;
	event_del(&conn->timer);
	conn->events->drained(conn->events_ctx);
}

static bool tell_drained(struct conn *conn)
{
	if (!conn->told_full || conn_out_len(conn) >= CONN_OUTPUT_LOW)
		return false;
	conn->told_full = false;
	if (conn->events->drained == NULL)
		return false;
	conn_turn_later(conn);
	conn->events->drained(conn->events_ctx);
	return true;
}

static bool may_read(const struct conn *conn)
{
	return !conn->paused && !conn->closing && !conn->closed &&
	       conn->tls_state != TLS_WANTED;
}

/* Returns true when the owner was told something. */
static bool turn_input(struct conn *conn, bool readable)
{
	bool full = conn_in_len(conn) >= conn->in.max;

	if (!may_read(conn) || full) {
		/* epoll would say it again and again. */
		if (readable)
			conn_want_read(conn, false);
		if (!conn->again || !may_read(conn))
			return false;
		tell_input(conn);
		return true;
	}
	if ((readable || conn->more) && read_input(conn)) {
		/* TLS may hold another record; another turn looks. */
		if (conn->more)
			conn_turn_later(conn);
		else
			conn_want_read(conn, true);
		tell_input(conn);
		return true;
	}
	if (may_read(conn))
		conn_want_read(conn, true);
	if (conn->again && !conn->closed) {
		tell_input(conn);
		return true;
	}
	return false;
}

static void turn(struct conn *conn, bool readable)
{
	loop_turn(conn->loop);
	if (conn->join != NULL) {
		conn_join_turn(conn, readable);
		return;
	}
	if (conn->tls_state == TLS_HANDSHAKE && !conn->closed) {
		conn->with_tls->handshake(conn);
		return;
	}
	if (!conn->corked && !conn->closed && conn_out_len(conn) > 0)
		conn_io_flush(conn);
	if (conn->closed) {
		tell_closed(conn);
		return;
	}
	if (conn->closing && conn_out_len(conn) == 0) {
		tell_end(conn);
		return;
	}
	if (conn->tls_state == TLS_WANTED && conn_out_len(conn) == 0) {
		conn->with_tls->begin(conn);
		return;
	}
	if (tell_drained(conn))
		return;
	turn_input(conn, readable);
}

static void on_read(evutil_socket_t, short, void *ctx)
{
	turn(ctx, true);
}

static void on_write(evutil_socket_t, short, void *ctx)
{
	struct conn *conn = ctx;

	if (conn->tls_state != TLS_HANDSHAKE &&
	    (conn->corked || conn_out_len(conn) == 0))
		conn_want_write(conn, false);
	conn->more |= conn->write_first;
	conn->write_first = false;
	turn(conn, false);
}

static void on_later(evutil_socket_t, short, void *ctx)
{
	turn(ctx, false);
}

/* time-outs */

/* When the connection is too old, by whatever counts; 0: never. */
static uint64_t deadline(const struct conn *conn)
{
	uint64_t idle =
		conn->timeout.ms > 0 ? conn->active_ms + conn->timeout.ms : 0;

	/* One octet now and then does not keep a handshake alive. */
	if (conn->tls_state == TLS_HANDSHAKE &&
	    (idle == 0 || conn->handshake_end_ms < idle))
		return conn->handshake_end_ms;
	return idle;
}

void conn_arm_timer(struct conn *conn)
{
	uint64_t now = clock_monotonic_ms(), end = deadline(conn);
	struct timeval span;

	if (end == 0) {
		event_del(&conn->timer);
		return;
	}
	span = timeval_of((struct duration){end > now ? end - now : 0});
	event_add(&conn->timer, &span);
}

static void on_timer(evutil_socket_t, short, void *ctx)
{
	struct conn *conn = ctx;
	uint64_t end = deadline(conn);

	loop_turn(conn->loop);
	if (end == 0 || conn->closed)
		return;
	/* Activity only notes the time; the timer follows when it fires. */
	if (clock_monotonic_ms() < end) {
		conn_arm_timer(conn);
		return;
	}
	if (conn->tls_state == TLS_HANDSHAKE) {
		conn_broke(conn, "TLS handshake timed out");
	} else if (conn->events->timeout == NULL || conn->closing) {
		conn_broke(conn, "Connection timed out");
	} else {
		conn->active_ms = clock_monotonic_ms();
		conn_arm_timer(conn);
		conn->events->timeout(conn->events_ctx);
	}
}

static int conn_destroy(struct conn *conn)
{
	event_del(&conn->read);
	event_del(&conn->write);
	event_del(&conn->later);
	event_del(&conn->timer);
	mem_free(conn->join);
	if (conn->with_tls != NULL)
		conn->with_tls->free(conn);
	if (conn->in.cap > 0)
		mem_wipe(conn->in.data, conn->in.cap);
	buf_free(&conn->in);
	buf_free(&conn->out);
	if (conn->fd >= 0)
		close(conn->fd);
	return 0;
}

struct conn *conn_new(const void *ctx, struct loop *loop, int fd,
		      size_t max_input, const struct conn_events *events,
		      void *events_ctx)
{
	struct conn *conn = mem_new(ctx, struct conn);

	conn->loop = loop;
	conn->fd = fd;
	conn->events = events;
	conn->events_ctx = events_ctx;
	conn->in = buf_init(max_input);
	conn->out = buf_init(CONN_OUTPUT_MAX);
	event_assign(&conn->read, loop->base, fd, EV_READ | EV_PERSIST, on_read,
		     conn);
	event_assign(&conn->write, loop->base, fd, EV_WRITE | EV_PERSIST,
		     on_write, conn);
	event_assign(&conn->later, loop->base, -1, 0, on_later, conn);
	event_assign(&conn->timer, loop->base, -1, 0, on_timer, conn);
	talloc_set_destructor(conn, conn_destroy);
	/* What a client sends with its first packet is there already. */
	conn->more = true;
	conn_turn_later(conn);
	return conn;
}
