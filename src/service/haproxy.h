/* SPDX-License-Identifier: MIT */
/*
 * service/haproxy.h - the PROXY protocol's header, versions 1 and 2
 * (haproxy's doc/proxy-protocol.txt), in front of a connection.
 */
#ifndef SERVICE_HAPROXY_H
#define SERVICE_HAPROXY_H
#include "base/str.h"
#include "service/service.h"

struct config;

enum { HAPROXY_MAX = 1024, HAPROXY_NAME_MAX = 256 };

/* What it says of the client. */
struct haproxy {
	struct ip local, remote;            /* family 0 for health checks */
	bool tls;                           /* the proxy speaks TLS with it */
	char server_name[HAPROXY_NAME_MAX]; /* that it asked for; "" if none */
	char cert_name[HAPROXY_NAME_MAX];   /* of its verified certificate */
};

/* The header at the start of `in`: its length; 0: not yet whole; -1: none, and
 * *why_out (static) says why. */
int haproxy_parse(struct str in, struct haproxy *out, const char **why_out);

/* Read the header of a new connection, and nothing behind it; then `done` gets
 * the client with it, or NULL when the connection was closed. */
void haproxy_start(const void *ctx, struct loop *loop,
		   const struct config *config,
		   const struct service_client *client,
		   void (*done)(void *ctx, const struct service_client *client),
		   void *done_ctx);

#endif
