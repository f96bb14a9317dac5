/* SPDX-License-Identifier: MIT */
/*
 * login/proxy_list.h - tells anvil of proxied users, for `doveadm proxy`.
 *
 * The connection is made with the first of them, and again, once a second,
 * when anvil has gone: then it hears of all.
 */
#ifndef LOGIN_PROXY_LIST_H
#define LOGIN_PROXY_LIST_H

struct client;
struct login;
struct proxy_list;

struct proxy_list *proxy_list_new(const void *ctx, struct login *login,
				  const char *socket_path);
void proxy_list_add(struct proxy_list *list, struct client *client);
void proxy_list_remove(struct proxy_list *list, struct client *client);

#endif
