/* SPDX-License-Identifier: MIT */
/*
 * auth/proxy_host.h - the address of the server that a user is proxied to,
 * where the passdb has a name ("host=imap3.example.com"). auth-worker looks it
 * up, so that nobody waits in auth and login processes know addresses only.
 */
#ifndef AUTH_PROXY_HOST_H
#define AUTH_PROXY_HOST_H
#include <stdbool.h>

struct auth;
struct request;

/* Sets the fields hostip, the first address, and hostips if there are more.
 * `fn` is told whether the user can be proxied, at once if nothing is to be
 * looked up; why not is logged. Freeing the request cancels. */
void proxy_host_find(struct auth *auth, struct request *request,
		     void (*fn)(void *ctx, bool ok), void *ctx);

#endif
