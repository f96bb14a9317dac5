/* SPDX-License-Identifier: MIT */
#include "anvil/penalty.h"

#include <uthash.h>
#include <utlist.h>

#include "anvil/protocol.h"
#include "base/mem.h"

struct penalty {
	char *ip;
	unsigned count;
	int64_t last;
	struct penalty *prev, *next; /* oldest first */
	UT_hash_handle hh;
};

struct penalties {
	struct penalty *by_ip;
	struct penalty *by_age;
};

struct penalties *penalties_new(const void *ctx)
{
	return mem_new(ctx, struct penalties);
}

static void drop(struct penalties *penalties, struct penalty *penalty)
{
	HASH_DEL(penalties->by_ip, penalty);
	DL_DELETE(penalties->by_age, penalty);
	mem_free(penalty);
}

static void forget_old(struct penalties *penalties, int64_t now)
{
	while (penalties->by_age != NULL &&
	       (now - penalties->by_age->last > ANVIL_PENALTY_SECS ||
		HASH_COUNT(penalties->by_ip) > ANVIL_PENALTIES_MAX))
		drop(penalties, penalties->by_age);
}

static struct penalty *find(const struct penalties *penalties, struct str ip)
{
	struct penalty *penalty;

	HASH_FIND(hh, penalties->by_ip, ip.data, ip.len, penalty);
	return penalty;
}

void penalty_add(struct penalties *penalties, struct str ip, int64_t now)
{
	struct penalty *penalty = find(penalties, ip);

	if (penalty == NULL) {
		penalty = mem_new(penalties, struct penalty);
		penalty->ip = str_dup(penalty, ip);
		HASH_ADD_KEYPTR(hh, penalties->by_ip, penalty->ip, ip.len,
				penalty);
	} else {
		DL_DELETE(penalties->by_age, penalty);
	}
	DL_APPEND(penalties->by_age, penalty);
	penalty->count++;
	penalty->last = now;
	forget_old(penalties, now);
}

void penalty_reset(struct penalties *penalties, struct str ip)
{
	struct penalty *penalty = find(penalties, ip);

	if (penalty != NULL)
		drop(penalties, penalty);
}

unsigned penalty_get(struct penalties *penalties, struct str ip, int64_t now,
		     int64_t *last_out)
{
	const struct penalty *penalty;

	forget_old(penalties, now);
	penalty = find(penalties, ip);
	*last_out = penalty == NULL ? 0 : penalty->last;
	return penalty == NULL ? 0 : penalty->count;
}

void penalties_each(struct penalties *penalties, int64_t now,
		    void (*fn)(void *ctx, const char *ip, unsigned count,
			       int64_t last),
		    void *ctx)
{
	const struct penalty *penalty;

	forget_old(penalties, now);
	DL_FOREACH (penalties->by_age, penalty)
		fn(ctx, penalty->ip, penalty->count, penalty->last);
}
