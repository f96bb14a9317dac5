/* SPDX-License-Identifier: MIT */
/*
 * auth/verify.h - ask the passdbs in order whether a request's password is
 * right, and the userdbs where its user lives.
 *
 * The request must stay until the callback came; freeing it before cancels.
 */
#ifndef AUTH_VERIFY_H
#define AUTH_VERIFY_H
#include "auth/request.h"

struct auth;

typedef void verify_fn(void *ctx, struct request *request,
		       enum pass_result result);
typedef void lookup_fn(void *ctx, struct request *request,
		       enum user_result result);

/* request->password, or with lookup_only whether the user exists and with
 * which fields. May call `fn` before it returns. */
void verify_begin(struct auth *auth, struct request *request, verify_fn *fn,
		  void *ctx);
/* Fills request->user_fields. `logged_in`: a passdb has accepted the user. */
void lookup_begin(struct auth *auth, struct request *request, bool logged_in,
		  lookup_fn *fn, void *ctx);

#endif
