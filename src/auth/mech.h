/* SPDX-License-Identifier: MIT */
/*
 * auth/mech.h - SASL mechanisms (RFC 4422), server side. One is a file in mech/
 * and a row in mech/table.c.
 *
 * A mechanism is a state machine fed with the client's responses. It never
 * waits: that a password is to be tried, or credentials are wanted, is one of
 * its results.
 */
#ifndef AUTH_MECH_H
#define AUTH_MECH_H
#include <stdbool.h>

#include "base/str.h"

struct buf;
struct err;
struct request;

enum mech_step {
	MECH_CONTINUE, /* send `out` and wait for the next response */
	MECH_VERIFY,   /* request->password is to be tried */
	/* What is stored for request->user is wanted, as request->want_scheme
	 * or in plain; then check() goes on. */
	MECH_LOOKUP,
	/* request->to_hash is to be hashed, which takes a while; then check()
	 * goes on with what has become of it. */
	MECH_HASH,
	MECH_ACCEPT,   /* done; `out` is what the client is to see of it */
	MECH_MISMATCH, /* the client's proof is wrong */
	MECH_FAIL,     /* the response is malformed; err says why */
};

struct mech {
	const char *name;
	const char *flags; /* for the handshake: "plaintext" */
	size_t state_size; /* zeroed before the first step */
	/* The client speaks first: it is asked to if it sent no response with
	 * its command. */
	bool client_first;
	/* Else the first response is empty and `initial` false if the client
	 * sent none with its command. */
	enum mech_step (*step)(void *state, struct request *request,
			       struct str response, bool initial,
			       struct buf *out, struct err *err);
	/* After MECH_LOOKUP: "{SCHEME}hash", or NULL if there is no such user,
	 * which the client should not learn from what follows. After MECH_HASH:
	 * the hash. */
	enum mech_step (*check)(void *state, struct request *request,
				const char *credentials, struct buf *out,
				struct err *err);
	/* It compares with what is stored: some passdb must tell that. */
	bool wants_credentials;
	/* Said before a refusal, and answered by the client. */
	const char *refusal;
};

/* The saslname of RFC 5801 ("=2C" is a comma, "=3D" a "="), child of ctx. NULL
 * if it is none. */
char *mech_sasl_name(const void *ctx, struct str in);
/* By name, without regard to case; NULL if there is none. */
const struct mech *mech_find(struct str name);

#endif
