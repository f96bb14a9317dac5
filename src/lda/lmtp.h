/* SPDX-License-Identifier: MIT */
/*
 * lda/lmtp.h - the LMTP server (RFC 2033): lmtp.c has a connection and its
 * input, lmtp_command.c the commands, lmtp_hello.c those about the client
 * itself, lmtp_rcpt.c recipients, lmtp_data.c what
 * happens from DATA to the last reply. Users' files are touched by workers.h.
 */
#ifndef LDA_LMTP_H
#define LDA_LMTP_H
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/ip.h"
#include "delivery/settings.h"
#include "net/tls.h"
#include "proto/smtp.h"
#include "storage/user.h"

struct account;
struct auth_master;
struct config;
struct conn;
struct err;
struct job;
struct lmtp_backend;
struct lmtp_proxy;
struct lmtp_session;
struct service_client;
struct service_env;
struct spool;
struct workers;

enum lmtp_state {
	LMTP_READY,
	LMTP_MAIL, /* MAIL FROM was accepted */
	LMTP_RCPT, /* a recipient too */
	LMTP_DATA,
	LMTP_CHUNK, /* the octets of a BDAT come in */
};

struct lmtp_process {
	struct service_env *env;
	struct lda_settings lda;
	struct lmtp_settings set;
	struct mail_settings mail;
	const char *hostname, *log_prefix;
	char *greeting;
	const char *trusted_networks;
	struct lmtp_proxy *proxy; /* NULL without lmtp_proxy */
	struct workers *workers;
	uint64_t mail_count;
	unsigned session_count;
	const char *stopping; /* why it ends; NULL: it does not */
	struct tls *tls; /* NULL: no STARTTLS */
	struct auth_master *auth;
	struct anvil *anvil; /* NULL without lmtp_user_concurrency_limit */
	struct lmtp_session *sessions; /* list */
};

struct lmtp_rcpt {
	char *address;  /* as given, without <> */
	char *original; /* of ORCPT, decoded; NULL if it is no such address */
	const char *orcpt; /* as the next server gets it; NULL: not given */
	char *forward;     /* fields of XRCPTFORWARD, tab-escaped; NULL */
	char *user;        /* without the detail */
	char *detail;      /* NULL: none */
	char *session_id;
	const struct account *account; /* NULL if it is passed on */
	unsigned index;                /* among those accepted, from 1 */
	const char *reply;             /* to the mail; NULL: not known yet */
	const char *refusal;           /* of a script (ereject); NULL: none */
	bool autoexpunge;              /* is due when all are answered */
	bool scripted;                 /* scripts were to decide */
	const struct job *late; /* its delivery takes its time; NULL: no */
	/* The same recipient was named before: one mail is for both. */
	const struct lmtp_rcpt *same;
	/* lmtp_proxy.c */
	struct lmtp_backend *backend; /* NULL: delivered here */
	const char *destination;      /* the address there */
	uint64_t started_ms;
	struct lmtp_rcpt *next;
};

/* Whom auth named a moment ago. Those who send many mails at once send them to
 * few, and a question takes longer than much of a delivery. */
struct lmtp_known {
	char *user;
	struct account *account;
	struct lmtp_known *next;
};

/* What a proxy said with XCLIENT; NULL where it did not. */
struct lmtp_proxied {
	char *helo, *login;
	const char *proto;
	unsigned ttl; /* servers that a mail may still pass */
	unsigned timeout_secs;
};

struct lmtp_session {
	struct lmtp_process *process;
	struct conn *conn;
	struct ip local, remote;
	bool trusted; /* login_trusted_networks has it */
	struct lmtp_proxied proxied;
	struct smtp_parser *parser;
	enum lmtp_state state;
	unsigned number; /* of this process's sessions */
	char *id;        /* of the session; see session_id */
	unsigned transactions;
	char *helo;
	const char *command; /* under way, for the log: "DATA"; NULL */
	bool begun;          /* there was LHLO, or MAIL */
	bool greeted, looking_up, in_input, ended;
	bool told_broken; /* the log knows that he names senders wrongly */
	unsigned bad_commands;
	uint64_t started_ms;
	struct lmtp_known *known; /* list */
	unsigned known_count;
	uint64_t known_ms; /* when the first of them was named */

	/* The transaction; all below it is freed with it. */
	void *ctx;
	char *session_id; /* the session's, with ":T2" from the second one on */
	char *from;
	const char *body; /* BODY=, as we pass it on; NULL if not given */
	bool binary;      /* it is BINARYMIME: becomes 8BITMIME */
	struct lmtp_rcpt *rcpts, *last_rcpt;
	const struct lmtp_rcpt *unanswered; /* the next to hear of the mail */
	unsigned rcpt_count, rcpt_tries;
	struct lmtp_backend *backends; /* list */
	unsigned waiting;   /* recipients whose servers have not answered yet */
	size_t trace_local; /* octets in front that no other server gets */
	struct spool *spool;
	uint64_t mail;     /* of all that this process takes */
	bool too_large;    /* it is */
	struct dot dot;
	struct buf chunk; /* of the data, without dots */
	/* BDAT (RFC 3030). */
	bool chunking;     /* there was one in this transaction */
	bool chunk_failed; /* its octets are passed over */
	bool chunk_last;
	bool chunk_cr; /* the last octet was CR */
	uint64_t chunk_size, chunk_left;

	struct lmtp_session *prev, *next;
};

/* lmtp.c */

void lmtp_session_new(struct lmtp_process *process,
		      const struct service_client *client);
void lmtp_reply(struct lmtp_session *session, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void lmtp_greet(struct lmtp_session *session);
/* Forget the transaction: after RSET, LHLO, the data. */
void lmtp_reset(struct lmtp_session *session);
/* Log the disconnect and close; `bye` (may be NULL) is the last reply. */
void lmtp_end(struct lmtp_session *session, const char *bye,
	      const char *reason);
/* With process->stopping, at once or when its mail is answered. */
void lmtp_shut_down(struct lmtp_session *session);
/* What was said in plain is forgotten; the client begins anew. */
void lmtp_start_tls(struct lmtp_session *session);
/* Go on with input after a lookup. */
void lmtp_resume(struct lmtp_session *session);

/* lmtp_command.c */

void lmtp_command(struct lmtp_session *session, const struct smtp_line *line);
/* Answer a wrong command; too many in a row end the session. */
void lmtp_bad(struct lmtp_session *session, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* False if there are some, after answering so. */
bool lmtp_no_args(struct lmtp_session *session, struct str args);

/* lmtp_hello.c */

void lmtp_lhlo(struct lmtp_session *session, struct str args);
void lmtp_xclient(struct lmtp_session *session, struct str args);
void lmtp_starttls(struct lmtp_session *session, struct str args);

/* lmtp_rcpt.c */

void lmtp_rcpt(struct lmtp_session *session, struct str args);
/* The end of it. The session may be gone then. */
void lmtp_rcpt_accept(struct lmtp_session *session, struct lmtp_rcpt *rcpt,
		      const char *reply);
void lmtp_rcpt_refuse(struct lmtp_session *session, const char *reply);
/* Ask auth anew from now on, if it is time or `all`. Not with recipients. */
void lmtp_known_forget(struct lmtp_session *session, bool all);

/* The reply to a mail, or RCPT, for who has no room; child of rcpt. */
char *lmtp_over_quota(const struct lmtp_session *session,
		      const struct lmtp_rcpt *rcpt, const struct err *err);

/* lmtp_data.c */

/* Where its mails go, but for scripts. */
const char *lmtp_mailbox_of(const struct lmtp_session *session,
			    const struct lmtp_rcpt *rcpt);
void lmtp_data_begin(struct lmtp_session *session);
/* Returns the octets used; at the end of the data it delivers and replies. */
size_t lmtp_data_feed(struct lmtp_session *session, struct str in);
void lmtp_bdat(struct lmtp_session *session, struct str args);
size_t lmtp_chunk_feed(struct lmtp_session *session, struct str in);

#endif
