/* SPDX-License-Identifier: MIT */
/*
 * auth/http.h - one HTTP request and its answer, through libcurl. It waits:
 * for auth-worker processes. Certificates are verified unless told otherwise;
 * no redirect is followed and no other protocol spoken, so that a password or
 * token goes where the configuration says and nowhere else.
 */
#ifndef AUTH_HTTP_H
#define AUTH_HTTP_H
#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;
struct str;

enum {
	HTTP_BODY_MAX = 64 * 1024,
	HTTP_HEADERS_MAX = 8,
	HTTP_IDLE_MS = 60 * 1000,
};

struct http_request {
	const char *url;
	const char *post; /* the body; NULL: GET */
	/* "Name: value"; no more than HTTP_HEADERS_MAX, then NULL. */
	const char *headers[HTTP_HEADERS_MAX + 1];
	unsigned timeout_ms;
	const char *ca_file, *ca_dir, *cert_file, *key_file, *ciphers;
	bool any_certificate;
	unsigned max_idle_ms; /* how long a connection is kept; 0: it is not */
	/* Records what goes over the wire, secrets and all; NULL: not wanted. */
	const char *rawlog_dir;
};

/* Appends the answer's body; its status is the server's word and no error. */
int http_ask(const struct http_request *request, unsigned *status_out,
	     struct buf *body, struct err *err);
/* "%xx" for all but letters, digits and "-._~" (RFC 3986); for vars_escape,
 * whose ctx is not used. */
void http_escape(void *ctx, struct str text, struct buf *out);

/* http_ask() as the module has it (module.h). */
struct http_module {
	int (*ask)(const struct http_request *request, unsigned *status_out,
		   struct buf *body, struct err *err);
};
extern const struct http_module http_module;

#endif
