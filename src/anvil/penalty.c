/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <uthash.h>

#include "anvil/anvil.h"
#include "anvil/protocol.h"
#include "base/mem.h"

struct penalty {
	UT_hash_handle hh;
	unsigned penalty;
	uint64_t last_penalty, last_update;
	/* Of the names and passwords tried last: who tries the same again, as
	 * a client with an old password does, is not guessing. */
	uint32_t checksums[ANVIL_CHECKSUMS];
	unsigned next_checksum;
	char ident[];
};

struct penalties {
	struct penalty *all; /* in the order of their last update */
	unsigned expire_secs;
};

/* uthash's own table is no child of ours. */
static int penalties_destroy(struct penalties *penalties)
{
	HASH_CLEAR(hh, penalties->all);
	return 0;
}

struct penalties *penalties_new(const void *ctx)
{
	struct penalties *penalties = mem_new(ctx, struct penalties);

	talloc_set_destructor(penalties, penalties_destroy);
	penalties->expire_secs = ANVIL_EXPIRE_SECS;
	return penalties;
}

void penalties_expire_after(struct penalties *penalties, unsigned secs)
{
	penalties->expire_secs = secs;
}

static void forget(struct penalties *penalties, struct penalty *one)
{
	HASH_DEL(penalties->all, one);
	mem_free(one);
}

/* The oldest are first. */
static void expire(struct penalties *penalties, uint64_t now)
{
	while (penalties->all != NULL &&
	       penalties->all->last_update + penalties->expire_secs <= now)
		forget(penalties, penalties->all);
}

static struct penalty *find(struct penalties *penalties, struct str ident)
{
	struct penalty *one;

	HASH_FIND(hh, penalties->all, ident.data, (unsigned)ident.len, one);
	return one;
}

unsigned penalty_get(struct penalties *penalties, struct str ident,
		     uint64_t now, uint64_t *last_out)
{
	const struct penalty *one;

	expire(penalties, now);
	one = find(penalties, ident);
	*last_out = one != NULL ? one->last_penalty : 0;
	return one != NULL ? one->penalty : 0;
}

static struct penalty *add(struct penalties *penalties, struct str ident)
{
	struct penalty *one;

	if (HASH_COUNT(penalties->all) >= ANVIL_PENALTIES_MAX)
		forget(penalties, penalties->all);
	one = mem_zero(penalties, 1, sizeof(*one) + ident.len + 1, "penalty");
	memcpy(one->ident, ident.data, ident.len);
	HASH_ADD_KEYPTR(hh, penalties->all, one->ident, (unsigned)ident.len,
			one);
	return one;
}

static bool seen(struct penalty *one, uint32_t checksum)
{
	if (checksum == 0)
		return false;
	for (unsigned i = 0; i < ANVIL_CHECKSUMS; i++) {
		if (one->checksums[i] == checksum)
			return true;
	}
	one->checksums[one->next_checksum++ % ANVIL_CHECKSUMS] = checksum;
	return false;
}

void penalty_raise(struct penalties *penalties, struct str ident,
		   uint32_t checksum, int value, uint64_t now)
{
	struct penalty *one;

	expire(penalties, now);
	one = find(penalties, ident);
	if (one == NULL) {
		one = add(penalties, ident);
	} else {
		/* To the end: it is the youngest now. */
		HASH_DEL(penalties->all, one);
		HASH_ADD_KEYPTR(hh, penalties->all, one->ident,
				(unsigned)ident.len, one);
	}
	one->last_update = now;
	if (seen(one, checksum))
		return;
	one->last_penalty = now;
	if (value >= 0)
		one->penalty = (unsigned)value;
	else if (one->penalty < ANVIL_PENALTY_MAX)
		one->penalty++;
}

void penalties_each(struct penalties *penalties, uint64_t now,
		    void (*fn)(void *ctx, const char *ident, unsigned penalty,
			       uint64_t last_penalty, uint64_t last_update),
		    void *ctx)
{
	const struct penalty *one;

	expire(penalties, now);
	for (one = penalties->all; one != NULL; one = one->hh.next)
		fn(ctx, one->ident, one->penalty, one->last_penalty,
		   one->last_update);
}
