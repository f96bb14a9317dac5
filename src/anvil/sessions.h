/* SPDX-License-Identifier: MIT */
/*
 * anvil/sessions.h - who is connected.
 */
#ifndef ANVIL_SESSIONS_H
#define ANVIL_SESSIONS_H
#include <stdbool.h>

#include "base/str.h"

struct sessions;

/* Child of ctx. `teller` below is whoever reports a session: what one teller
 * knows is forgotten together. */
struct sessions *sessions_new(const void *ctx);
/* False when there are too many. */
bool sessions_add(struct sessions *sessions, const void *teller, unsigned pid,
		  struct str ident);
void sessions_remove(struct sessions *sessions, const void *teller,
		     unsigned pid, struct str ident);
void sessions_remove_pid(struct sessions *sessions, unsigned pid);
void sessions_remove_teller(struct sessions *sessions, const void *teller);
unsigned sessions_count(const struct sessions *sessions, struct str ident);
void sessions_each(const struct sessions *sessions,
		   void (*fn)(void *ctx, const char *ident, unsigned pid,
			      unsigned count),
		   void *ctx);

#endif
