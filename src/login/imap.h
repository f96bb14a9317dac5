/* SPDX-License-Identifier: MIT */
/*
 * login/imap.h - parts of imap-login that have a file of their own.
 */
#ifndef LOGIN_IMAP_H
#define LOGIN_IMAP_H
#include <stdbool.h>

#include "base/str.h"

struct client;
struct imap_arg;

/* ID (RFC 2971): log what imap_id_log wants, take the word of trusted clients
 * for whom they speak (x-originating-ip, ...). False: malformed. */
bool imap_id_take(struct client *client, const struct imap_arg *arg);

/* imap_proxy.c: see login/protocol.h */
struct login_proxy;
void imap_proxy_line(struct login_proxy *proxy, struct str line);
void imap_proxy_secured(struct login_proxy *proxy);

#endif
