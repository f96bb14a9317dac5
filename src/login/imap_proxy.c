/* SPDX-License-Identifier: MIT */
/*
 * login/imap_proxy.c - log a client in at another IMAP server.
 *
 * Each command has a tag of its own: C capability, S starttls, I id, L login.
 */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "login/imap.h"
#include "login/proxy.h"
#include "net/conn.h"
#include "proto/imap.h"

enum { CAN_ID = 1, CAN_SASL_IR = 2 };
enum { STEP_GREETING, STEP_CAPABILITY, STEP_STARTTLS, STEP_ID, STEP_LOGIN };
enum { COMMAND_MAX = 32 * 1024 };

/* "... [CAPABILITY a b c] ..." or "* CAPABILITY a b c". */
static bool take_capabilities(struct login_proxy *proxy, struct str line)
{
	struct str word;
	bool seen = false;

	while (str_word(&line, &word)) {
		size_t end = word.len;

		if (!seen) {
			seen = str_case_is(word, "[CAPABILITY") ||
			       str_case_is(word, "CAPABILITY");
			continue;
		}
		if (end > 0 && word.data[end - 1] == ']')
			word.len--;
		if (str_case_is(word, "ID"))
			proxy->capabilities |= CAN_ID;
		else if (str_case_is(word, "SASL-IR"))
			proxy->capabilities |= CAN_SASL_IR;
		if (word.len < end)
			break;
	}
	return seen;
}

static bool quotable(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
			return false;
	}
	return true;
}

/* "name=value". RFC 2971 has strings there, no atoms; what would end the line
 * is left out. */
static void add_forward(const struct login_proxy *proxy, const char *field,
			struct buf *out)
{
	struct str value = str_of(field), name;

	if (strpbrk(field, "\r\n") != NULL)
		return;
	str_split(&value, '=', &name);
	buf_putc(out, ' ');
	buf_add_quoted(out, str_of(mem_printf(proxy, "x-forward-%.*s",
					      STR_FMT(name))));
	buf_putc(out, ' ');
	buf_add_quoted(out, value);
}

/* For whom we speak: the other server believes it if we are in its
 * login_trusted_networks. */
static void add_id(const struct login_proxy *proxy, struct buf *out)
{
	const struct client *client = proxy->client;
	char remote[IP_TEXT_MAX], local[IP_TEXT_MAX];

	buf_add(out, "I ID (\"x-session-id\" ");
	buf_add_quoted(out, str_of(client->session_id));
	if (client->remote.family != 0)
		buf_printf(out,
			   " \"x-originating-ip\" \"%s\" \"x-originating-port\""
			   " \"%u\" \"x-connected-ip\" \"%s\" "
			   "\"x-connected-port\" \"%u\"",
			   ip_text(&client->remote, remote),
			   client->remote.port, ip_text(&client->local, local),
			   client->local.port);
	buf_printf(out, " \"x-proxy-ttl\" \"%u\"", client->ttl - 1);
	for (size_t i = 0; proxy->forward[i] != NULL; i++)
		add_forward(proxy, proxy->forward[i], out);
	buf_add(out, ")\r\n");
}

static void say(struct login_proxy *proxy, struct buf *out)
{
	if (out->overflow) {
		login_proxy_failed(proxy, "Credentials are too long");
		return;
	}
	conn_write(proxy->conn, out->data, out->len);
}

static void log_in(struct login_proxy *proxy)
{
	CLEANUP(buf_wipe_free) struct buf out = buf_init(COMMAND_MAX);

	if ((proxy->capabilities & CAN_ID) != 0 && !proxy->not_trusted &&
	    proxy->step != STEP_ID) {
		add_id(proxy, &out);
		if (proxy->no_pipelining) {
			proxy->step = STEP_ID;
			say(proxy, &out);
			return;
		}
	}
	proxy->step = STEP_LOGIN;
	if (proxy->mech == NULL && proxy->master == NULL &&
	    quotable(proxy->user) && quotable(proxy->password)) {
		buf_add(&out, "L LOGIN ");
		buf_add_quoted(&out, str_of(proxy->user));
		buf_putc(&out, ' ');
		buf_add_quoted(&out, str_of(proxy->password));
	} else {
		buf_printf(&out, "L AUTHENTICATE %s",
			   proxy->mech == NULL ? "PLAIN" : proxy->mech);
		if ((proxy->capabilities & CAN_SASL_IR) != 0 &&
		    !login_proxy_is_asked(proxy)) {
			buf_putc(&out, ' ');
			login_proxy_response(proxy, &out);
		}
	}
	buf_add(&out, "\r\n");
	say(proxy, &out);
}

/* "+": AUTHENTICATE without SASL-IR; or an error of OAUTHBEARER's, to be
 * answered by nothing. */
static void challenged(struct login_proxy *proxy)
{
	CLEANUP(buf_wipe_free) struct buf out = buf_init(COMMAND_MAX);

	if (proxy->step != STEP_LOGIN) {
		login_proxy_unexpected(proxy, STR("+"));
		return;
	}
	if ((proxy->capabilities & CAN_SASL_IR) == 0 ||
	    login_proxy_is_asked(proxy))
		login_proxy_response(proxy, &out);
	proxy->capabilities |= CAN_SASL_IR;
	buf_add(&out, "\r\n");
	say(proxy, &out);
}

static void ask_capability(struct login_proxy *proxy)
{
	proxy->step = STEP_CAPABILITY;
	conn_printf(proxy->conn, "C CAPABILITY\r\n");
}

static void greeted(struct login_proxy *proxy, struct str line)
{
	bool known;

	if (!str_starts(line, "* OK") && !str_starts(line, "* ok")) {
		login_proxy_unexpected(proxy, line);
		return;
	}
	known = take_capabilities(proxy, line);
	if (proxy->tls_mode == PROXY_STARTTLS) {
		/* What was said in plain counts for nothing. */
		proxy->capabilities = 0;
		proxy->step = STEP_STARTTLS;
		conn_printf(proxy->conn, "S STARTTLS\r\n");
	} else if (known) {
		log_in(proxy);
	} else {
		ask_capability(proxy);
	}
}

void imap_proxy_secured(struct login_proxy *proxy)
{
	ask_capability(proxy);
}

static const char *tag_of(const struct login_proxy *proxy)
{
	return proxy->client->tag == NULL ? "*" : proxy->client->tag;
}

static void logged_in(struct login_proxy *proxy, struct str line)
{
	struct str text = str_from(line, 2);
	char *copy;

	if (str_starts(text, "OK") || str_starts(text, "ok")) {
		conn_printf(proxy->client->conn, "%s %.*s\r\n", tag_of(proxy),
			    STR_FMT(text));
		login_proxy_done(proxy);
		return;
	}
	if (str_case_starts(text, "NO [UNAVAILABLE]") &&
	    login_proxy_retry(proxy))
		return;
	/* "NO [CODE] text"; that of a wrong password tells no more than ours.
	 */
	text = str_from(text, text.len < 3 ? text.len : 3);
	if (str_starts(text, "[") &&
	    !str_starts(text, "[AUTHENTICATIONFAILED]"))
		copy = str_sanitize(proxy, text, 512);
	else
		copy = mem_strdup(proxy, "[AUTHENTICATIONFAILED] "
					 "Authentication failed.");
	login_proxy_refused(proxy, copy);
}

/* Untagged lines. Those of the login are for the client, alerts for one; its ID
 * answers ours. */
static void told(struct login_proxy *proxy, struct str line)
{
	if (proxy->step == STEP_CAPABILITY)
		take_capabilities(proxy, line);
	else if (proxy->step == STEP_LOGIN && !str_case_starts(line, "* ID "))
		conn_printf(proxy->client->conn, "%.*s\r\n", STR_FMT(line));
}

void imap_proxy_line(struct login_proxy *proxy, struct str line)
{
	if (proxy->step == STEP_GREETING) {
		greeted(proxy, line);
	} else if (str_starts(line, "* BYE")) {
		if (!login_proxy_retry(proxy))
			login_proxy_aborted(proxy, "It said", line);
	} else if (str_starts(line, "* ")) {
		told(proxy, line);
	} else if (str_starts(line, "+")) {
		challenged(proxy);
	} else if (str_starts(line, "C ") && proxy->step == STEP_CAPABILITY) {
		log_in(proxy);
	} else if (str_starts(line, "S OK") && proxy->step == STEP_STARTTLS) {
		login_proxy_start_tls(proxy);
	} else if (str_starts(line, "S ") && proxy->step == STEP_STARTTLS) {
		login_proxy_aborted(proxy, "STARTTLS failed", line);
	} else if (str_starts(line, "L ") && proxy->step == STEP_LOGIN) {
		logged_in(proxy, line);
	} else if (str_starts(line, "I ") && proxy->step == STEP_ID) {
		log_in(proxy);
	} else if (!str_starts(line, "I ")) {
		login_proxy_unexpected(proxy, line);
	}
}
