/* SPDX-License-Identifier: MIT */
/*
 * net/conn_internal.h - what the files of a connection share.
 *
 * The owner is called from the loop only, never from within one of his own
 * calls, and each call may free the connection: it is the last thing that is
 * done with it in that turn.
 */
#ifndef NET_CONN_INTERNAL_H
#define NET_CONN_INTERNAL_H
#include "net/conn.h"
#include "net/loop_internal.h"

enum {
	CONN_OUTPUT_HIGH = 64 * 1024,
	CONN_OUTPUT_LOW = 32 * 1024,
	/* Who ignores conn_output_full() for so long has lost his client. */
	CONN_OUTPUT_MAX = 256 * 1024 * 1024,
	CONN_KEEP_BUFFER = 1024, /* what an empty buffer may keep */
	CONN_CLOSE_WAIT_MS = 60 * 1000,
	CONN_HANDSHAKE_MS = 60 * 1000,
	CONN_WHY_MAX = 128,
};

enum conn_io {
	IO_DONE = 1, /* something was read or written */
	IO_AGAIN = 0,
	IO_CLOSED = -1, /* conn->why is set */
};

enum tls_state {
	TLS_NONE,
	TLS_WANTED, /* the plain output is still on its way */
	TLS_HANDSHAKE,
	TLS_READY,
};

struct conn_tls;
struct join;
struct rawlog;
struct ssl_st; /* OpenSSL's SSL */

struct conn {
	struct loop *loop;
	int fd;
	struct event read, write, later, timer;
	const struct conn_events *events;
	void *events_ctx;

	struct buf in, out;
	size_t in_at, out_at; /* what was consumed, written */
	uint64_t bytes_in, bytes_out;
	struct duration timeout;
	uint64_t active_ms;
	char *why; /* of the end; child of the connection */

	struct ssl_st *ssl;
	const struct conn_tls *with_tls; /* NULL before conn_start_tls() */
	struct tls *tls;
	char *tls_host; /* of the server; NULL: it is this side */
	void (*secured)(void *ctx);
	enum tls_state tls_state;
	uint64_t handshake_end_ms;
	int low_water; /* SO_RCVLOWAT, if it was set */
	char *tls_info, *cert_name;
	struct join *join;
	struct rawlog *rawlog; /* NULL: none */

	bool paused, reading, writing, corked;
	bool closing;     /* conn_close_later() */
	bool closed;      /* the peer went away, or an error */
	bool told_full;   /* the owner waits for drained() */
	bool told_end;    /* nothing is left to tell him */
	bool again;       /* input() is due without anything new */
	bool more;        /* the TLS layer may hold more */
	bool flood;       /* as much came as there was room for */
	bool write_first; /* TLS reads only after it has written */
};

static inline size_t conn_in_len(const struct conn *conn)
{
	return conn->in.len - conn->in_at;
}

static inline size_t conn_out_len(const struct conn *conn)
{
	return conn->out.len - conn->out_at;
}

/* Run the connection's turn of the loop as soon as the stack is unwound. */
void conn_turn_later(struct conn *conn);
/* Ask epoll for what is wanted now, if that changed. */
void conn_want_read(struct conn *conn, bool on);
void conn_want_write(struct conn *conn, bool on);
void conn_broke(struct conn *conn, const char *why);
/* From the socket into `to`; *len_out only with IO_DONE. */
enum conn_io conn_io_read(struct conn *conn, char *to, size_t room,
			  size_t *len_out);
/* Write what there is of the output. IO_AGAIN: some is left. */
enum conn_io conn_io_flush(struct conn *conn);
void conn_arm_timer(struct conn *conn);

/* What conn_tls.c does. Programs that start no TLS are linked without it and
 * OpenSSL, which would cost each process half a megabyte. */
struct conn_tls {
	enum conn_io (*read)(struct conn *conn, char *to, size_t room,
			     size_t *len_out);
	enum conn_io (*write)(struct conn *conn, const char *from, size_t len,
			      size_t *len_out);
	void (*begin)(struct conn *conn);
	/* Go on with it; calls secured() and may so free `conn`. */
	void (*handshake)(struct conn *conn);
	void (*shutdown)(struct conn *conn);
	void (*free)(struct conn *conn);
};

/* conn_join.c: a turn of a connection that is joined. */
void conn_join_turn(struct conn *conn, bool readable);

#endif
