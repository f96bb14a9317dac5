/* SPDX-License-Identifier: MIT */
/*
 * auth/mech.h - SASL mechanisms (RFC 4422), server side. One is a file in mech/
 * and a row in mech/table.c.
 *
 * A mechanism is a state machine fed with the client's responses. It never
 * waits: that a password is to be tried is one of its results.
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
	MECH_FAIL,     /* the response is malformed; err says why */
};

struct mech {
	const char *name;
	const char *flags; /* for the handshake: "plaintext" */
	size_t state_size; /* zeroed before the first step */
	/* The first response is empty and `initial` false if the client sent
	 * none with its command. */
	enum mech_step (*step)(void *state, struct request *request,
			       struct str response, bool initial,
			       struct buf *out, struct err *err);
};

/* By name, without regard to case; NULL if there is none. */
const struct mech *mech_find(struct str name);

#endif
