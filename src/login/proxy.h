/* SPDX-License-Identifier: MIT */
/*
 * login/proxy.h - users whose mail is on another server, by fields of the
 * passdb: proxy, proxy_maybe, proxy_always, host, hostip, port, ssl, starttls,
 * destuser, pass, master, proxy_mech, proxy_noauth, proxy_nopipelining,
 * proxy_not_trusted, proxy_read_only, proxy_timeout, proxy_refresh, source_ip,
 * forward_*, user_*; and hostips, the addresses that auth found for a host.
 *
 * The login is done again there; then octets are copied both ways, a buffer of
 * each side waiting for the other. A server that is not there, goes away before
 * the login is done, or says that it can't for now is tried again,
 * login_proxy_max_reconnects times within the time there is.
 */
#ifndef LOGIN_PROXY_H
#define LOGIN_PROXY_H
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/ip.h"
#include "base/str.h"
#include "login/client.h"

struct auth_line;
struct conn;
struct login;
struct timer;

enum { PROXY_IPS_MAX = 16 };
enum proxy_tls { PROXY_PLAIN, PROXY_TLS, PROXY_STARTTLS };

struct proxy_host;

struct login_proxy {
	struct client *client;
	struct conn *conn; /* NULL: not connected */
	struct timer *timer, *notify_timer;
	/* Where to. */
	struct ip ip, source;
	struct ip ips[PROXY_IPS_MAX]; /* of the host: tried in turn */
	unsigned ip_count;
	bool has_source, any_cert, not_trusted;
	bool no_auth, no_pipelining;
	enum proxy_tls tls_mode;
	const char *host; /* as the passdb has it */
	/* As whom; mech NULL: the protocol's plain login. */
	const char *user, *master, *mech;
	char *password;
	const char **forward; /* "name=value", up to NULL */
	/* The user's other names, "user_NAME=value", as auth escaped them, a
	 * tab before each. */
	struct buf aliases;
	struct duration timeout, refresh; /* 0: nobody is notified */
	struct duration down_after;       /* silent for so long; 0: never */
	struct proxy_host *host_tried;    /* NULL: it is not waited for */
	uint64_t started_ms, tried_ms;
	unsigned reconnects;
	bool connected; /* the other server said something */
	bool joined;
	uint32_t id; /* for anvil; 0: it was not told */
	/* The protocol's. */
	unsigned step, capabilities; /* step 0: its greeting is awaited */
	unsigned responses;          /* that LOGIN was given */
	const char *xclient;         /* submission: what it takes of us */
};

/* TLS contexts, before files are out of reach; what fails is logged. */
void login_proxy_preload(struct login *login);
/* Send an authenticated client there, by the fields of auth's OK. False: he is
 * this server's own (proxy_maybe). */
bool login_proxy_begin(struct client *client, const struct auth_line *fields);
void login_proxy_free(struct client *client);
/* End a session there: `doveadm proxy kick`. Frees the client. */
void login_proxy_kick(struct client *client);

/* for the protocols */

/* The response of proxy->mech, in base64: the initial one; of LOGIN, which has
 * none, the name first, and the password the second time. */
void login_proxy_response(struct login_proxy *proxy, struct buf *out);
/* LOGIN: its responses answer challenges. */
bool login_proxy_is_asked(const struct login_proxy *proxy);
/* Of POP3 and submission: "AUTH MECH", with the initial response if it has one;
 * a line, which is ended here, or the login fails as it is too long; and the
 * response to a challenge of LOGIN as such a line. */
void login_proxy_auth(struct login_proxy *proxy, struct buf *out);
void login_proxy_say(struct login_proxy *proxy, struct buf *line);
void login_proxy_respond(struct login_proxy *proxy);
/* forward_* for XCLIENT's FORWARD, in base64; nothing if there are none. */
void login_proxy_forward(const struct login_proxy *proxy, struct buf *out);
void login_proxy_start_tls(struct login_proxy *proxy);
/* The login there has succeeded, and the client was told. */
void login_proxy_done(struct login_proxy *proxy);
/* It has failed for now: whether it will be tried again, with a new connection.
 */
bool login_proxy_retry(struct login_proxy *proxy);
/* It has failed: `text` is for the client, with its response code. */
void login_proxy_refused(struct login_proxy *proxy, const char *text);
/* It says what nobody asked for; the log has it. */
void login_proxy_unexpected(struct login_proxy *proxy, struct str line);
/* It says no to a command before the login; the log has what it says. */
void login_proxy_aborted(struct login_proxy *proxy, const char *what,
			 struct str line);
/* It can't be done: `why` is for the log. */
void login_proxy_failed(struct login_proxy *proxy, const char *why);

/* proxy_source.c */

/* login_source_ips, before files and names are out of reach. */
void proxy_sources_load(struct login *login);
/* One of that family, any of them; false: there is none. */
bool proxy_source_get(const struct login *login, int family, struct ip *ip_out);

/* proxy_hosts.c: which other servers are down, as far as this process knows */

enum proxy_try {
	PROXY_LEFT,   /* the client did not wait for it */
	PROXY_SILENT, /* it did not answer, or cannot be reached */
	PROXY_ANSWERED,
};

/* proxy->ip is tried now. False: it has been silent for down_after, and others
 * are waiting for it still. */
bool proxy_host_try(struct login_proxy *proxy);
/* How that went; does nothing if none is being tried. */
void proxy_host_tried(struct login_proxy *proxy, enum proxy_try how);

/* proxy_notify.c: tell who reads login_proxy_notify_path that a user is here
 * still, every `proxy_refresh`. */

/* Open the pipe, if there is one. */
void proxy_notify_open(struct login *login);
void proxy_notify_begin(struct login_proxy *proxy);

#endif
