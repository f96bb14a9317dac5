/* SPDX-License-Identifier: MIT */
#include "base/digest.h"

#include <assert.h>
#include <errno.h>
#include <nettle/hmac.h>
#include <nettle/nettle-meta.h>
#include <nettle/pbkdf2.h>
#include <stdalign.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"

/* The largest state of those below is that of SHA-3. */
enum { STATE_MAX = 512 };

struct state {
	alignas(max_align_t) unsigned char octets[STATE_MAX];
};

struct digest {
	const struct nettle_hash *hash;
	struct state state;
};

/* RFC 2104: the hash of both keys that come from the one, and the sum. */
struct hmac {
	const struct nettle_hash *hash;
	struct state outer, inner, state;
};

static const struct nettle_hash *hash_of(const char *name)
{
	static const struct {
		const char *name;
		const struct nettle_hash *hash;
	} all[] = {
		{"md5", &nettle_md5},           {"sha1", &nettle_sha1},
		{"sha224", &nettle_sha224},     {"sha256", &nettle_sha256},
		{"sha384", &nettle_sha384},     {"sha512", &nettle_sha512},
		{"sha3-256", &nettle_sha3_256}, {"sha3-512", &nettle_sha3_512},
		{"md4", &nettle_md4},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(all[i].name, name) != 0)
			continue;
		assert(all[i].hash->context_size <= STATE_MAX);
		assert(all[i].hash->digest_size <= DIGEST_MAX);
		return all[i].hash;
	}
	return NULL;
}

static const uint8_t *octets(struct str data)
{
	return (const uint8_t *)data.data;
}

size_t digest_size(const char *name)
{
	const struct nettle_hash *hash = hash_of(name);

	return hash == NULL ? 0 : hash->digest_size;
}

struct digest *digest_new(const void *ctx, const char *name)
{
	const struct nettle_hash *hash = hash_of(name);
	struct digest *digest;

	if (hash == NULL)
		return NULL;
	digest = mem_new(ctx, struct digest);
	digest->hash = hash;
	hash->init(digest->state.octets);
	return digest;
}

void digest_add(struct digest *digest, struct str data)
{
	digest->hash->update(digest->state.octets, data.len, octets(data));
}

size_t digest_end(struct digest *digest, unsigned char out[DIGEST_MAX])
{
	const struct nettle_hash *hash = digest->hash;

	hash->digest(digest->state.octets, hash->digest_size, out);
	return hash->digest_size;
}

size_t digest_once(const char *name, struct str data,
		   unsigned char out[DIGEST_MAX])
{
	struct digest digest = {.hash = hash_of(name)};

	if (digest.hash == NULL)
		return 0;
	digest.hash->init(digest.state.octets);
	digest_add(&digest, data);
	return digest_end(&digest, out);
}

static void set_key(struct hmac *hmac, struct str key)
{
	hmac_set_key(hmac->outer.octets, hmac->inner.octets, hmac->state.octets,
		     hmac->hash, key.len, octets(key));
}

static void update(void *ctx, size_t len, const uint8_t *data)
{
	struct hmac *hmac = ctx;

	hmac_update(hmac->state.octets, hmac->hash, len, data);
}

static void finish(void *ctx, size_t len, uint8_t *out)
{
	struct hmac *hmac = ctx;

	hmac_digest(hmac->outer.octets, hmac->inner.octets, hmac->state.octets,
		    hmac->hash, len, out);
}

size_t digest_hmac(const char *name, struct str key, struct str data,
		   unsigned char out[DIGEST_MAX])
{
	const struct nettle_hash *hash = hash_of(name);
	struct hmac hmac = {.hash = hash};

	if (hash == NULL)
		return 0;
	set_key(&hmac, key);
	update(&hmac, data.len, octets(data));
	finish(&hmac, hash->digest_size, out);
	mem_wipe(&hmac, sizeof(hmac));
	return hash->digest_size;
}

bool digest_pbkdf2(const char *name, struct str password, struct str salt,
		   unsigned rounds, unsigned char *out, size_t out_len)
{
	struct hmac hmac = {.hash = hash_of(name)};

	if (hmac.hash == NULL || rounds == 0)
		return false;
	set_key(&hmac, password);
	pbkdf2(&hmac, update, finish, hmac.hash->digest_size, rounds, salt.len,
	       octets(salt), out_len, out);
	mem_wipe(&hmac, sizeof(hmac));
	return true;
}

void random_fill(void *out, size_t len)
{
	unsigned char *at = out;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			log_fatal(89, "getrandom(): %s", strerror(errno));
		at += got;
		len -= (size_t)got;
	}
}

uint64_t random_u64(void)
{
	uint64_t value;

	random_fill(&value, sizeof(value));
	return value;
}

void guid128_new(unsigned char out[16])
{
	struct timespec now;
	uint32_t seconds, nanos;

	clock_gettime(CLOCK_REALTIME, &now);
	seconds = (uint32_t)now.tv_sec;
	nanos = (uint32_t)now.tv_nsec;
	memcpy(out, &nanos, sizeof(nanos));
	memcpy(out + 4, &seconds, sizeof(seconds));
	random_fill(out + 8, 8);
}
