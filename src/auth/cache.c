/* SPDX-License-Identifier: MIT */
#include "auth/cache.h"

#include <uthash.h>
#include <utlist.h>

#include "auth/db.h"
#include "auth/request.h"
#include "auth/settings.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/duration.h"
#include "base/mem.h"
#include "base/pack.h"

enum {
	SECRET_LEN = 32,
	KIND_PASS = 1,
	KIND_USER = 2,
	ENTRY_COST = 256, /* of tables and allocator, about */
};

struct entry {
	UT_hash_handle hh;
	struct entry *prev, *next; /* by use, oldest first */
	struct cache_key key;
	uint64_t until_ms, wrong_until_ms;
	size_t cost;
	enum cache_result result; /* MISMATCH: only `wrong` is known */
	unsigned char password[32], wrong[32];
	char *user, *value;
	size_t value_len;
};

struct cache {
	const struct auth_settings *set;
	unsigned char secret[SECRET_LEN];
	struct entry *entries, *used;
	size_t size;
};

static int cache_destroy(struct cache *cache)
{
	HASH_CLEAR(hh, cache->entries);
	mem_wipe(cache->secret, sizeof(cache->secret));
	return 0;
}

struct cache *cache_new(const void *ctx, const struct auth_settings *set)
{
	struct cache *cache = mem_new(ctx, struct cache);

	cache->set = set;
	random_fill(cache->secret, sizeof(cache->secret));
	talloc_set_destructor(cache, cache_destroy);
	return cache;
}

static void digest(struct cache *cache, struct str data, unsigned char out[32])
{
	unsigned char full[DIGEST_MAX];

	digest_hmac("sha256", str_n(cache->secret, SECRET_LEN), data, full);
	memcpy(out, full, 32);
}

static bool make_key(struct cache *cache, uint8_t kind, unsigned index,
		     const char *args, const char *depends,
		     struct request *request, struct cache_key *out)
{
	CLEANUP(buf_free) struct buf packed = buf_init(64 * 1024);
	const char *login =
		request->login_user == NULL ? "" : request->login_user;

	if (depends == NULL)
		return false;
	/* What the answer itself gives (%{ldap:mail}, %$) changes nothing. */
	depends = request_expand_anyway(request, depends);
	if (depends == NULL)
		return false;
	pack_u8(&packed, kind);
	pack_u32(&packed, index);
	pack_u8(&packed, request->lookup_only);
	pack_str(&packed, str_of(request->want_scheme == NULL
					 ? ""
					 : request->want_scheme));
	pack_str(&packed, str_of(request->service));
	pack_str(&packed, str_of(request->user));
	pack_str(&packed, str_of(login));
	pack_str(&packed, str_of(args));
	pack_str(&packed, str_of(depends));
	if (packed.overflow)
		return false;
	digest(cache, str_n(packed.data, packed.len), out->digest);
	mem_wipe(packed.data, packed.len);
	return true;
}

bool cache_pass_key(struct cache *cache, const struct passdb *db,
		    struct request *request, struct cache_key *out)
{
	return cache != NULL && make_key(cache, KIND_PASS, db->index, db->args,
					 db->cache_key, request, out);
}

bool cache_user_key(struct cache *cache, const struct userdb *db,
		    struct request *request, struct cache_key *out)
{
	return cache != NULL && make_key(cache, KIND_USER, db->index, db->args,
					 db->cache_key, request, out);
}

static void drop(struct cache *cache, struct entry *entry)
{
	HASH_DEL(cache->entries, entry);
	DL_DELETE(cache->used, entry);
	cache->size -= entry->cost;
	mem_wipe(entry->value, entry->value_len);
	mem_free(entry);
}

static struct entry *find(struct cache *cache, const struct cache_key *key)
{
	struct entry *entry;

	HASH_FIND(hh, cache->entries, key, sizeof(*key), entry);
	if (entry != NULL && clock_monotonic_ms() >= entry->until_ms) {
		drop(cache, entry);
		return NULL;
	}
	return entry;
}

enum cache_result cache_get(struct cache *cache, const struct cache_key *key,
			    const char *password, struct str *value_out)
{
	struct entry *entry = find(cache, key);
	unsigned char given[32];
	struct str what = str_n(given, sizeof(given));

	if (entry == NULL)
		return CACHE_MISS;
	DL_DELETE(cache->used, entry);
	DL_APPEND(cache->used, entry);
	if (entry->result == CACHE_NEGATIVE)
		return CACHE_NEGATIVE;
	if (password != NULL) {
		digest(cache, str_of(password), given);
		if (clock_monotonic_ms() < entry->wrong_until_ms &&
		    str_equal_secret(what, str_n(entry->wrong, what.len)))
			return CACHE_MISMATCH;
		/* It may have been changed: then the database decides. */
		if (entry->result != CACHE_HIT ||
		    !str_equal_secret(what, str_n(entry->password, what.len)))
			return CACHE_MISS;
	}
	*value_out = str_n(entry->value, entry->value_len);
	return CACHE_HIT;
}

static struct entry *put(struct cache *cache, const struct cache_key *key,
			 const char *user, struct str value,
			 enum cache_result result, uint64_t ttl_ms)
{
	struct entry *entry = find(cache, key);
	size_t cost = ENTRY_COST + strlen(user) + value.len;

	if (entry != NULL)
		drop(cache, entry);
	if (ttl_ms == 0 || cost > cache->set->auth_cache_size)
		return NULL;
	while (cache->size + cost > cache->set->auth_cache_size)
		drop(cache, cache->used);
	entry = mem_new(cache, struct entry);
	entry->key = *key;
	entry->until_ms = clock_monotonic_ms() + ttl_ms;
	entry->cost = cost;
	entry->result = result;
	entry->user = mem_strdup(entry, user);
	entry->value = mem_memdup(entry, value.data, value.len);
	entry->value_len = value.len;
	HASH_ADD(hh, cache->entries, key, sizeof(entry->key), entry);
	DL_APPEND(cache->used, entry);
	cache->size += cost;
	return entry;
}

void cache_put(struct cache *cache, const struct cache_key *key,
	       const char *user, const char *password, struct str value)
{
	struct entry *entry = put(cache, key, user, value, CACHE_HIT,
				  cache->set->auth_cache_ttl.ms);

	if (entry != NULL && password != NULL)
		digest(cache, str_of(password), entry->password);
}

void cache_put_negative(struct cache *cache, const struct cache_key *key,
			const char *user)
{
	put(cache, key, user, STR(""), CACHE_NEGATIVE,
	    cache->set->auth_cache_negative_ttl.ms);
}

void cache_put_mismatch(struct cache *cache, const struct cache_key *key,
			const char *user, const char *password)
{
	uint64_t ttl_ms = cache->set->auth_cache_negative_ttl.ms;
	struct entry *entry = find(cache, key);

	if (entry == NULL || entry->result == CACHE_NEGATIVE)
		entry = put(cache, key, user, STR(""), CACHE_MISMATCH, ttl_ms);
	if (entry == NULL)
		return;
	digest(cache, str_of(password), entry->wrong);
	entry->wrong_until_ms = clock_monotonic_ms() + ttl_ms;
	if (entry->result == CACHE_MISMATCH)
		entry->until_ms = entry->wrong_until_ms;
}

bool cache_forget(struct cache *cache, const struct cache_key *key)
{
	struct entry *entry = cache == NULL ? NULL : find(cache, key);

	if (entry != NULL)
		drop(cache, entry);
	return entry != NULL;
}

unsigned cache_flush(struct cache *cache, const char *user)
{
	struct entry *entry, *next;
	unsigned count = 0;

	DL_FOREACH_SAFE(cache->used, entry, next)
	{
		if (user != NULL && strcmp(entry->user, user) != 0)
			continue;
		drop(cache, entry);
		count++;
	}
	return count;
}
