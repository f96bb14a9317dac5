/* SPDX-License-Identifier: MIT */
/*
 * login/client.h - a client before it is authenticated, in any protocol.
 *
 * client.c has its connection: TLS, greeting, time-outs, disconnects; sasl.c
 * its authentication up to the hand-over; log.c what is said of it. A protocol
 * is a table of functions in a file of its own (imap.c).
 */
#ifndef LOGIN_CLIENT_H
#define LOGIN_CLIENT_H
#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/str.h"
#include "login/auth_client.h"
#include "login/settings.h"
#include "net/tls.h"

struct buf;
struct conn;
struct login_client;
struct login_process;
struct post_login;
struct service_client;
struct service_env;
struct timer;

/* How authentication ended, for the protocol to put into its words. */
enum login_outcome {
	LOGIN_DENIED,        /* wrong user or password */
	LOGIN_DENIED_REASON, /* the same, with auth's own text */
	LOGIN_TEMPORARY,     /* auth or the mail service cannot tell now */
	LOGIN_USER_DISABLED,
	LOGIN_PASS_EXPIRED,
	LOGIN_NOT_ALLOWED, /* nologin, or refused by the mail service */
	LOGIN_LIMIT,       /* too many connections of that user */
	LOGIN_NEEDS_TLS,   /* a plaintext mechanism in the clear */
	LOGIN_NEEDS_SSL,   /* ssl = required */
	LOGIN_UNKNOWN_MECH,
	LOGIN_BAD_BASE64,
	LOGIN_ABORTED, /* by the client, with "*" */
};

struct login_protocol {
	const char *name; /* "imap": of settings filters and auth's service */
	const char *post_login; /* listener of the mail service: "login/imap" */
	size_t memory_size;     /* of client->protocol_data, zeroed */
	void (*begin)(struct login_client *client);
	void (*greeting)(struct login_client *client);
	/* There is input and nothing under way. */
	void (*input)(struct login_client *client);
	/* After a handshake: forget what was said in the clear. */
	void (*reset)(struct login_client *client);
	/* Send a challenge. */
	void (*challenge)(struct login_client *client, struct str base64);
	/* Tell of an authentication that failed. */
	void (*failed)(struct login_client *client, enum login_outcome outcome,
		       struct str text);
	/* A last line before closing. */
	void (*bye)(struct login_client *client, const char *text);
};

enum { LOGIN_PROXY_INPUT = 16 * 1024 };

struct login_process {
	struct service_env *env;
	const struct login_protocol *protocol;
	struct auth_client *auth;
	struct post_login *post_login;
	/* For connections without local and remote blocks of their own. */
	struct login_context *context;
	struct login_client *clients; /* list */
	bool stopping;
};

/* Settings and TLS context that apply to a connection. */
struct login_context {
	struct login_settings set;
	struct tls_settings tls_set;
	struct tls *tls; /* NULL: not available */
};

struct login_client {
	struct login_process *process;
	struct login_context *context;
	struct conn *conn;
	struct ip local, remote, real_remote;
	char *session_id;
	void *protocol_data;

	bool tls_listener; /* implicit TLS */
	bool handshaking;
	bool trusted; /* login_trusted_networks */
	bool greeted;
	bool ended; /* nothing more is said or done; freed soon */

	/* sasl.c */
	struct auth_request *request;
	char *mech;            /* of the last attempt, upper case; NULL */
	char *user;            /* as known so far; NULL */
	char *tag;             /* of the command that authenticates (IMAP) */
	bool waiting_response; /* the client's turn in SASL */
	bool authenticating;   /* auth's turn, or the mail service's */
	uint32_t post_login_id;
	uint64_t auth_started_ms;
	uint32_t mail_pid;
	unsigned attempts; /* that auth was asked about */
	bool plaintext_disallowed, bad_base64;
	enum login_outcome last_outcome; /* of the last attempt */
	char *tls_error;                 /* why TLS failed; NULL */

	unsigned bad_commands;
	uint64_t started_ms, first_attempt_ms;
	struct timer *timer;
	struct conn *proxy; /* the other end, once it is a TLS proxy */
	struct login_client *prev, *next;
};

/* --- client.c ------------------------------------------------------------ */

void login_client_new(struct login_process *process,
		      const struct service_client *accepted);
/* Whether passwords may be sent as they are. */
bool login_client_secured(const struct login_client *client);
/* STARTTLS was answered: shake hands, then greet no more. */
void login_client_start_tls(struct login_client *client);
/* Log the disconnect (`reason`; NULL: nothing to log) and be gone. `bye` (may
 * be NULL) is the client's last line. The struct stays for the callers above,
 * and is freed when the loop comes round. */
void login_client_end(struct login_client *client, const char *bye,
		      const char *reason);
/* A malformed or unknown command: false when that was one too many, and the
 * client is gone. */
bool login_client_bad_command(struct login_client *client, const char *bye,
			      const char *reason);

/* --- sasl.c -----------------------------------------------------------------
 */

/* Begin; `initial` is base64 if `has_initial`. The outcome comes through the
 * protocol's functions. */
void login_sasl_begin(struct login_client *client, struct str mech,
		      bool has_initial, struct str initial);
/* With user and password from a LOGIN command: the mechanism is PLAIN. */
void login_sasl_plain(struct login_client *client, struct str user,
		      struct str password);
/* What the client said to a challenge: base64, or "*". */
void login_sasl_response(struct login_client *client, struct str line);
/* Give up what is under way, without a word. */
void login_sasl_cancel(struct login_client *client);

/* --- log.c -------------------------------------------------------------------
 */

/* "text: user=<...>, method=..." by login_log_format. */
void login_log(const struct login_client *client, const char *text);
/* "Disconnected: reason (auth failed, 1 attempts in 2 secs): ..." */
void login_log_disconnect(const struct login_client *client,
			  const char *reason);

/* --- the protocols
 * ------------------------------------------------------------ */

extern const struct login_protocol imap_protocol;
int login_main(const struct login_protocol *protocol, const char *name,
	       int argc, char **argv);

#endif
