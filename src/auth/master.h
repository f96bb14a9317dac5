/* SPDX-License-Identifier: MIT */
/*
 * auth/master.h - the master protocol: REQUEST (what a token stands for), USER,
 * PASS, LIST, CACHE-FLUSH, APP-PASSWORD, for our own processes and for others
 * that ask who lives here (Exim, Postfix).
 *
 * Sockets named "...master" may all. Sockets named "...userdb" may look up
 * users and, if their mode is 0666, give everybody but root and the socket's
 * owner and group only what belongs to their own uid.
 */
#ifndef AUTH_MASTER_H
#define AUTH_MASTER_H
#include <stdbool.h>

struct auth;
struct service_client;

void auth_master_accept(struct auth *auth, const struct service_client *client,
			bool is_userdb);
/* The other ends of these are an auth's after a reload, or before it
 * (auth/relay.h); theirs are now. */
void auth_master_successor(struct auth *auth, int fd);
void auth_master_predecessor(struct auth *auth, int fd);

#endif
