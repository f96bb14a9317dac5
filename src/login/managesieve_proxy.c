/* SPDX-License-Identifier: MIT */
/*
 * login/managesieve_proxy.c - log a client in at another ManageSieve server.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "login/managesieve.h"
#include "login/proxy.h"
#include "net/conn.h"

enum { CAN_XCLIENT = 1, TOLD_SOME = 2, LITERAL_COMES = 4 };
enum { STEP_GREETING, STEP_STARTTLS, STEP_SECURED, STEP_XCLIENT, STEP_LOGIN };
enum { COMMAND_MAX = 32 * 1024, ANSWER_MAX = 512 };

/* `out` and the response, as a literal: of any length. */
static void respond(struct login_proxy *proxy, struct buf *out)
{
	CLEANUP(buf_wipe_free) struct buf response = buf_init(COMMAND_MAX);

	login_proxy_response(proxy, &response);
	buf_printf(out, "{%zu+}\r\n", response.len);
	buf_add_str(out, str_n(response.data, response.len));
	buf_add(out, "\r\n");
	if (response.overflow || out->overflow)
		login_proxy_failed(proxy, "Credentials are too long");
	else
		conn_write(proxy->conn, out->data, out->len);
}

static void log_in(struct login_proxy *proxy)
{
	CLEANUP(buf_wipe_free) struct buf out = buf_init(COMMAND_MAX + 100);

	proxy->step = STEP_LOGIN;
	if (login_proxy_is_asked(proxy)) {
		conn_printf(proxy->conn, "AUTHENTICATE \"LOGIN\"\r\n");
		return;
	}
	buf_printf(&out, "AUTHENTICATE \"%s\" ",
		   proxy->mech == NULL ? "PLAIN" : proxy->mech);
	respond(proxy, &out);
}

/* A challenge of LOGIN: a string or a literal, whose text does not matter.
 * False: it is none. */
static bool challenged(struct login_proxy *proxy, struct str line)
{
	CLEANUP(buf_wipe_free) struct buf out = buf_init(COMMAND_MAX + 100);
	bool literal = (proxy->capabilities & LITERAL_COMES) != 0;

	if (proxy->step != STEP_LOGIN || !login_proxy_is_asked(proxy))
		return false;
	if (!literal && str_starts(line, "{")) {
		proxy->capabilities |= LITERAL_COMES;
		return true;
	}
	if (!literal && !str_starts(line, "\""))
		return false;
	proxy->capabilities &= ~(unsigned)LITERAL_COMES;
	respond(proxy, &out);
	return true;
}

/* For whom we speak, if the other server said that it wants to know. */
static void introduce(struct login_proxy *proxy)
{
	CLEANUP(buf_free) struct buf forward = buf_init(COMMAND_MAX);
	const struct client *client = proxy->client;
	char ip[IP_TEXT_MAX];

	if ((proxy->capabilities & CAN_XCLIENT) == 0 || proxy->not_trusted) {
		log_in(proxy);
		return;
	}
	proxy->step = STEP_XCLIENT;
	conn_printf(proxy->conn, "XCLIENT");
	if (client->remote.family != 0)
		conn_printf(proxy->conn, " ADDR=%s PORT=%u",
			    ip_text(&client->remote, ip), client->remote.port);
	conn_printf(proxy->conn, " SESSION=%s TTL=%u", client->session_id,
		    client->ttl - 1);
	login_proxy_forward(proxy, &forward);
	if (forward.len > 0)
		conn_printf(proxy->conn, " FORWARD=%s", forward.data);
	conn_printf(proxy->conn, "\r\n");
}

/* What was said in plain counts for nothing: the other server says its
 * capabilities again. */
void msieve_proxy_secured(struct login_proxy *proxy)
{
	proxy->capabilities = 0;
	proxy->step = STEP_SECURED;
}

static void greeted(struct login_proxy *proxy)
{
	if (proxy->step == STEP_GREETING && proxy->tls_mode == PROXY_STARTTLS) {
		proxy->step = STEP_STARTTLS;
		conn_printf(proxy->conn, "STARTTLS\r\n");
	} else {
		introduce(proxy);
	}
}

/* `NO (CODE) "text"` is the client's; that of a wrong password tells no more
 * than ours. */
static const char *text_of(struct login_proxy *proxy, struct str line)
{
	bool whole = line.len > 4 && line.len < ANSWER_MAX &&
		     line.data[3] == '(' && line.data[line.len - 1] == '"';

	return whole ? str_sanitize(proxy, str_from(line, 3), ANSWER_MAX)
		     : mem_strdup(proxy, "\"Authentication failed.\"");
}

/* `"NAME"` or `"NAME" "value"`, or what is left of a value's literal. */
static bool is_capability(struct login_proxy *proxy, struct str line)
{
	if (str_case_starts(line, "NO") || str_case_starts(line, "BYE"))
		return false;
	if (str_starts(line, "\""))
		proxy->capabilities |= TOLD_SOME;
	return (proxy->capabilities & TOLD_SOME) != 0;
}

void msieve_proxy_line(struct login_proxy *proxy, struct str line)
{
	bool ok = str_case_is(line, "OK") || str_case_starts(line, "OK ");

	if (challenged(proxy, line))
		return;
	if (str_case_starts(line, "\"XCLIENT\"")) {
		proxy->capabilities |= CAN_XCLIENT | TOLD_SOME;
	} else if (ok && proxy->step == STEP_STARTTLS) {
		login_proxy_start_tls(proxy);
	} else if (ok && proxy->step == STEP_LOGIN &&
		   *proxy->client->tag != '\0') {
		/* Our word on how the client logged in here. */
		conn_printf(proxy->client->conn,
			    "OK (SASL \"%s\") \"Logged in.\"\r\n",
			    proxy->client->tag);
		login_proxy_done(proxy);
	} else if (ok && proxy->step == STEP_LOGIN) {
		conn_printf(proxy->client->conn, "%.*s\r\n", STR_FMT(line));
		login_proxy_done(proxy);
	} else if (ok && proxy->step == STEP_XCLIENT) {
		log_in(proxy);
	} else if (ok) {
		greeted(proxy);
	} else if (is_capability(proxy, line)) {
		return;
	} else if (str_case_starts(line, "NO (TRYLATER)") &&
		   login_proxy_retry(proxy)) {
		return;
	} else if (proxy->step == STEP_LOGIN && str_case_starts(line, "NO")) {
		login_proxy_refused(proxy, text_of(proxy, line));
	} else {
		login_proxy_unexpected(proxy, line);
	}
}
