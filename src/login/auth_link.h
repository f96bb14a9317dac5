/* SPDX-License-Identifier: MIT */
/*
 * login/auth_link.h - the one connection of a login process to auth.
 *
 * It is made at start, and again, once a second, when auth has gone.
 */
#ifndef LOGIN_AUTH_LINK_H
#define LOGIN_AUTH_LINK_H
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct auth_line;
struct auth_link;
struct client;
struct login;

enum auth_answer_kind { ANSWER_OK, ANSWER_FAIL, ANSWER_CONT, ANSWER_LOST };

struct auth_answer {
	enum auth_answer_kind kind;
	struct str data; /* CONT: base64 */
	/* Values of OK and FAIL; NULL where there are none. Valid until the
	 * call returns. */
	const char *user, *code, *reason;
	bool nologin, proxy;
	/* All of OK's, still escaped; NULL for other answers. */
	const struct auth_line *fields;
};

struct auth_link *auth_link_new(const void *ctx, struct login *login,
				const char *socket_path);
/* For good: nobody will ask any more. */
void auth_link_close(struct auth_link *link);
/* Whether auth has said which mechanisms there are. */
bool auth_link_ready(const struct auth_link *link);
/* The n-th mechanism; NULL behind the last. */
const char *auth_link_mech(const struct auth_link *link, unsigned n,
			   bool *plaintext_out);
/* Whether it is bound to the TLS channel ("SCRAM-SHA-256-PLUS"): for clients in
 * TLS only. */
bool auth_link_mech_bound(const struct auth_link *link, unsigned n);
/* Whether APOP can be used; its challenges then name auth's process and this
 * connection. */
bool auth_link_has_apop(const struct auth_link *link, uint32_t *pid_out,
			uint32_t *connection_out);
/* Its name as auth writes it, or NULL. */
const char *auth_link_find_mech(const struct auth_link *link, struct str name,
				bool *plaintext_out);
/* What proves a token: see service/auth_master.h. */
const char *auth_link_cookie(const struct auth_link *link);

/* Begin; the answers go to client_auth_answer(). `response` is base64,
 * {NULL, 0} if there is none; "" is an empty one. False: auth is gone. */
bool auth_link_start(struct auth_link *link, struct client *client,
		     const char *mech, struct str response);
void auth_link_continue(struct auth_link *link, struct client *client,
			struct str response);
/* Forget the request; auth is told if it still works on it. */
void auth_link_cancel(struct auth_link *link, struct client *client);

#endif
