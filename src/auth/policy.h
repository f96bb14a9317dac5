/* SPDX-License-Identifier: MIT */
/*
 * auth/policy.h - a server that is asked over HTTP whether a login may be, and
 * told what came of it (auth_policy_*; Open-Xchange's weakforced speaks it).
 *
 * POST of the attributes as JSON to URL "command=allow" or "command=report";
 * the answer's status is negative to refuse, or seconds to wait. The requests
 * themselves are made by auth-worker processes.
 */
#ifndef AUTH_POLICY_H
#define AUTH_POLICY_H
#include <stdbool.h>

#include "auth/request.h"

struct auth;
struct err;
struct fields;

typedef void policy_fn(void *ctx, bool allowed);

/* Whether the settings make sense. */
int policy_check_settings(const struct auth_settings *set, struct err *err);
/* May the request go on? `fn` is called when that is known and the server has
 * been let wait, maybe before this returns; freeing `owner` cancels. */
void policy_ask(struct auth *auth, const void *owner, struct request *request,
		bool after, policy_fn *fn, void *ctx);
/* Tell the server; nobody waits for it. */
void policy_report(struct auth *auth, struct request *request, bool success,
		   bool refused);
/* In a worker: send `body`, get the answer's fields. */
int policy_send(const struct auth_settings *set, const char *command,
		const char *body, struct fields *out, struct err *err);

#endif
