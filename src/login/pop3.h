/* SPDX-License-Identifier: MIT */
/*
 * login/pop3.h - parts of pop3-login that have a file of their own.
 */
#ifndef LOGIN_POP3_H
#define LOGIN_POP3_H
#include "base/str.h"

/* pop3_proxy.c: see login/protocol.h */
struct login_proxy;
void pop3_proxy_line(struct login_proxy *proxy, struct str line);
void pop3_proxy_secured(struct login_proxy *proxy);

#endif
