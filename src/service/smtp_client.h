/* SPDX-License-Identifier: MIT */
/*
 * service/smtp_client.h - a client of SMTP and LMTP (RFC 5321, 2033): for
 * LMTP's proxy, for submission, and for mails that the server sends itself.
 *
 * Commands are queued and sent when the server is ready for them, all at once
 * if it takes them so. Each gets an answer by its function: the server's, or
 * one with code 0 and what happened: "connect", "connection lost", "bad reply",
 * "timed out", with smtp_client_error() for the log, as there is for 421, after
 * which nothing more is said.
 */
#ifndef SERVICE_SMTP_CLIENT_H
#define SERVICE_SMTP_CLIENT_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/duration.h"
#include "base/ip.h"
#include "proto/smtp.h"

struct loop;
struct smtp_client;
struct tls;

enum smtp_tls { SMTP_TLS_NONE, SMTP_TLS_AT_ONCE, SMTP_TLS_STARTTLS };

struct smtp_client_options {
	bool lmtp;
	const char *host; /* for the log, and its certificate */
	struct ip ip;     /* with its port */
	/* Other addresses of the host, tried in turn if it can't be reached;
	 * NULL: none. Copied. */
	const struct ip *more;
	size_t more_count;
	const struct ip *source;
	enum smtp_tls tls_mode;
	struct tls *tls; /* a client's; outlives the client */
	const char *hello;
	struct duration timeout;         /* for each answer */
	struct duration connect_timeout; /* up to EHLO's; 0: the same */
	struct duration max_idle; /* without a command; 0: the last timeout */
	const char *user;         /* AUTH PLAIN as that; NULL: no login */
	const char *master_user, *password; /* NULL: none */
	const char *rawlog_dir;             /* see conn_rawlog(); NULL: none */
	/* What XCLIENT tells, as far as the server wants to know: names and
	 * values up to a NULL name; may be NULL. */
	const struct smtp_param *xclient;
};

typedef void smtp_client_fn(void *ctx, const struct smtp_reply *reply);

/* The text of a mail: up to `size` octets from `at` on; 0 at its end, -1 if it
 * can't be had. */
struct smtp_source {
	ssize_t (*read)(void *ctx, uint64_t at, char *out, size_t size);
	void *ctx;
	uint64_t at;
	/* BDAT for so many octets, as they are, in place of DATA (RFC 3030),
	 * for servers with CHUNKING; 0: DATA. */
	uint64_t chunk;
};

/* Connects. Child of ctx; freeing it closes the connection, and nothing is
 * called any more. */
struct smtp_client *smtp_client_new(const void *ctx, struct loop *loop,
				    const struct smtp_client_options *options);
/* Answers when the server has greeted and knows us: code 250 with the lines of
 * its capabilities, its name in the first. */
void smtp_client_hello(struct smtp_client *client, smtp_client_fn *fn,
		       void *fn_ctx);
/* A command as it is, without its CRLF: MAIL and RCPT with parameters of the
 * caller's, whose addresses he has parsed, RSET, VRFY, NOOP. */
void smtp_client_command(struct smtp_client *client, const char *line,
			 smtp_client_fn *fn, void *fn_ctx);
/* What stands behind a capability of the server's ("SIZE"); false if it lacks
 * that, or has not told yet. */
bool smtp_client_can(const struct smtp_client *client, const char *name,
		     struct str *args_out);
/* Whether the connection is lost or was never made: nothing can be said any
 * more. */
bool smtp_client_gone(const struct smtp_client *client);
/* MAIL. `body` ("8BITMIME"; NULL) is told to servers that know it. */
void smtp_client_mail(struct smtp_client *client, const char *from,
		      const char *body, smtp_client_fn *fn, void *fn_ctx);
/* For MAIL and RCPT from now on, where DSN is announced (RFC 3461): "HDRS",
 * "FAILURE,DELAY"; may be NULL. */
void smtp_client_dsn(struct smtp_client *client, const char *ret,
		     const char *notify);
/* RCPT. `orcpt` ("rfc822;..." in xtext) and `forward` may be NULL; see
 * lda/lmtp.h. */
void smtp_client_rcpt(struct smtp_client *client, const char *to,
		      const char *orcpt, const char *forward,
		      smtp_client_fn *fn, void *fn_ctx);
/* The mail: `fn` is called once for each recipient that was accepted, in
 * order. Not called at all if none was. `source` is copied. */
void smtp_client_data(struct smtp_client *client,
		      const struct smtp_source *source, smtp_client_fn *fn,
		      void *fn_ctx);
/* What went wrong, for the log: "connect(192.0.2.1:24) failed: ...". */
const char *smtp_client_error(const struct smtp_client *client);
/* With what it refused the connection or our hello; NULL if it did not. */
const struct smtp_reply *smtp_client_refusal(const struct smtp_client *client);
/* Say QUIT and free it when that is written; *client becomes NULL. */
void smtp_client_quit(struct smtp_client **client);

#endif
