/* SPDX-License-Identifier: MIT */
/*
 * net/conn.h - a buffered connection, plain or in TLS.
 *
 * Input is read into a buffer of at most `max_input` octets; when it is full,
 * reading pauses. Output collects and is written as the peer takes it; who
 * makes much of it stops when conn_output_full() and goes on in `drained`.
 */
#ifndef NET_CONN_H
#define NET_CONN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/str.h"

struct conn;
struct loop;
struct tls;

struct conn_events {
	/* There is input, or more of it; take it with conn_consume(). Called
	 * again only when more arrives. */
	void (*input)(void *ctx);
	/* There is room, and a new turn, after conn_output_full() was true, or
	 * the last octet was written after conn_close_later(). May be NULL. */
	void (*drained)(void *ctx);
	/* The peer closed, or an error: `why` is for the log, "" for a clean
	 * end. conn_free() is still the owner's to call. */
	void (*closed)(void *ctx, const char *why);
	/* No input for conn_set_timeout(). May be NULL: then closed(). */
	void (*timeout)(void *ctx);
};

/* Takes `fd`. Child of ctx; conn_free() or freeing ctx closes it. */
struct conn *conn_new(const void *ctx, struct loop *loop, int fd,
		      size_t max_input, const struct conn_events *events,
		      void *events_ctx);
/* Close at once; what was not written is lost. */
void conn_free(struct conn **conn);
/* Who handles events from now on. */
void conn_set_events(struct conn *conn, const struct conn_events *events,
		     void *events_ctx);

/* What has been read and not consumed. Valid up to the next conn_ call. */
struct str conn_input(struct conn *conn);
void conn_consume(struct conn *conn, size_t len);
/* Put back input that another process read already. */
void conn_add_input(struct conn *conn, struct str data);
/* Stop reading (a command runs), go on; input that is there makes input() be
 * called from the loop. */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);
void conn_set_timeout(struct conn *conn, struct duration timeout); /* 0: none */

void conn_write(struct conn *conn, const void *data, size_t len);
void conn_write_str(struct conn *conn, struct str str);
void conn_printf(struct conn *conn, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Room of at least `len` octets to write into, then conn_grew(): for copying
 * message text without a buffer in between. */
char *conn_space(struct conn *conn, size_t len);
void conn_grew(struct conn *conn, size_t len);
/* Start writing now rather than when the loop comes round. */
void conn_flush(struct conn *conn);
size_t conn_output_size(struct conn *conn);
/* Whether 64 kB or more wait to be written, or the one who asks has been at it
 * for so long (a client may read as fast as he is answered) that it is for
 * others to have a turn: stop, drained() will come. */
bool conn_output_full(struct conn *conn);
/* drained() once all is written; takes no more input. */
void conn_close_later(struct conn *conn);
uint64_t conn_bytes_in(struct conn *conn);
uint64_t conn_bytes_out(struct conn *conn);
int conn_fd(struct conn *conn);
/* Whether the peer went away, or an error came. */
bool conn_closed(struct conn *conn);
/* Since something was last read or written. */
uint64_t conn_idle_ms(struct conn *conn);
/* Record all traffic from now on in files of that directory (rawlog_dir), if
 * there is one. */
void conn_rawlog(struct conn *conn, const char *dir);
/* Collect small writes until uncorked: one packet for one answer. */
void conn_cork(struct conn *conn, bool on);

/* TLS */

/* Begin a server's handshake. Input read before it in plain is thrown away
 * (RFC 3501 section 6.2.1, CVE-2021-33515). secured() or closed() comes. */
void conn_start_tls(struct conn *conn, struct tls *tls,
		    void (*secured)(void *ctx));
/* The same as a client of `host`, a name or an address to hold the server's
 * certificate against. */
void conn_start_tls_to(struct conn *conn, struct tls *tls, const char *host,
		       void (*secured)(void *ctx));
bool conn_has_tls(struct conn *conn);
/* "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"; "" in plain. */
const char *conn_tls_info(struct conn *conn);
/* The name the client asked for (SNI); NULL if none. */
const char *conn_tls_server_name(struct conn *conn);
/* ssl_cert_username_field of the client's certificate, when it gave one that
 * ssl_ca vouches for; else NULL. */
const char *conn_tls_cert_name(struct conn *conn);
/* Whether it gave one; one that ssl_ca vouches for. */
bool conn_tls_has_cert(struct conn *conn);
bool conn_tls_cert_valid(struct conn *conn);
/* What binds an authentication to this channel, in octets: tls-exporter (RFC
 * 9266) or tls-server-end-point (RFC 5929). False: not to be
 * had. */
bool conn_tls_exporter(struct conn *conn, struct buf *out);
bool conn_tls_server_end_point(struct conn *conn, struct buf *out);

/* Copy both ways between two connections until one closes; then `done` is
 * called with the octets to a and to b. For login's TLS proxy. */
void conn_join(struct conn *a, struct conn *b,
	       void (*done)(void *ctx, uint64_t to_a, uint64_t to_b,
			    const char *why),
	       void *ctx);

#endif
