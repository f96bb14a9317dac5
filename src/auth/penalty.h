/* SPDX-License-Identifier: MIT */
/*
 * auth/penalty.h - addresses from which logins failed wait before they are
 * heard again. anvil counts.
 */
#ifndef AUTH_PENALTY_H
#define AUTH_PENALTY_H
struct auth;
struct penalty;
struct request;

/* Calls `fn`, at once if there is nothing to wait for. *out is set while it
 * waits. */
void penalty_wait(struct auth *auth, const struct request *request,
		  void (*fn)(void *ctx), void *ctx, struct penalty **out);
/* `fn` will not be called. Sets *penalty to NULL. */
void penalty_cancel(struct penalty **penalty);
/* A login failed. */
void penalty_add(struct auth *auth, const struct request *request);
/* It succeeded: the address has none any more. */
void penalty_clear(struct auth *auth, const struct request *request);

#endif
