/* SPDX-License-Identifier: MIT */
/*
 * login/client.h - a connection before authentication, whatever its protocol.
 *
 * What it says goes to the protocol (login/protocol.h) while state is
 * CLIENT_COMMANDS; while auth or the post-login process is asked, nothing is
 * read. A client that logged in is handed over: plain ones are then out of
 * this process, TLS ones stay as a proxy.
 */
#ifndef LOGIN_CLIENT_H
#define LOGIN_CLIENT_H
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "base/ip.h"
#include "base/str.h"
#include "login/settings.h"

struct auth_line;
struct auth_answer;
struct conn;
struct login;
struct login_protocol;
struct login_proxy;
struct service_client;

enum {
	CLIENT_INPUT_MIN = 4 * 1024, /* of login_max_input */
	CLIENT_INPUT_MAX = 64 * 1024,
	/* While auth or the session's process is asked. */
	CLIENT_ANSWER_TIMEOUT_MS = 180 * 1000,
	SASL_LINE_MAX = 8192,
	PROXY_TTL = 5,
};

/* Fields of a passdb that the log may show. */
enum { LOGIN_FIELDS_MAX = 24 };

enum client_state {
	CLIENT_GREETING, /* TLS, or auth is not there yet */
	CLIENT_COMMANDS,
	CLIENT_AUTH, /* auth works on it */
	CLIENT_SASL, /* the client's next response is awaited */
	CLIENT_HANDOVER,
	CLIENT_PROXY,
	CLIENT_CONNECTING, /* to another server, for a proxied user */
	CLIENT_CLOSING,    /* the last words are being written */
};

/* How a login ended, for the client. */
enum login_result {
	LOGIN_FAILED,
	LOGIN_TEMPORARY,
	LOGIN_AUTHZ_FAILED,
	LOGIN_EXPIRED,
	LOGIN_REFUSED, /* nologin */
	LOGIN_ABORTED, /* by the client: "*" */
	LOGIN_BAD_BASE64,
	LOGIN_BAD_INITIAL, /* base64 in the initial response */
	LOGIN_NO_MECH,
	LOGIN_PLAINTEXT, /* not allowed here */
	/* What another server said: all of an answer behind IMAP's and
	 * ManageSieve's NO and POP3's -ERR, the whole one of SMTP. */
	LOGIN_REMOTE,
	LOGIN_REFERRED, /* to another server: client->referral */
};

struct client {
	struct client *prev, *next; /* all of the process */
	UT_hash_handle hh_auth;     /* by auth_id */
	UT_hash_handle hh_handover; /* by handover_id */
	struct login *login;
	const struct login_protocol *protocol;
	void *data; /* the protocol's; child of the client */
	struct conn *conn;
	struct conn *proxy;     /* CLIENT_PROXY: to the session */
	int proxy_fd;           /* CLIENT_HANDOVER in TLS: our end */
	struct login_proxy *to; /* the other server, if there is one */
	unsigned ttl;           /* how many proxies may yet come */
	enum client_state state;
	bool ssl_listener, tls, starttls, trusted, secured;
	bool haproxy, proxied_tls; /* the proxy in front speaks TLS with it */
	const char *listener;
	char *server_name, *cert_name; /* that it told; NULL: none */

	struct ip local, remote, real_local, real_remote;
	char *session_id;
	char *forward; /* forward_fields for auth; NULL: nothing was told */
	const struct login_settings *set;
	const struct tls_settings *tls_set;
	struct tls *tls_ctx;
	uint64_t since_ms;

	/* The login under way, and what the log says of those before. */
	char *tag; /* IMAP; ManageSieve: SASL data for OK, in base64 */
	char *user, *mech;
	char *referral; /* URL of the server that the user is to go to */
	char *fields; /* of the passdb, for the log: auth's, still escaped */
	uint32_t auth_id, handover_id;
	unsigned attempts, successes, bad_commands;
	uint64_t attempt_ms;
	bool no_mech_tried, plaintext_tried, bad_base64, sasl_unfinished;
	bool cert_refused, authz_failed, dest_failed;
	const char *failure;   /* for the log: not just a wrong password */
	const char *ssl_error; /* of a handshake that failed */
};

void client_accept(struct login *login, const struct service_client *from);
/* Whether a password may be sent here in the clear. */
bool client_plaintext_ok(const struct client *client);
/* Whether nobody may log in here, however he proves himself, for ssl = required
 * asks for TLS. */
bool client_needs_tls(const struct client *client);
/* The name it asked for (SNI), here or at the proxy in front; or NULL. */
const char *client_server_name(const struct client *client);
/* Whether STARTTLS can be done. */
bool client_can_tls(const struct client *client);
/* After its OK was written. */
void client_start_tls(struct client *client);
/* What waits for auth's handshake goes on. */
void client_auth_ready(struct client *client);

/* Log "Disconnected: REASON (...)", say `bye` with the protocol (NULL:
 * nothing), close when it is written. The client must not be used any more. */
void client_disconnect(struct client *client, const char *bye,
		       const char *reason);
/* Free without a line in the log. */
void client_free(struct client *client);
/* One more invalid command; true if it is one too many: what is to be said is
 * the protocol's, then client_disconnect(). */
bool client_bad_command(struct client *client);
/* login_max_input, within reason. */
size_t client_max_input(const struct client *client);
/* Time runs from now on. */
void client_restart_timeout(struct client *client);

/* trusted.c */

/* An address as text, in place of *ip, whose port stays. False: it is none. */
bool client_take_ip(struct ip *ip, struct str value);
bool client_take_port(struct ip *ip, struct str value);
void client_take_session_id(struct client *client, struct str value);
/* A field that the passdb knows as forward_NAME: one, or all of them in base64
 * with tabs between. */
void client_take_forward(struct client *client, struct str name,
			 struct str value);
bool client_take_forwards(struct client *client, struct str base64);
/* An attribute of XCLIENT, by which of these it is about; what we don't know is
 * passed over. False: malformed. */
bool client_take_xclient(struct client *client, struct str name,
			 struct str value);

/* sasl.c */

/* AUTHENTICATE: `initial` is base64 or {NULL, 0}. The answer comes through the
 * protocol's functions. */
void client_authenticate(struct client *client, struct str mech,
			 struct str initial);
/* The URL that fields of a passdb with nologin make, child of the client; NULL:
 * they name no host (referral.c). */
char *client_referral(struct client *client, const struct auth_line *fields);
/* With a mechanism that clients do not name (APOP); with ssl = required in TLS
 * only, too. */
void client_start_mech(struct client *client, const char *mech,
		       struct str initial);
/* LOGIN, USER and PASS: as PLAIN. */
void client_login(struct client *client, struct str user, struct str password);
/* A line of the client in CLIENT_SASL. */
void client_sasl_line(struct client *client, struct str line);
/* What it said in CLIENT_SASL is no response. */
void client_sasl_refuse(struct client *client, const char *text);
/* Input in CLIENT_SASL. */
void client_sasl_input(struct client *client);
void client_auth_answer(struct client *client,
			const struct auth_answer *answer);

/* The login ends here: answer the command, on to the next. */
void client_refuse(struct client *client, enum login_result result,
		   const char *text);

/* handover.c */

void client_hand_over(struct client *client);

/* log.c */

/* "TEXT: user=<...>, method=..., ..." by login_log_format. */
void client_log(const struct client *client, uint32_t mail_pid,
		const char *text);
void client_log_error(const struct client *client, const char *text);
/* login_greeting with its %-variables; child of the client, if it has some. */
const char *client_greeting(const struct client *client);
/* " (no auth attempts in 3 secs)", as Dovecot and fail2ban have it. */
const char *client_why(const struct client *client, char *out, size_t size);

#endif
