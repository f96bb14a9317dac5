/* SPDX-License-Identifier: MIT */
/*
 * anvil/proxies.c - users whom login processes pass on to other servers.
 */
#include <uthash.h>

#include "anvil/anvil.h"
#include "anvil/protocol.h"
#include "base/mem.h"

struct proxy_key {
	void *owner;
	uint64_t id; /* as wide as the pointer: no padding to be hashed */
};

struct proxy {
	UT_hash_handle hh;
	struct proxy_key key;
	uint64_t serial;
	char *line;
};

struct proxies {
	struct proxy *all;
	uint64_t last_serial;
};

static int proxies_destroy(struct proxies *proxies)
{
	HASH_CLEAR(hh, proxies->all);
	return 0;
}

struct proxies *proxies_new(const void *ctx)
{
	struct proxies *proxies = mem_new(ctx, struct proxies);

	talloc_set_destructor(proxies, proxies_destroy);
	return proxies;
}

static struct proxy *find(const struct proxies *proxies, void *owner,
			  uint32_t id)
{
	const struct proxy_key key = {owner, id};
	struct proxy *one;

	HASH_FIND(hh, proxies->all, &key, sizeof(key), one);
	return one;
}

bool proxies_add(struct proxies *proxies, void *owner, uint32_t id,
		 struct str line)
{
	struct proxy *one;

	if (find(proxies, owner, id) != NULL ||
	    HASH_COUNT(proxies->all) >= ANVIL_SESSIONS_MAX)
		return false;
	one = mem_new(proxies, struct proxy);
	one->key = (struct proxy_key){owner, id};
	one->serial = ++proxies->last_serial;
	one->line = str_dup(one, line);
	HASH_ADD(hh, proxies->all, key, sizeof(one->key), one);
	return true;
}

bool proxies_remove(struct proxies *proxies, void *owner, uint32_t id)
{
	struct proxy *one = find(proxies, owner, id);

	if (one == NULL)
		return false;
	HASH_DEL(proxies->all, one);
	mem_free(one);
	return true;
}

void proxies_remove_owner(struct proxies *proxies, void *owner)
{
	struct proxy *one, *next;

	HASH_ITER (hh, proxies->all, one, next) {
		if (one->key.owner == owner)
			proxies_remove(proxies, owner, (uint32_t)one->key.id);
	}
}

void *proxies_find(const struct proxies *proxies, uint64_t serial,
		   uint32_t *id_out)
{
	const struct proxy *one;

	for (one = proxies->all; one != NULL; one = one->hh.next) {
		if (one->serial == serial) {
			*id_out = (uint32_t)one->key.id;
			return one->key.owner;
		}
	}
	return NULL;
}

void proxies_each(const struct proxies *proxies,
		  void (*fn)(void *ctx, uint64_t serial, const char *line),
		  void *ctx)
{
	const struct proxy *one;

	for (one = proxies->all; one != NULL; one = one->hh.next)
		fn(ctx, one->serial, one->line);
}
