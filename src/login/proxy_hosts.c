/* SPDX-License-Identifier: MIT */
#include <utlist.h>

#include "base/mem.h"
#include "login/login.h"
#include "login/proxy.h"
#include "net/conn.h"

enum { HOSTS_MAX = 256 };

/* One that somebody waits for, or that did not answer the last who did. */
struct proxy_host {
	struct proxy_host *prev, *next;
	struct ip ip;
	unsigned waiting;
	uint64_t failed_ms; /* since then; 0: it has not failed */
};

static struct proxy_host *hosts;
static unsigned count;

static void forget(struct proxy_host *host)
{
	DL_DELETE(hosts, host);
	count--;
	mem_free(host);
}

static struct proxy_host *find(const struct ip *ip)
{
	struct proxy_host *host;

	DL_FOREACH (hosts, host) {
		if (ip_equal(&host->ip, ip) && host->ip.port == ip->port)
			return host;
	}
	return NULL;
}

/* NULL if there are too many of them. */
static struct proxy_host *add(const struct ip *ip)
{
	struct proxy_host *host = hosts;

	if (count >= HOSTS_MAX) {
		while (host != NULL && host->waiting > 0)
			host = host->next;
		if (host == NULL)
			return NULL;
		forget(host);
	}
	host = mem_new(NULL, struct proxy_host);
	host->ip = *ip;
	DL_APPEND(hosts, host);
	count++;
	return host;
}

bool proxy_host_try(struct login_proxy *proxy)
{
	struct proxy_host *host = find(&proxy->ip);
	uint64_t now = clock_monotonic_ms();

	if (host != NULL && host->waiting > 0 && host->failed_ms > 0 &&
	    proxy->down_after.ms > 0 &&
	    now - host->failed_ms >= proxy->down_after.ms)
		return false;
	if (host == NULL)
		host = add(&proxy->ip);
	if (host != NULL)
		host->waiting++;
	proxy->host_tried = host;
	proxy->tried_ms = now;
	return true;
}

void proxy_host_tried(struct login_proxy *proxy, enum proxy_try how)
{
	struct proxy_host *host = proxy->host_tried;

	if (host == NULL)
		return;
	proxy->host_tried = NULL;
	host->waiting--;
	if (how == PROXY_ANSWERED)
		host->failed_ms = 0;
	else if (how == PROXY_SILENT && host->failed_ms == 0)
		host->failed_ms = proxy->tried_ms;
	if (host->waiting == 0 && host->failed_ms == 0)
		forget(host);
}
