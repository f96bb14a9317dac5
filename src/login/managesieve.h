/* SPDX-License-Identifier: MIT */
/*
 * login/managesieve.h - parts of managesieve-login that have a file of their
 * own.
 */
#ifndef LOGIN_MANAGESIEVE_H
#define LOGIN_MANAGESIEVE_H
#include "base/str.h"

/* managesieve_proxy.c: see login/protocol.h */
struct login_proxy;
void msieve_proxy_line(struct login_proxy *proxy, struct str line);
void msieve_proxy_secured(struct login_proxy *proxy);

#endif
