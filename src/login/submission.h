/* SPDX-License-Identifier: MIT */
/*
 * login/submission.h - parts of submission-login that have a file of their own.
 */
#ifndef LOGIN_SUBMISSION_H
#define LOGIN_SUBMISSION_H
#include "base/str.h"

struct client;

/* What this server calls itself. */
const char *submission_hostname(const struct client *client);

/* submission_proxy.c: see login/protocol.h */
struct login_proxy;
void submission_proxy_line(struct login_proxy *proxy, struct str line);
void submission_proxy_secured(struct login_proxy *proxy);

#endif
