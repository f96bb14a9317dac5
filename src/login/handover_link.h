/* SPDX-License-Identifier: MIT */
/*
 * login/handover_link.h - the connection to the post-login service that takes
 * clients over (service/handover.h).
 */
#ifndef LOGIN_HANDOVER_LINK_H
#define LOGIN_HANDOVER_LINK_H

struct client;
struct handover_link;
struct login;

struct handover_link *handover_link_new(const void *ctx, struct login *login,
					const char *socket_path);
/* For good: nobody waits, nobody will be handed over. */
void handover_link_close(struct handover_link *link);
/* The client is going: its answer matters to nobody. */
void handover_link_forget(struct handover_link *link, struct client *client);

#endif
