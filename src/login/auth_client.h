/* SPDX-License-Identifier: MIT */
/*
 * login/auth_client.h - login's connection to auth: mechanisms, and requests
 * that end with OK or FAIL (Dovecot's auth client protocol, proto/auth.h).
 *
 * One connection serves all clients of the process. It is made again when auth
 * restarts; requests under way then fail as temporary.
 */
#ifndef LOGIN_AUTH_CLIENT_H
#define LOGIN_AUTH_CLIENT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/str.h"
#include "service/auth_master.h"

struct auth_client;
struct auth_line;
struct auth_request;
struct loop;

struct auth_mech {
	const char *name; /* "PLAIN" */
	bool plaintext;   /* needs a secured connection */
	bool hidden;      /* "private": works, but is not announced */
};

enum auth_result {
	AUTH_CONTINUE, /* line->args[0] is a challenge in base64 */
	AUTH_OK,
	AUTH_FAIL,        /* the line says why, if `line` is not NULL */
	AUTH_UNAVAILABLE, /* auth is gone, or does not answer */
};

struct auth_info {
	const char *mech;
	const char *service; /* "imap" */
	const char *session_id;
	const char *cert_name;  /* of the TLS client certificate, or NULL */
	const char *local_name; /* TLS server name, or NULL */
	struct ip local, remote;
	bool secured, tls, no_penalty;
	bool has_initial;
	struct str initial; /* base64, as the client sent it */
};

/* Called with AUTH_CONTINUE any number of times, then once with one of the
 * others, when the request is gone. */
typedef void auth_result_fn(void *ctx, enum auth_result result,
			    const struct auth_line *line);

/* `ready` is called each time a connection has become usable. Child of ctx. */
struct auth_client *auth_client_new(const void *ctx, struct loop *loop,
				    const char *socket_path,
				    void (*ready)(void *ctx), void *ready_ctx);
bool auth_client_ready(const struct auth_client *auth);
/* All that auth offers; *count of them. */
const struct auth_mech *auth_client_mechs(const struct auth_client *auth,
					  size_t *count);
/* Case does not matter; NULL if there is no such. */
const struct auth_mech *auth_client_mech(const struct auth_client *auth,
					 struct str name);

/* Begin; NULL when auth cannot be asked now, or the request would be longer
 * than the protocol allows (then `fn` is not called). */
struct auth_request *auth_request_new(struct auth_client *auth,
				      const struct auth_info *info,
				      auth_result_fn *fn, void *fn_ctx);
/* The client's answer to a challenge, in base64. */
void auth_request_continue(struct auth_request *request, struct str base64);
/* Forget it; `fn` is not called any more. */
void auth_request_cancel(struct auth_request **request);
/* What stands for it with the post-login process; valid after AUTH_OK is told,
 * inside of `fn`. */
void auth_request_token(const struct auth_request *request,
			struct auth_token *out);

#endif
