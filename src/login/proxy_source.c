/* SPDX-License-Identifier: MIT */
/*
 * login/proxy_source.c - the addresses that proxies connect from
 * (login_source_ips): "192.0.2.1, mail.example", "?192.0.2.1 192.0.2.2".
 */
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "login/login.h"
#include "login/proxy.h"
#include "net/sock.h"

enum { SOURCES_MAX = 64 };

struct proxy_sources {
	struct ip ips[SOURCES_MAX];
	unsigned count;
};

static void add(struct proxy_sources *sources, const struct ip *ip,
		bool only_ours)
{
	if (sources->count < SOURCES_MAX && (!only_ours || sock_is_ours(ip)))
		sources->ips[sources->count++] = *ip;
}

static void add_named(struct proxy_sources *sources, const char *name,
		      bool only_ours)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list, *one;
	int error = getaddrinfo(name, NULL, &hints, &list);

	if (error != 0) {
		log_error("login_source_ips: Can't resolve %s: %s", name,
			  gai_strerror(error));
		return;
	}
	for (one = list; one != NULL; one = one->ai_next) {
		struct ip ip = {.family = one->ai_family};

		if (one->ai_family == AF_INET)
			ip.v4 = ((struct sockaddr_in *)(void *)one->ai_addr)
					->sin_addr;
		else if (one->ai_family == AF_INET6)
			ip.v6 = ((struct sockaddr_in6 *)(void *)one->ai_addr)
					->sin6_addr;
		else
			continue;
		add(sources, &ip, only_ours);
	}
	freeaddrinfo(list);
}

void proxy_sources_load(struct login *login)
{
	static const char between[] = ", \t";
	const char *at = config_value(login->config, NULL, "login_source_ips");
	/* "?": those that this host has not are left out. */
	bool only_ours = at[0] == '?';
	struct ip ip;

	login->sources = mem_new(login, struct proxy_sources);
	at += only_ours;
	while (*(at += strspn(at, between)) != '\0') {
		size_t len = strcspn(at, between);
		char *name = mem_strndup(login, at, len);

		if (ip_parse(name, &ip))
			add(login->sources, &ip, only_ours);
		else
			add_named(login->sources, name, only_ours);
		mem_free(name);
		at += len;
	}
}

bool proxy_source_get(const struct login *login, int family, struct ip *ip_out)
{
	const struct proxy_sources *sources = login->sources;
	struct ip fit[SOURCES_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < sources->count; i++) {
		if (sources->ips[i].family == family)
			fit[count++] = sources->ips[i];
	}
	if (count > 0)
		*ip_out = fit[random_u64() % count];
	return count > 0;
}
