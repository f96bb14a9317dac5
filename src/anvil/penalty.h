/* SPDX-License-Identifier: MIT */
/*
 * anvil/penalty.h - failed logins by address. Forgotten after
 * ANVIL_PENALTY_SECS; the oldest make room when there are too many.
 */
#ifndef ANVIL_PENALTY_H
#define ANVIL_PENALTY_H
#include <stdint.h>

#include "base/str.h"

struct penalties;

/* Child of ctx. `now` is seconds since 1970, everywhere. */
struct penalties *penalties_new(const void *ctx);
void penalty_add(struct penalties *penalties, struct str ip, int64_t now);
void penalty_reset(struct penalties *penalties, struct str ip);
/* How many, and when the last one was; 0 for none. */
unsigned penalty_get(struct penalties *penalties, struct str ip, int64_t now,
		     int64_t *last_out);
void penalties_each(struct penalties *penalties, int64_t now,
		    void (*fn)(void *ctx, const char *ip, unsigned count,
			       int64_t last),
		    void *ctx);

#endif
