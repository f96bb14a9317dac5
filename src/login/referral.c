/* SPDX-License-Identifier: MIT */
/*
 * login/referral.c - users who are to go to another server by themselves:
 * "imap://alice;AUTH=PLAIN@other.example:1143" (RFC 2221, RFC 5804 section 3).
 */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/mem.h"
#include "login/client.h"
#include "login/protocol.h"
#include "proto/auth.h"

enum { URL_MAX = 480 };

/* What RFC 3986 allows in the user's part, but for ";" and ":". */
static void add_user(struct buf *url, const char *user)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~!$'()*+,&=";

	for (; *user != '\0'; user++) {
		if (strchr(plain, *user) != NULL)
			buf_putc(url, *user);
		else
			buf_printf(url, "%%%02x", (unsigned char)*user);
	}
}

static void add_port(struct client *client, struct buf *url, struct str value)
{
	char text[128];
	uint32_t port;

	if (value.len == 0)
		return;
	if (!str_to_u32(value, &port) || port == 0 || port > UINT16_MAX) {
		snprintf(text, sizeof(text),
			 "Auth service returned invalid port number: %.*s",
			 (int)(value.len > 64 ? 64 : value.len), value.data);
		client_log_error(client, text);
	} else if (port != client->protocol->port) {
		buf_printf(url, ":%u", port);
	}
}

char *client_referral(struct client *client, const struct auth_line *fields)
{
	CLEANUP(buf_free) struct buf url = buf_init(URL_MAX);
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "referral");
	struct str host = auth_line_value(fields, "host");
	struct str user = auth_line_value(fields, "destuser");

	if (host.len == 0)
		return NULL;
	buf_printf(&url, "%s://", client->protocol->scheme);
	add_user(&url,
		 user.len > 0 ? str_tab_unescape(ctx, user) : client->user);
	buf_printf(&url, ";AUTH=%s@%s", client->mech,
		   str_sanitize(ctx, str_of(str_tab_unescape(ctx, host)),
				URL_MAX));
	add_port(client, &url, auth_line_value(fields, "port"));
	return url.overflow ? NULL : buf_steal(client, &url);
}
