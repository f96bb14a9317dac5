/* SPDX-License-Identifier: MIT */
/*
 * service/anvil.h - a client of anvil: who is connected, limits per user and
 * address, penalties for failed logins.
 *
 * Line protocol on the sockets `anvil` and `anvil-auth-penalty`; see
 * anvil/protocol.h. Connects when first used and again after a restart.
 */
#ifndef SERVICE_ANVIL_H
#define SERVICE_ANVIL_H
#include <stdint.h>
#include <sys/types.h>

#include "base/ip.h"

struct anvil;
struct loop;

/* Child of ctx. */
struct anvil *anvil_new(const void *ctx, struct loop *loop,
			const char *socket_path);
/* A session begins and ends. `service` is "imap", `user` a name. anvil forgets
 * the sessions of a connection that closes. */
void anvil_connect(struct anvil *anvil, pid_t pid, const char *service,
		   const char *user, const struct ip *remote);
void anvil_disconnect(struct anvil *anvil, pid_t pid, const char *service,
		      const char *user, const struct ip *remote);
/* Such sessions of the "service" ANVIL_APP_PASSWORD stand beside the real ones:
 * their "user" is the id of the app password that one was opened with, and they
 * end with it when that is revoked. */
#define ANVIL_APP_PASSWORD "app-password"
/* Sessions that user has from that address with that service;
 * mail_max_userip_connections. `fn` gets 0 when anvil cannot be asked. */
void anvil_count(struct anvil *anvil, const char *service, const char *user,
		 const struct ip *remote, void (*fn)(void *ctx, unsigned count),
		 void *fn_ctx);
/* A failed login from an address, with a checksum of what was tried (0: not
 * known), which counts once; the delay that the next one from there is to wait
 * (auth's penalty: 0, 2, 4, 8, 15 s). */
void anvil_penalty_add(struct anvil *anvil, const struct ip *remote,
		       uint32_t checksum);
void anvil_penalty_clear(struct anvil *anvil, const struct ip *remote);
void anvil_penalty_get(struct anvil *anvil, const struct ip *remote,
		       void (*fn)(void *ctx, unsigned seconds), void *fn_ctx);

#endif
