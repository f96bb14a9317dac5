/* SPDX-License-Identifier: MIT */
/*
 * login/trusted.c - what a proxy or webmail server in login_trusted_networks
 * says of the client that it speaks for.
 */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/mem.h"
#include "login/client.h"

enum { SESSION_ID_MAX = 64, FORWARD_MAX = 4096 };

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

static void add_forward(struct client *client, const char *escaped)
{
	CLEANUP(buf_free) struct buf out = buf_init(FORWARD_MAX);

	if (client->forward != NULL)
		buf_printf(&out, "%s\t", client->forward);
	buf_add(&out, escaped);
	if (out.overflow)
		return;
	mem_free(client->forward);
	client->forward = buf_steal(client, &out);
}

void client_take_forward(struct client *client, struct str name,
			 struct str value)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "forward");
	char *field =
		mem_printf(ctx, "%.*s=%.*s", STR_FMT(name), STR_FMT(value));

	if (name.len > 0)
		add_forward(client, str_tab_escape(ctx, str_of(field)));
}

bool client_take_forwards(struct client *client, struct str base64)
{
	CLEANUP(buf_free) struct buf fields = buf_init(FORWARD_MAX);

	if (!base64_decode(base64, &fields) || fields.len == 0 ||
	    strlen(fields.data) != fields.len ||
	    strpbrk(fields.data, "\r\n") != NULL)
		return false;
	add_forward(client, fields.data);
	return true;
}

bool client_take_xclient(struct client *client, struct str name,
			 struct str value)
{
	if (str_case_is(name, "ADDR"))
		return client_take_ip(&client->remote, value);
	if (str_case_is(name, "PORT"))
		return client_take_port(&client->remote, value);
	if (str_case_is(name, "TTL"))
		return str_to_unsigned(value, &client->ttl);
	if (str_case_is(name, "SESSION"))
		client_take_session_id(client, value);
	if (str_case_is(name, "FORWARD"))
		return client_take_forwards(client, value);
	return true;
}
