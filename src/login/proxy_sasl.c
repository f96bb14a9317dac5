/* SPDX-License-Identifier: MIT */
/*
 * login/proxy_sasl.c - what a proxied user proves himself with, and what else
 * the other server is told of him.
 */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/mem.h"
#include "login/proxy.h"
#include "net/conn.h"

enum { FORWARD_MAX = 4096, RESPONSE_LINE_MAX = 32 * 1024 };

void login_proxy_forward(const struct login_proxy *proxy, struct buf *out)
{
	CLEANUP(buf_free) struct buf text = buf_init(FORWARD_MAX);

	for (size_t i = 0; proxy->forward[i] != NULL; i++) {
		if (i > 0)
			buf_putc(&text, '\t');
		buf_add(&text,
			str_tab_escape(proxy, str_of(proxy->forward[i])));
	}
	if (!text.overflow)
		base64_encode(str_n(text.data, text.len), out);
}

bool login_proxy_is_asked(const struct login_proxy *proxy)
{
	return proxy->mech != NULL && strcmp(proxy->mech, "LOGIN") == 0;
}

void login_proxy_response(struct login_proxy *proxy, struct buf *out)
{
	CLEANUP(buf_wipe_free) struct buf text = buf_init(SASL_LINE_MAX);
	const char *mech = proxy->mech == NULL ? "PLAIN" : proxy->mech;

	if (login_proxy_is_asked(proxy)) {
		buf_add(&text,
			proxy->responses == 0 ? proxy->user : proxy->password);
		proxy->responses++;
	} else if (strcmp(mech, "EXTERNAL") == 0) {
		buf_add(&text, proxy->user);
	} else if (strcmp(mech, "XOAUTH2") == 0) {
		buf_printf(&text, "user=%s\001auth=Bearer %s\001\001",
			   proxy->user, proxy->password);
	} else if (strcmp(mech, "OAUTHBEARER") == 0) {
		buf_printf(&text, "n,a=%s,\001auth=Bearer %s\001\001",
			   proxy->user, proxy->password);
	} else { /* PLAIN (RFC 4616): for whom, who, password */
		buf_add(&text, proxy->master == NULL && proxy->mech == NULL
				       ? ""
				       : proxy->user);
		buf_putc(&text, '\0');
		buf_add(&text,
			proxy->master != NULL ? proxy->master : proxy->user);
		buf_putc(&text, '\0');
		buf_add(&text, proxy->password);
	}
	if (text.overflow)
		out->overflow = true;
	base64_encode(str_n(text.data, text.len), out);
}

void login_proxy_auth(struct login_proxy *proxy, struct buf *out)
{
	buf_printf(out, "AUTH %s", proxy->mech == NULL ? "PLAIN" : proxy->mech);
	if (login_proxy_is_asked(proxy))
		return;
	buf_putc(out, ' ');
	login_proxy_response(proxy, out);
}

void login_proxy_say(struct login_proxy *proxy, struct buf *line)
{
	buf_add(line, "\r\n");
	if (line->overflow)
		login_proxy_failed(proxy, "Credentials are too long");
	else
		conn_write(proxy->conn, line->data, line->len);
}

void login_proxy_respond(struct login_proxy *proxy)
{
	CLEANUP(buf_wipe_free) struct buf out = buf_init(RESPONSE_LINE_MAX);

	login_proxy_response(proxy, &out);
	login_proxy_say(proxy, &out);
}
