/* SPDX-License-Identifier: MIT */
/*
 * base/ip.h - addresses and networks as text and numbers; no sockets.
 */
#ifndef BASE_IP_H
#define BASE_IP_H
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct ip {
	int family; /* AF_INET, AF_INET6; 0 is none (a unix socket) */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
	uint16_t port; /* 0 where it does not matter */
};

enum { IP_TEXT_MAX = 64 };

/* "192.0.2.1", "2001:db8::1", "[2001:db8::1]"; no names, no port. */
bool ip_parse(const char *text, struct ip *out);
/* Writes the address without its port; "" for none. IPv4-mapped addresses come
 * out as IPv4. Returns `out`. */
const char *ip_text(const struct ip *ip, char out[IP_TEXT_MAX]);
bool ip_equal(const struct ip *a, const struct ip *b); /* not the port */
/* Whether `ip` is in "192.0.2.0/24", "::1", "192.0.2.7". */
bool ip_in_network(const struct ip *ip, const char *network);
/* The same for a list divided by blanks or commas (login_trusted_networks);
 * "local" names every unix socket, as does Dovecot's passdb allow_nets. */
bool ip_in_networks(const struct ip *ip, const char *networks);
/* True if `networks` can be given to ip_in_networks(). */
bool ip_networks_valid(const char *networks);
/* True if `text` can be given to ip_in_network(). */
bool ip_network_valid(const char *text);

#endif
