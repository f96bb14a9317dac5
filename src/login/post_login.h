/* SPDX-License-Identifier: MIT */
/*
 * login/post_login.h - giving an authenticated client to the service that
 * serves it (service/handover.h). One connection for all clients of the
 * process.
 */
#ifndef LOGIN_POST_LOGIN_H
#define LOGIN_POST_LOGIN_H
#include <stdint.h>

struct handover;
struct handover_reply;
struct loop;
struct post_login;

/* Called once; `reply` is NULL when the service cannot be reached. */
typedef void post_login_fn(void *ctx, const struct handover_reply *reply);

/* Connects when first used. Child of ctx. */
struct post_login *post_login_new(const void *ctx, struct loop *loop,
				  const char *socket_path);
/* Send `fd` (a copy of it goes) with what is known; sets handover->id. Returns
 * the id for post_login_forget(), or 0 when it failed at once (`fn` is then not
 * called). */
uint32_t post_login_send(struct post_login *post, struct handover *handover,
			 int fd, post_login_fn *fn, void *fn_ctx);
void post_login_forget(struct post_login *post, uint32_t id);

#endif
