/* SPDX-License-Identifier: MIT */
#include "auth/penalty.h"

#include <uthash.h>

#include "auth/auth.h"
#include "auth/request.h"
#include "base/digest.h"
#include "base/duration.h"
#include "base/mem.h"
#include "net/loop.h"
#include "service/anvil.h"

enum {
	SEEN_MAX = 100 * 1000,
	FORGET_MS = 60 * 60 * 1000,
	IPV6_OCTETS = 6, /* of the network that somebody has for himself */
};

struct penalty {
	struct auth *auth;
	struct timer *timer;
	struct penalty **owner; /* NULL: cancelled, anvil has yet to answer */
	bool asking;
	void (*fn)(void *ctx);
	void *ctx;
};

/* Whose penalty it is: an address of IPv4, a network of IPv6, where everybody
 * has as many addresses as he likes. */
static struct ip source_of(const struct request *request)
{
	struct ip ip = request->remote;

	ip.port = 0;
	if (ip.family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&ip.v6))
		memset(ip.v6.s6_addr + IPV6_OCTETS, 0,
		       sizeof(ip.v6.s6_addr) - IPV6_OCTETS);
	return ip;
}

/* Addresses that failed here within the hour. anvil is asked for no others:
 * most logins need not wait for it. */
struct seen {
	UT_hash_handle hh; /* oldest first */
	struct ip ip;
	uint64_t since_ms;
};

static struct seen *seen;

static struct ip key_of(const struct ip *ip)
{
	struct ip key;

	memset(&key, 0, sizeof(key));
	key.family = ip->family;
	if (ip->family == AF_INET)
		key.v4 = ip->v4;
	else
		key.v6 = ip->v6;
	return key;
}

static struct seen *seen_find(const struct ip *ip)
{
	struct ip key = key_of(ip);
	struct seen *entry;

	HASH_FIND(hh, seen, &key, sizeof(key), entry);
	return entry;
}

static void seen_drop(struct seen *entry)
{
	HASH_DEL(seen, entry);
	mem_free(entry);
}

static void seen_add(const struct ip *ip)
{
	uint64_t now = clock_monotonic_ms();
	struct seen *entry = seen_find(ip);

	if (entry != NULL)
		seen_drop(entry);
	while (seen != NULL && (now - seen->since_ms > FORGET_MS ||
				HASH_COUNT(seen) >= SEEN_MAX))
		seen_drop(seen);
	entry = mem_new(NULL, struct seen);
	entry->ip = key_of(ip);
	entry->since_ms = now;
	HASH_ADD(hh, seen, ip, sizeof(entry->ip), entry);
}

static void done(struct penalty *penalty)
{
	void (*fn)(void *ctx) = penalty->fn;
	void *ctx = penalty->ctx;

	*penalty->owner = NULL;
	timer_free(&penalty->timer);
	mem_free(penalty);
	fn(ctx);
}

static void on_timer(void *ctx)
{
	done(ctx);
}

static void on_answer(void *ctx, unsigned seconds)
{
	struct penalty *penalty = ctx;

	penalty->asking = false;
	if (penalty->owner == NULL) {
		mem_free(penalty);
	} else if (seconds == 0) {
		done(penalty);
	} else {
		penalty->timer = timer_new(penalty->auth->loop,
					   (struct duration){seconds * 1000ULL},
					   on_timer, penalty);
	}
}

void penalty_wait(struct auth *auth, const struct request *request,
		  void (*fn)(void *ctx), void *ctx, struct penalty **out)
{
	struct ip source = source_of(request);
	struct penalty *penalty;

	if (request->no_penalty || source.family == 0 || auth->anvil == NULL ||
	    seen_find(&source) == NULL) {
		fn(ctx);
		return;
	}
	penalty = mem_new(auth, struct penalty);
	penalty->auth = auth;
	penalty->fn = fn;
	penalty->ctx = ctx;
	penalty->owner = out;
	penalty->asking = true;
	*out = penalty;
	anvil_penalty_get(auth->anvil, &source, on_answer, penalty);
}

void penalty_cancel(struct penalty **out)
{
	struct penalty *penalty = *out;

	if (penalty == NULL)
		return;
	*out = NULL;
	penalty->owner = NULL;
	if (penalty->asking)
		return; /* the answer frees it */
	timer_free(&penalty->timer);
	mem_free(penalty);
}

/* Of what was tried, so that who tries the same again is not taken for one who
 * guesses; keyed, so that it tells nothing of the password. 0: not known. */
static uint32_t checksum_of(const struct request *request)
{
	static unsigned char key[16];
	static bool has_key;
	unsigned char hash[DIGEST_MAX];
	uint32_t checksum;
	char *text;

	if (request->password == NULL)
		return 0;
	if (!has_key)
		random_fill(key, sizeof(key));
	has_key = true;
	text = mem_printf(NULL, "%s\n%s",
			  request->user == NULL ? "" : request->user,
			  request->password);
	digest_hmac("sha256", str_n((const char *)key, sizeof(key)),
		    str_of(text), hash);
	mem_wipe(text, strlen(text));
	mem_free(text);
	memcpy(&checksum, hash, sizeof(checksum));
	return checksum | 1;
}

void penalty_add(struct auth *auth, const struct request *request)
{
	struct ip source = source_of(request);

	if (request->no_penalty || source.family == 0 || auth->anvil == NULL)
		return;
	seen_add(&source);
	anvil_penalty_add(auth->anvil, &source, checksum_of(request));
}

void penalty_clear(struct auth *auth, const struct request *request)
{
	struct ip source = source_of(request);
	struct seen *entry = seen_find(&source);

	if (request->no_penalty || entry == NULL || auth->anvil == NULL)
		return;
	seen_drop(entry);
	anvil_penalty_clear(auth->anvil, &source);
}
