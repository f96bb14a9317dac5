/* SPDX-License-Identifier: MIT */
/*
 * login/protocol.h - what differs between imap-login, pop3-login, ...: a file
 * and a const struct each.
 */
#ifndef LOGIN_PROTOCOL_H
#define LOGIN_PROTOCOL_H
#include "base/str.h"
#include "login/client.h"

struct login_proxy;

struct login_protocol {
	const char *name;  /* "imap": service for auth, socket of the session */
	const char *alpn;  /* RFC 7301's id */
	const char *title; /* "IMAP", for what is said to clients */
	/* Make client->data. */
	void (*init)(struct client *client);
	void (*greet)(struct client *client);
	/* TLS was begun by a command; NULL: nothing is said. */
	void (*secured)(struct client *client);
	/* Read client->conn; called again when there is more, or when a
	 * command was answered. Stops when state is no more CLIENT_COMMANDS. */
	void (*input)(struct client *client);
	/* The same in CLIENT_SASL; NULL: a response is a line. */
	void (*sasl_input)(struct client *client);
	/* SASL: ask for the next response. */
	void (*challenge)(struct client *client, struct str base64);
	/* The login did not succeed: answer the command. */
	void (*refuse)(struct client *client, enum login_result result,
		       const char *text);
	/* A session could not be had: answer the command, with the response
	 * code of the session's process ("[LIMIT]" or ""). */
	void (*no_session)(struct client *client, struct str code,
			   struct str text);
	/* The last words before the connection is closed. */
	void (*bye)(struct client *client, const char *text);
	/* A line that another server says (login/proxy.h), while the login
	 * there is under way. */
	void (*proxy_line)(struct login_proxy *proxy, struct str line);
	/* TLS after STARTTLS is there. */
	void (*proxy_secured)(struct login_proxy *proxy);
	uint16_t port, tls_port; /* of servers */
	const char *scheme;      /* of URLs that clients are referred to */
	/* Who comes as nobody (ANONYMOUS) may read: what he could send or
	 * change is not for him. */
	bool anonymous;
	bool final_data;         /* what SASL says last goes with success */
	/* Plain input is thrown away: forget half commands. */
	void (*reset)(struct client *client);
};

extern const struct login_protocol login_imap, login_pop3, login_managesieve;
extern const struct login_protocol login_submission;

/* main() of every login process. */
int login_main(const struct login_protocol *protocol, const char *name,
	       int argc, char **argv);

#endif
