/* SPDX-License-Identifier: MIT */
/*
 * sieve/mailto.h - "mailto:" URIs (RFC 2368, RFC 6068), as notifications use
 * them (RFC 5436 section 2.7).
 */
#ifndef SIEVE_MAILTO_H
#define SIEVE_MAILTO_H
#include "base/str.h"

struct err;

struct sieve_mailto_field {
	const char *name, *value; /* UTF-8, no line ends */
};

struct sieve_mailto {
	/* Addresses "user@domain", up to NULL: of "To:" (the URI's own and its
	 * "to"), "Cc:", "Bcc:". */
	const char *const *to, *const *cc, *const *bcc;
	unsigned recipients;               /* of all three */
	const char *twice; /* an address that was left out, or NULL */
	const char *subject;               /* NULL if not given */
	struct str body;                   /* data NULL if not given */
	struct sieve_mailto_field *fields; /* others, up to a NULL name */
	/* A field that may not be given, or not once more; NULL if none. */
	const char *ignored;
};

/* Pieces are children of ctx. An address that comes twice, or is one of `told`
 * (up to NULL; NULL: none), is left out. ERR_INVALID tells what is wrong. */
int sieve_mailto_parse(const void *ctx, struct str uri, const char *const *told,
		       struct sieve_mailto *out, struct err *err);

#endif
