/* SPDX-License-Identifier: MIT */
/*
 * login/log.c - lines about a client, in Dovecot's wording: fail2ban, logwatch
 * and people read them.
 */
#include "base/log.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/vars.h"
#include "login/client.h"
#include "net/conn.h"

enum { LINE_MAX_LEN = 2048, VARS_MAX = 24, USER_MAX = 256 };

/* "TLS", "TLS handshaking: why", "secured" or "". */
static const char *security(const void *ctx, const struct login_client *client)
{
	const char *state = client->handshaking ? "TLS handshaking" : "TLS";

	if (conn_has_tls(client->conn) || client->handshaking) {
		if (client->tls_error != NULL)
			return mem_printf(ctx, "%s: %s", state,
					  client->tls_error);
		return state;
	}
	return login_client_secured(client) ? "secured" : "";
}

static const char *ip_var(const void *ctx, const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	return mem_strdup(ctx, ip_text(ip, text));
}

/* With `empty`, all values are "": to see what an element says without them. */
static struct var *client_vars(const void *ctx,
			       const struct login_client *client, bool empty)
{
	const char *user = client->user == NULL ? "" : client->user;
	char *clean = str_sanitize(ctx, str_of(user), USER_MAX);
	struct var *at_user = vars_user(ctx, clean);
	struct var *vars = mem_array(ctx, struct var, VARS_MAX + 8);
	size_t n = 0;

	for (; at_user->key != 0 || at_user->name != NULL; at_user++) {
		if (n < 8)
			vars[n++] = *at_user;
	}
	const struct var own[] = {
		{'s', "service", client->process->protocol->name},
		{'l', "lip", ip_var(ctx, &client->local)},
		{'r', "rip", ip_var(ctx, &client->remote)},
		{'p', "pid", mem_printf(ctx, "%d", (int)getpid())},
		{'m', "mech", client->mech},
		{'a', "lport", mem_printf(ctx, "%u", client->local.port)},
		{'b', "rport", mem_printf(ctx, "%u", client->remote.port)},
		{'c', "secured", security(ctx, client)},
		{'k', "ssl_security", conn_tls_info(client->conn)},
		{'e', "mail_pid",
		 client->mail_pid == 0
			 ? ""
			 : mem_printf(ctx, "%u", client->mail_pid)},
		{0, "session", client->session_id},
		{0, "real_rip", ip_var(ctx, &client->real_remote)},
		{0, "real_lip", ip_var(ctx, &client->local)},
		{0, "orig_user", clean},
		{0, "auth_user", clean},
		{0, "local_name", conn_tls_server_name(client->conn)},
	};
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		vars[n++] = own[i];
	for (size_t i = 0; empty && i < n; i++)
		vars[i].value = "";
	return vars;
}

/* An element is left out when all that it has to say is empty; but "user=<>"
 * tells something. */
static bool element_wanted(const void *ctx, const char *element,
			   const char *text, const struct var *empty)
{
	char *without;
	struct err err;

	if (strchr(element, '%') == NULL || vars_has(element, 'u', "user"))
		return true;
	return vars_expand(ctx, element, empty, &without, &err) < 0 ||
	       strcmp(without, text) != 0;
}

static void add_elements(const void *ctx, const struct login_client *client,
			 struct buf *out)
{
	struct str rest =
		str_of(client->context->set.login_log_format_elements);
	struct var *vars = client_vars(ctx, client, false);
	struct var *empty = client_vars(ctx, client, true);
	struct str word;
	struct err err;

	while (str_word(&rest, &word)) {
		char *element = str_dup(ctx, word), *text;

		if (vars_expand(ctx, element, vars, &text, &err) < 0)
			text = element;
		if (!element_wanted(ctx, element, text, empty))
			continue;
		if (out->len > 0)
			buf_add(out, ", ");
		buf_add(out, text);
	}
}

void login_log(const struct login_client *client, const char *text)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "login line");
	CLEANUP(buf_free) struct buf elements = buf_init(LINE_MAX_LEN);
	struct var vars[] = {{'$', NULL, text}, {'s', NULL, ""}, {0}};
	struct err err;
	char *line;

	add_elements(ctx, client, &elements);
	vars[1].value = elements.data;
	if (vars_expand(ctx, client->context->set.login_log_format, vars, &line,
			&err) < 0)
		log_info("%s: %s", text, elements.data);
	else
		log_info("%s", line);
}

static unsigned seconds_since(uint64_t ms)
{
	return (unsigned)((clock_monotonic_ms() - ms) / 1000);
}

/* Why the client may have gone, as far as it can be seen from here. */
static char *extra_reason(const void *ctx, const struct login_client *client)
{
	unsigned waited = seconds_since(client->auth_started_ms);

	if (client->plaintext_disallowed)
		return mem_strdup(ctx,
				  "(tried to use disallowed plaintext auth)");
	if (client->post_login_id != 0)
		return mem_printf(ctx,
				  "(disconnected while finishing login, "
				  "waited %u secs)",
				  waited);
	if (client->waiting_response || client->last_outcome == LOGIN_ABORTED)
		return mem_printf(ctx,
				  "(client didn't finish SASL auth, waited "
				  "%u secs)",
				  waited);
	if (client->authenticating)
		return mem_printf(ctx,
				  "(disconnected while authenticating, "
				  "waited %u secs)",
				  waited);
	if (client->bad_base64)
		return mem_strdup(ctx, "(sent invalid base64 in response)");
	if (!client->greeted && !conn_has_tls(client->conn) &&
	    !client->handshaking)
		return mem_printf(ctx,
				  "(disconnected before auth was ready, "
				  "waited %u secs)",
				  seconds_since(client->started_ms));
	if (client->attempts == 0)
		return mem_printf(ctx, "(no auth attempts in %u secs)",
				  seconds_since(client->started_ms));
	switch (client->last_outcome) {
	case LOGIN_USER_DISABLED:
		return mem_strdup(ctx, "(user disabled)");
	case LOGIN_PASS_EXPIRED:
		return mem_strdup(ctx, "(password expired)");
	case LOGIN_TEMPORARY:
		return mem_strdup(ctx,
				  "(auth service reported temporary failure)");
	default:
		return mem_printf(ctx, "(auth failed, %u attempts in %u secs)",
				  client->attempts,
				  seconds_since(client->first_attempt_ms));
	}
}

void login_log_disconnect(const struct login_client *client, const char *reason)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "login line");

	login_log(client, mem_printf(ctx, "Disconnected: %s %s", reason,
				     extra_reason(ctx, client)));
}
