/* SPDX-License-Identifier: MIT */
/*
 * submission/session.h - one client of mail submission after login (RFC 6409):
 * what it says is passed on to the relay, and the relay's answers to it.
 *
 * A mail is received whole before the relay hears of its text, and 250 is said
 * when the relay has said it. Recipients go to the relay as they come; any
 * other command waits until those before are answered.
 */
#ifndef SUBMISSION_SESSION_H
#define SUBMISSION_SESSION_H
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "proto/smtp.h"
#include "session/mail_session.h"
#include "submission/settings.h"

struct err;
struct smtp_client;
struct spool;
struct tls;

enum submission_state {
	SUBMISSION_GREETING, /* no transaction was begun yet */
	SUBMISSION_READY,
	SUBMISSION_MAIL, /* MAIL was sent to the relay */
	SUBMISSION_RCPT, /* a recipient too */
	SUBMISSION_DATA,
	SUBMISSION_CHUNK, /* the octets of a BDAT come in */
};

/* Of the relay, or as submission_backend_capabilities says. */
enum {
	RELAY_8BITMIME = 1 << 0,
	RELAY_BINARYMIME = 1 << 1,
	RELAY_DSN = 1 << 2,
	RELAY_VRFY = 1 << 3,
};

struct submission {
	struct mail_session base;
	const struct submission_settings *set; /* of `base` */
	const char *hostname, *id;
	char *helo;
	struct smtp_parser *parser;
	struct smtp_line line;
	const char *line_problem; /* why it is none; NULL */
	bool held;                /* `line` waits for the relay's answers */
	void *tmp;                /* of the command; freed by the next one */
	enum submission_state state;
	const char *command; /* under way, for the log; NULL */
	unsigned bad_commands, transactions;
	uint64_t command_count, reply_count;

	/* relay.c */
	struct smtp_client *relay; /* NULL: not needed yet */
	unsigned relay_has;
	uint64_t relay_size; /* of SIZE; 0: not known */
	unsigned waiting;    /* answers of the relay's that are to come */

	/* The transaction; all below it is freed with it. */
	void *ctx;
	const char *transaction_id, *from;
	bool mail_refused;     /* the answer to MAIL */
	bool binary;           /* BODY=BINARYMIME */
	const char *only_rcpt; /* the first that was accepted */
	unsigned rcpt_count;
	struct spool *spool;
	size_t trace_size; /* octets in front of the client's own */
	struct dot dot;
	struct buf chunk;  /* of the data, without dots */
	bool chunking;     /* there was a BDAT in this transaction */
	bool chunk_failed; /* its octets are passed over */
	bool chunk_last;
	uint64_t chunk_size, chunk_left;
};

/* At service.init: what sessions of this process share. */
int submission_sessions_init(struct service_env *env, struct err *err);

/* session.c */

void submission_reply(struct submission *session, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The relay's answer, with a status in each line (RFC 2034). */
void submission_pass(struct submission *session,
		     const struct smtp_reply *reply);
/* Say `bye` ("421 ...") and end; the log gets `reason` and the state. */
void submission_end(struct submission *session, const char *bye,
		    const char *reason);
/* Answer a wrong command; too many in a row end the session. */
void submission_bad(struct submission *session, const char *text);
/* Forget the transaction; the relay is told if it has one. */
void submission_reset(struct submission *session);

/* command.c */

/* False: it has to wait until the relay has answered those before. */
bool submission_command(struct submission *session,
			const struct smtp_line *line);

/* data.c */

void submission_data(struct submission *session, struct str args);
void submission_bdat(struct submission *session, struct str args);
/* Return the octets used. */
size_t submission_data_feed(struct submission *session, struct str in);
size_t submission_chunk_feed(struct submission *session, struct str in);
/* The largest mail that this server, or the relay, takes. */
uint64_t submission_own_max(const struct submission *session);
uint64_t submission_max(const struct submission *session);

/* relay.c */

/* At the beginning: ask the relay what it can do, unless that is set. */
void relay_begin(struct submission *session);
/* A connection that commands can be given to, maybe a new one. False: the
 * session ends. */
bool relay_ready(struct submission *session);
/* The answer `reply` has come: false if it ends the session, for the relay is
 * lost. */
bool relay_answered(struct submission *session, const struct smtp_reply *reply);
/* Give it a command; `waiting` counts the answer. */
void relay_command(struct submission *session, const char *line,
		   void (*fn)(void *ctx, const struct smtp_reply *reply),
		   void *fn_ctx);
/* The client's session goes on after answers. */
void relay_wake(struct submission *session);
/* service.preload: certificates, while all files can be read. */
int relay_preload(struct service_env *env, struct err *err);

#endif
