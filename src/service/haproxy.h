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

enum { HAPROXY_MAX = 536 };

/* The header at the start of `in`: its length, with the addresses in *local
 * and *remote (left alone for health checks); 0: not yet whole; -1: none. */
int haproxy_parse(struct str in, struct ip *local, struct ip *remote);

/* Read the header of a new connection; then `done` gets the client with the
 * addresses in it, or NULL when the connection was closed. */
void haproxy_start(const void *ctx, struct loop *loop,
		   const struct config *config,
		   const struct service_client *client,
		   void (*done)(void *ctx, const struct service_client *client),
		   void *done_ctx);

#endif
