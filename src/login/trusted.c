/* SPDX-License-Identifier: MIT */
/*
 * login/trusted.c - what a proxy or webmail server in login_trusted_networks
 * says of the client that it speaks for.
 */
#include <string.h>

#include "base/mem.h"
#include "login/client.h"

enum { SESSION_ID_MAX = 64 };

bool client_take_ip(struct ip *ip, struct str value)
{
	char text[IP_TEXT_MAX];
	struct ip parsed;

	if (value.len >= sizeof(text))
		return false;
	memcpy(text, value.data, value.len);
	text[value.len] = '\0';
	if (!ip_parse(text, &parsed))
		return false;
	parsed.port = ip->port;
	*ip = parsed;
	return true;
}

bool client_take_port(struct ip *ip, struct str value)
{
	uint32_t port;

	if (!str_to_u32(value, &port) || port > UINT16_MAX)
		return false;
	ip->port = (uint16_t)port;
	return true;
}

void client_take_session_id(struct client *client, struct str value)
{
	if (value.len == 0 || value.len > SESSION_ID_MAX)
		return;
	mem_free(client->session_id);
	client->session_id = str_sanitize(client, value, SESSION_ID_MAX);
}
