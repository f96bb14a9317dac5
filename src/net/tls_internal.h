/* SPDX-License-Identifier: MIT */
/*
 * net/tls_internal.h - what a connection needs of a TLS context.
 */
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H
#include <openssl/ssl.h>

struct tls;

/* A server's SSL for the descriptor; NULL if OpenSSL can't. `owner` is for
 * tls_set_choose(). */
SSL *tls_server(struct tls *tls, int fd, void *owner);
/* One for a client of `host`, a name or an address, whose certificate must be
 * right if the settings want that. */
SSL *tls_client(struct tls *tls, int fd, const char *host);
/* ssl_cert_username_field of the peer's verified certificate, or NULL. */
char *tls_peer_name(const void *ctx, const SSL *ssl);

#endif
