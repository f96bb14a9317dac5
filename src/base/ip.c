/* SPDX-License-Identifier: MIT */
#include "base/ip.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* IPv4-mapped IPv6 addresses count as IPv4. */
static struct ip plain(const struct ip *ip)
{
	struct ip out = *ip;

	if (ip->family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&ip->v6)) {
		out.family = AF_INET;
		memcpy(&out.v4, ip->v6.s6_addr + 12, sizeof(out.v4));
	}
	return out;
}

static bool parse(struct str text, struct ip *out)
{
	char copy[INET6_ADDRSTRLEN];

	*out = (struct ip){0};
	if (text.len > 2 && text.data[0] == '[' &&
	    text.data[text.len - 1] == ']') {
		text = str_n(text.data + 1, text.len - 2);
		if (str_find_char(text, ':') < 0)
			return false;
	}
	if (text.len == 0 || text.len >= sizeof(copy) ||
	    memchr(text.data, '\0', text.len) != NULL)
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, &out->v4) == 1) {
		out->family = AF_INET;
		return true;
	}
	if (inet_pton(AF_INET6, copy, &out->v6) != 1)
		return false;
	out->family = AF_INET6;
	return true;
}

bool ip_parse(const char *text, struct ip *out)
{
	return parse(str_of(text), out);
}

const char *ip_text(const struct ip *ip, char out[IP_TEXT_MAX])
{
	struct ip from = plain(ip);

	out[0] = '\0';
	if (from.family == AF_INET)
		inet_ntop(AF_INET, &from.v4, out, IP_TEXT_MAX);
	else if (from.family == AF_INET6)
		inet_ntop(AF_INET6, &from.v6, out, IP_TEXT_MAX);
	return out;
}

static const unsigned char *octets(const struct ip *ip, unsigned *bits_out)
{
	*bits_out = ip->family == AF_INET ? 32 : 128;
	return ip->family == AF_INET ? (const unsigned char *)&ip->v4
				     : ip->v6.s6_addr;
}

static bool same_bits(const struct ip *a, const struct ip *b, unsigned bits)
{
	unsigned all;
	const unsigned char *x = octets(a, &all), *y = octets(b, &all);
	unsigned mask = bits % 8 == 0 ? 0 : 0xffU << (8 - bits % 8) & 0xff;

	if (memcmp(x, y, bits / 8) != 0)
		return false;
	return mask == 0 || ((x[bits / 8] ^ y[bits / 8]) & mask) == 0;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
	struct ip x = plain(a), y = plain(b);
	unsigned bits;

	if (x.family != y.family)
		return false;
	if (x.family == 0)
		return true;
	octets(&x, &bits);
	return same_bits(&x, &y, bits);
}

static bool network_parse(struct str text, struct ip *ip, unsigned *bits)
{
	ptrdiff_t slash = str_find_char(text, '/');
	struct str address = text;
	unsigned max;

	if (slash >= 0)
		address.len = (size_t)slash;
	if (!parse(address, ip))
		return false;
	octets(ip, &max);
	*bits = max;
	if (slash < 0)
		return true;
	return str_to_unsigned(str_from(text, (size_t)slash + 1), bits) &&
	       *bits <= max;
}

static bool in_network(const struct ip *ip, struct str text)
{
	struct ip from = plain(ip), network;
	unsigned bits;

	if (from.family == 0 || !network_parse(text, &network, &bits))
		return false;
	if (network.family == AF_INET6 && bits >= 96 &&
	    IN6_IS_ADDR_V4MAPPED(&network.v6)) {
		network = plain(&network);
		bits -= 96;
	}
	return from.family == network.family &&
	       same_bits(&from, &network, bits);
}

bool ip_in_network(const struct ip *ip, const char *network)
{
	return in_network(ip, str_of(network));
}

bool ip_in_networks(const struct ip *ip, const char *networks)
{
	while (*networks != '\0') {
		struct str one;

		networks += strspn(networks, ", \t");
		one = str_n(networks, strcspn(networks, ", \t"));
		networks += one.len;
		if (str_is(one, "local") ? ip->family == 0
					 : in_network(ip, one))
			return true;
	}
	return false;
}

bool ip_networks_valid(const char *networks)
{
	while (*networks != '\0') {
		struct str one;
		struct ip ip;
		unsigned bits;

		networks += strspn(networks, ", \t");
		one = str_n(networks, strcspn(networks, ", \t"));
		networks += one.len;
		if (one.len > 0 && !str_is(one, "local") &&
		    !network_parse(one, &ip, &bits))
			return false;
	}
	return true;
}

bool ip_network_valid(const char *text)
{
	struct ip ip;
	unsigned bits;

	return network_parse(str_of(text), &ip, &bits);
}
