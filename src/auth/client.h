/* SPDX-License-Identifier: MIT */
/*
 * auth/client.h - clients of the auth protocol: login processes, Postfix,
 * Exim. They start SASL exchanges; login processes get a one-time token with
 * OK that the master protocol (auth/master.h) redeems.
 */
#ifndef AUTH_CLIENT_H
#define AUTH_CLIENT_H
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct auth;
struct err;
struct request;
struct service_client;

/* What a client may have waiting here; what is more is told to come later. That
 * is more than the largest login process needs, which has some kilobytes for
 * each of its clients, but one that was taken over, or has clients with very
 * long names, must not have all the memory that there is (default_vsz_limit).
 * If all of them have much, it goes on for those that have little. */
enum {
	AUTH_CLIENT_REQUESTS_MAX = 64 * 1024,
	AUTH_CLIENT_MEMORY_MAX = 64 * 1024 * 1024,
	AUTH_CLIENTS_MEMORY_MAX = 96 * 1024 * 1024,
	AUTH_CLIENT_MEMORY_LITTLE = 1024 * 1024,
};

/* A new connection; `is_login` for sockets of login processes, whose users
 * get tokens. */
void auth_client_accept(struct auth *auth, const struct service_client *client,
			bool is_login);
/* Take what the token stands for: the request becomes a child of ctx, and the
 * token is worth nothing any more. -1 with the text for the log;
 * ERR_NOT_FOUND if there is no such client. */
int auth_client_redeem(struct auth *auth, const void *ctx, uint32_t pid,
		       uint32_t id, struct str cookie, struct request **out,
		       struct err *err);

#endif
