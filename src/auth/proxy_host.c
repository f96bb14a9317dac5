/* SPDX-License-Identifier: MIT */
#include "auth/proxy_host.h"

#include <uthash.h>
#include <utlist.h>

#include "auth/auth.h"
#include "auth/db.h"
#include "auth/request.h"
#include "auth/workers.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"

enum { TIMEOUT_MS = 10 * 1000 };

/* A name that a worker looks up, once for all who wait for it: a dead name
 * server keeps one worker per name, and not all of them. */
struct host {
	UT_hash_handle hh;
	char *name;
	bool asked;
	struct waiter *waiters;
};

/* Child of its request. */
struct waiter {
	struct waiter *prev, *next;
	struct host *host;
	struct request *request;
	struct timer *timer;
	void (*fn)(void *ctx, bool ok);
	void *ctx;
};

static struct host *hosts;

static int waiter_destroy(struct waiter *waiter)
{
	DL_DELETE(waiter->host->waiters, waiter);
	timer_free(&waiter->timer);
	return 0;
}

static bool is_self(const struct request *request, const struct ip *ip)
{
	const struct ip *local = request->real_local.family != 0
					 ? &request->real_local
					 : &request->local;

	return ip_equal(ip, local) ||
	       ip_in_networks(ip, request->set->auth_proxy_self);
}

/* One of them being this server counts for proxy_maybe, which login decides. */
static void take(struct request *request, const char *ips)
{
	struct fields *fields = &request->pass_fields;
	bool maybe = fields_get(fields, "proxy") == NULL &&
		     fields_get(fields, "proxy_always") == NULL;
	struct str rest = str_of(ips), word;
	const char *first = NULL;
	struct ip ip;

	while (str_word(&rest, &word)) {
		const char *text = str_dup(request, word);
		bool self =
			maybe && ip_parse(text, &ip) && is_self(request, &ip);

		if (first == NULL || self)
			first = text;
		if (self)
			break;
	}
	fields_set(fields, "hostip", first);
	if (strcmp(first, ips) != 0)
		fields_set(fields, "hostips", ips);
}

/* `ips` NULL: there are none. */
static void answer(struct waiter *waiter, const char *ips)
{
	void (*fn)(void *ctx, bool ok) = waiter->fn;
	struct request *request = waiter->request;
	void *ctx = waiter->ctx;

	mem_free(waiter);
	if (ips != NULL)
		take(request, ips);
	fn(ctx, ips != NULL);
}

static void on_found(void *ctx, const struct pass_answer *found)
{
	const char *ips = fields_get(&found->fields, "ips");
	const char *why = fields_get(&found->fields, "reason");
	struct host *host = ctx;

	HASH_DEL(hosts, host);
	if (ips == NULL && why != NULL)
		log_error("%s", why);
	while (host->waiters != NULL)
		answer(host->waiters, ips);
	mem_free(host);
}

static void too_late(void *ctx)
{
	struct waiter *waiter = ctx;

	log_error("DNS lookup for %s failed: Lookup timed out",
		  waiter->host->name);
	answer(waiter, NULL);
}

static struct host *host_of(struct auth *auth, const char *name)
{
	struct host *host;

	HASH_FIND_STR(hosts, name, host);
	if (host != NULL)
		return host;
	host = mem_new(auth, struct host);
	host->name = mem_strdup(host, name);
	HASH_ADD_KEYPTR(hh, hosts, host->name, strlen(host->name), host);
	return host;
}

/* As login takes it, which complains of a wrong one. */
static struct duration timeout_of(const struct request *request)
{
	const char *text = fields_get(&request->pass_fields, "proxy_timeout");
	struct duration timeout = {TIMEOUT_MS};
	uint64_t seconds;
	struct err err;

	if (text != NULL && str_to_u64(str_of(text), &seconds))
		timeout.ms = seconds * 1000;
	else if (text != NULL &&
		 setting_parse_duration(text, &timeout, &err) < 0)
		timeout.ms = TIMEOUT_MS;
	return timeout;
}

void proxy_host_find(struct auth *auth, struct request *request,
		     void (*fn)(void *ctx, bool ok), void *ctx)
{
	const struct fields *fields = &request->pass_fields;
	const char *name = fields_get(fields, "host");
	struct waiter *waiter;
	struct host *host;
	struct ip ip;

	if ((fields_get(fields, "proxy") == NULL &&
	     fields_get(fields, "proxy_maybe") == NULL) ||
	    name == NULL || *name == '\0' || ip_parse(name, &ip) ||
	    fields_get(fields, "hostip") != NULL) {
		fn(ctx, true);
		return;
	}
	host = host_of(auth, name);
	waiter = mem_new(request, struct waiter);
	waiter->host = host;
	waiter->request = request;
	waiter->fn = fn;
	waiter->ctx = ctx;
	waiter->timer =
		timer_new(auth->loop, timeout_of(request), too_late, waiter);
	DL_APPEND(host->waiters, waiter);
	talloc_set_destructor(waiter, waiter_destroy);
	if (host->asked)
		return;
	host->asked = true;
	workers_host(auth->workers, host, request_new(host, &auth->set),
		     host->name, on_found, host);
}
