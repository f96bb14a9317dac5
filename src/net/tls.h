/* SPDX-License-Identifier: MIT */
/*
 * net/tls.h - TLS contexts from the ssl_* settings.
 */
#ifndef NET_TLS_H
#define NET_TLS_H
#include <stdbool.h>
#include <stdint.h>

#include "config/setting.h"

struct err;

/* The ssl_* settings (Dovecot: "SSL configuration"); settings.c has the table
 * `tls_settings`. Certificate and key are the PEM text itself ("<file"). */
struct tls_settings {
	const char *ssl; /* no, yes, required */
	const char *ssl_cert, *ssl_key, *ssl_alt_cert, *ssl_alt_key, *ssl_ca;
	const char *ssl_key_password, *ssl_dh;
	const char *ssl_min_protocol, *ssl_cipher_list, *ssl_cipher_suites;
	const char *ssl_curve_list, *ssl_options, *ssl_cert_username_field;
	bool ssl_prefer_server_ciphers, ssl_verify_client_cert, ssl_require_crl;
	bool verbose_ssl;
};
extern const struct setting tls_settings[];

/* The ssl_client_* settings, for connections that this server makes. */
struct tls_client_settings {
	const char *ssl_client_ca_dir, *ssl_client_ca_file;
	const char *ssl_client_cert, *ssl_client_key;
	bool ssl_client_require_valid_cert;
};
extern const struct setting tls_client_settings[];

struct tls;
/* A server's context. ERR_INVALID names the setting and OpenSSL's reason
 * (wrong file, key that does not match). Child of ctx. */
int tls_new(const void *ctx, const struct tls_settings *settings,
	    struct tls **out, struct err *err);
/* A client's, with versions and ciphers of `settings`. Child of ctx. */
int tls_client_new(const void *ctx, const struct tls_settings *settings,
		   const struct tls_client_settings *client, struct tls **out,
		   struct err *err);
/* Protocol names that ALPN may ask for ("imap"); others are refused. */
void tls_set_alpn(struct tls *tls, const char *protocol);
/* Called with the name that a client asks for (SNI), for `local_name` blocks,
 * and what conn_new() was told for its events: returns the context whose
 * certificate, protocols and authorities count, or NULL for this one. */
void tls_set_choose(struct tls *tls,
		    struct tls *(*choose)(void *events_ctx, const char *name));

/* When the certificate in PEM (the first of it) ends, in seconds of 1970. */
int tls_cert_end(const char *pem, uint64_t *end_out, struct err *err);

#endif
