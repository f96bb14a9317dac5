/* SPDX-License-Identifier: MIT */
/*
 * login/submission_proxy.c - log a client in at another submission server.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "login/proxy.h"
#include "login/submission.h"
#include "net/conn.h"
#include "proto/smtp.h"

enum { CAN_STARTTLS = 1, CAN_AUTH = 2, TOLD_XCLIENT = 4 };
enum {
	STEP_GREETING,
	STEP_EHLO,
	STEP_STARTTLS,
	STEP_XCLIENT,
	STEP_AUTH,
};
enum { COMMAND_MAX = 32 * 1024 };

static void say_hello(struct login_proxy *proxy)
{
	proxy->step = STEP_EHLO;
	proxy->capabilities &= TOLD_XCLIENT;
	proxy->xclient = NULL;
	conn_printf(proxy->conn, "EHLO %s\r\n",
		    submission_hostname(proxy->client));
}

static void log_in(struct login_proxy *proxy)
{
	CLEANUP(buf_wipe_free) struct buf out = buf_init(COMMAND_MAX);

	if ((proxy->capabilities & CAN_AUTH) == 0) {
		login_proxy_failed(proxy,
				   "Aborting due to remote server: "
				   "Authentication support not advertised "
				   "(TLS required?)");
		return;
	}
	proxy->step = STEP_AUTH;
	login_proxy_auth(proxy, &out);
	login_proxy_say(proxy, &out);
}

/* Others than it said would make Postfix refuse all. */
static void add_value(const struct login_proxy *proxy, const char *name,
		      const char *value, struct buf *out)
{
	struct str rest = str_of(proxy->xclient), word;

	while (str_word(&rest, &word)) {
		if (!str_case_is(word, name))
			continue;
		buf_printf(out, " %s=", name);
		smtp_xtext_encode(str_of(value), out);
		break;
	}
}

static void add_address(const struct login_proxy *proxy, struct buf *out)
{
	const struct ip *remote = &proxy->client->remote;
	char ip[IP_TEXT_MAX], text[IP_TEXT_MAX + 10];

	if (remote->family == 0)
		return;
	snprintf(text, sizeof(text), "%s%s",
		 remote->family == AF_INET6 ? "IPV6:" : "",
		 ip_text(remote, ip));
	add_value(proxy, "ADDR", text, out);
	snprintf(text, sizeof(text), "%u", remote->port);
	add_value(proxy, "PORT", text, out);
}

/* For whom we speak, as the other server wants to know. */
static void introduce(struct login_proxy *proxy)
{
	CLEANUP(buf_free) struct buf out = buf_init(COMMAND_MAX);
	CLEANUP(buf_free) struct buf forward = buf_init(COMMAND_MAX);
	const struct client *client = proxy->client;
	char ttl[12];

	proxy->step = STEP_XCLIENT;
	proxy->capabilities |= TOLD_XCLIENT;
	buf_add(&out, "XCLIENT");
	if (client->tag != NULL && client->tag[0] != '\0')
		add_value(proxy, "HELO", client->tag, &out);
	add_address(proxy, &out);
	add_value(proxy, "SESSION", client->session_id, &out);
	add_value(proxy, "PROTO", "ESMTP", &out);
	if (proxy->no_auth)
		add_value(proxy, "LOGIN", proxy->user, &out);
	snprintf(ttl, sizeof(ttl), "%u", client->ttl - 1);
	add_value(proxy, "TTL", ttl, &out);
	login_proxy_forward(proxy, &forward);
	if (forward.len > 0)
		add_value(proxy, "FORWARD", forward.data, &out);
	login_proxy_say(proxy, &out);
}

/* One of EHLO's lines; at the last one what they say is done. */
static void take_capability(struct login_proxy *proxy, struct str line)
{
	struct str rest = str_from(line, 4), word;

	if (str_word(&rest, &word)) {
		if (str_case_is(word, "STARTTLS"))
			proxy->capabilities |= CAN_STARTTLS;
		else if (str_case_is(word, "AUTH"))
			proxy->capabilities |= CAN_AUTH;
		else if (str_case_is(word, "XCLIENT"))
			proxy->xclient = str_dup(proxy, rest);
	}
}

static void greeted(struct login_proxy *proxy)
{
	bool tls = conn_has_tls(proxy->conn);

	if (proxy->tls_mode == PROXY_STARTTLS && !tls) {
		if ((proxy->capabilities & CAN_STARTTLS) == 0) {
			login_proxy_failed(proxy,
					   "Remote server has no STARTTLS");
			return;
		}
		proxy->step = STEP_STARTTLS;
		conn_printf(proxy->conn, "STARTTLS\r\n");
	} else if (proxy->xclient != NULL &&
		   (proxy->capabilities & TOLD_XCLIENT) == 0 &&
		   !proxy->not_trusted) {
		introduce(proxy);
	} else if (proxy->no_auth) {
		conn_printf(proxy->client->conn, "235 2.7.0 Logged in.\r\n");
		login_proxy_done(proxy);
	} else {
		log_in(proxy);
	}
}

void submission_proxy_secured(struct login_proxy *proxy)
{
	say_hello(proxy);
}

/* Its last word is the client's. */
static void answered(struct login_proxy *proxy, struct str line)
{
	if (str_starts(line, "235")) {
		conn_printf(proxy->client->conn, "%.*s\r\n", STR_FMT(line));
		login_proxy_done(proxy);
	} else if (str_starts(line, "4") && login_proxy_retry(proxy)) {
		return;
	} else if (str_starts(line, "4") || str_starts(line, "5")) {
		login_proxy_refused(proxy, str_sanitize(proxy, line, 512));
	} else {
		login_proxy_refused(proxy, "535 5.7.8 Authentication failed.");
	}
}

void submission_proxy_line(struct login_proxy *proxy, struct str line)
{
	bool last = line.len < 4 || line.data[3] != '-';
	static const char *const expected[] = {
		[STEP_GREETING] = "220",
		[STEP_EHLO] = "250",
		[STEP_STARTTLS] = "220",
		[STEP_XCLIENT] = "220",
	};

	if (proxy->step == STEP_AUTH) {
		if (last && str_starts(line, "334") &&
		    login_proxy_is_asked(proxy))
			login_proxy_respond(proxy);
		else if (last)
			answered(proxy, line);
		return;
	}
	if (!str_starts(line, expected[proxy->step])) {
		login_proxy_unexpected(proxy, line);
		return;
	}
	if (proxy->step == STEP_EHLO)
		take_capability(proxy, line);
	if (!last)
		return;
	if (proxy->step == STEP_EHLO)
		greeted(proxy);
	else if (proxy->step == STEP_STARTTLS)
		login_proxy_start_tls(proxy);
	else
		say_hello(proxy);
}
