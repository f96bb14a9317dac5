/* SPDX-License-Identifier: MIT */
/*
 * service/smtp_client_internal.h - what the files of an SMTP client share.
 *
 * Nobody is told from within one of his own calls, and each answer may free the
 * client: a function that answers says whether it is still there.
 */
#ifndef SERVICE_SMTP_CLIENT_INTERNAL_H
#define SERVICE_SMTP_CLIENT_INTERNAL_H
#include "service/smtp_client.h"

enum { SMTP_CLIENT_LINE_MAX = 16 * 1024 };

enum client_state {
	CLIENT_GREETING,
	CLIENT_HELLO,
	CLIENT_STARTTLS,
	CLIENT_XCLIENT,
	CLIENT_AUTH,
	CLIENT_READY,
	CLIENT_GONE,
};

enum command_kind {
	COMMAND_HELLO, /* none; answered when the server is ready */
	COMMAND_MAIL,
	COMMAND_RCPT,
	COMMAND_DATA,
	COMMAND_OTHER,
};

struct command {
	enum command_kind kind;
	const char *line; /* as it is; or by: */
	const char *address, *body, *orcpt, *forward;
	smtp_client_fn *fn;
	void *fn_ctx;
	bool sent;
	/* DATA. */
	struct smtp_source source;
	bool sending, ended; /* 354 came; the dot is written */
	unsigned replies;    /* still to come */
	struct command *prev, *next;
};

struct smtp_client {
	struct smtp_client_options options;
	struct loop *loop;
	struct conn *conn;
	struct timer *later;
	struct smtp_replies *replies;
	enum client_state state;
	size_t ips_tried; /* of options.more */
	bool xclient_done, auth_done;
	const char *capabilities; /* lines of the last hello */
	struct command *commands; /* list; the first waits for its answer */
	unsigned accepted;        /* recipients of this mail */
	bool utf8;                /* SMTPUTF8 was said of it */
	const char *ret, *notify; /* DSN; NULL: nothing is said */
	struct dot_out dot;
	const char *phrase, *error; /* why it is gone */
	struct smtp_reply refusal;  /* to the connection or hello; 0: none */
	bool *freed;                /* set when a function freed it */
};

/* smtp_client.c */
char *smtp_client_peer(const struct smtp_client *client);
bool smtp_client_has(const struct smtp_client *client, const char *capability);
/* It ends here, unless there is another address to try: `phrase` is what the
 * commands that wait are answered, `why` is for the log. */
void smtp_client_lost(struct smtp_client *client, const char *phrase,
		      const char *why);

/* smtp_client_send.c */
/* Send what may be sent, answer what needs no server. Only from the loop. */
void smtp_client_advance(struct smtp_client *client);
/* More of the mail. */
void smtp_client_send_text(struct smtp_client *client);

/* smtp_client_reply.c */
/* Tell whoever waits for the first command, which is done with then. False when
 * that freed the client. */
bool smtp_client_answer_all(struct smtp_client *client,
			    const struct smtp_reply *reply);
/* Tell all that wait that the client is gone. */
void smtp_client_tell_gone(struct smtp_client *client);
void smtp_client_take_reply(struct smtp_client *client,
			    const struct smtp_reply *reply);
/* TLS stands: for conn_start_tls_to(). */
void smtp_client_secured(void *ctx);

#endif
