/* SPDX-License-Identifier: MIT */
/*
 * login/pop3_proxy.c - log a client in at another POP3 server.
 */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "login/pop3.h"
#include "login/proxy.h"
#include "net/conn.h"

enum { CAN_XCLIENT = 1 };
enum { STEP_GREETING, STEP_STLS, STEP_XCLIENT, STEP_USER, STEP_PASS };
enum { COMMAND_MAX = 32 * 1024 };

static bool one_line(const char *text)
{
	return strpbrk(text, "\r\n") == NULL;
}

static void log_in(struct login_proxy *proxy)
{
	CLEANUP(buf_wipe_free) struct buf out = buf_init(COMMAND_MAX);

	if (proxy->mech == NULL && proxy->master == NULL &&
	    one_line(proxy->user) && one_line(proxy->password)) {
		proxy->step = STEP_USER;
		buf_printf(&out, "USER %s", proxy->user);
	} else {
		proxy->step = STEP_PASS;
		login_proxy_auth(proxy, &out);
	}
	login_proxy_say(proxy, &out);
}

static void send_password(struct login_proxy *proxy)
{
	CLEANUP(buf_wipe_free) struct buf out = buf_init(COMMAND_MAX);

	proxy->step = STEP_PASS;
	buf_printf(&out, "PASS %s", proxy->password);
	login_proxy_say(proxy, &out);
}

/* For whom we speak, if the other server said that it wants to know. */
static void introduce(struct login_proxy *proxy)
{
	CLEANUP(buf_wipe_free) struct buf out = buf_init(COMMAND_MAX);
	CLEANUP(buf_free) struct buf forward = buf_init(COMMAND_MAX);
	const struct client *client = proxy->client;
	char ip[IP_TEXT_MAX];

	if (proxy->capabilities == 0 || proxy->not_trusted) {
		log_in(proxy);
		return;
	}
	proxy->step = STEP_XCLIENT;
	buf_add(&out, "XCLIENT");
	if (client->remote.family != 0)
		buf_printf(&out, " ADDR=%s PORT=%u",
			   ip_text(&client->remote, ip), client->remote.port);
	buf_printf(&out, " SESSION=%s TTL=%u", client->session_id,
		   client->ttl - 1);
	login_proxy_forward(proxy, &forward);
	if (forward.len > 0)
		buf_printf(&out, " FORWARD=%s", forward.data);
	login_proxy_say(proxy, &out);
}

static void greeted(struct login_proxy *proxy, struct str line)
{
	if (!str_starts(line, "+OK")) {
		login_proxy_unexpected(proxy, line);
		return;
	}
	if (str_starts(line, "+OK [XCLIENT]"))
		proxy->capabilities = CAN_XCLIENT;
	if (proxy->tls_mode == PROXY_STARTTLS) {
		proxy->step = STEP_STLS;
		conn_printf(proxy->conn, "STLS\r\n");
	} else {
		introduce(proxy);
	}
}

void pop3_proxy_secured(struct login_proxy *proxy)
{
	introduce(proxy);
}

/* Its last word is the client's; errors with their response code. */
static void answered(struct login_proxy *proxy, struct str line)
{
	if (str_starts(line, "+OK")) {
		conn_printf(proxy->client->conn, "%.*s\r\n", STR_FMT(line));
		login_proxy_done(proxy);
	} else if (str_case_starts(line, "-ERR [SYS/TEMP]") &&
		   login_proxy_retry(proxy)) {
		return;
	} else if (str_starts(line, "-ERR ")) {
		login_proxy_refused(
			proxy, str_sanitize(proxy, str_from(line, 5), 512));
	} else {
		login_proxy_refused(proxy, "[AUTH] Authentication failed.");
	}
}

void pop3_proxy_line(struct login_proxy *proxy, struct str line)
{
	bool ok = str_starts(line, "+OK");

	switch (proxy->step) {
	case STEP_GREETING:
		greeted(proxy, line);
		break;
	case STEP_STLS:
		if (ok)
			login_proxy_start_tls(proxy);
		else
			login_proxy_aborted(proxy, "STLS failed", line);
		break;
	case STEP_XCLIENT:
		if (ok)
			log_in(proxy);
		else
			login_proxy_aborted(proxy, "XCLIENT failed", line);
		break;
	case STEP_USER:
		if (ok)
			send_password(proxy);
		else
			answered(proxy, line);
		break;
	default:
		if (str_starts(line, "+ ") && login_proxy_is_asked(proxy))
			login_proxy_respond(proxy);
		else
			answered(proxy, line);
		break;
	}
}
