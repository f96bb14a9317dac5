/* SPDX-License-Identifier: MIT */
/*
 * login/log.c - log lines about clients, in the form that fail2ban and
 * logwatch know from Dovecot.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/vars.h"
#include "login/client.h"
#include "login/protocol.h"
#include "net/conn.h"

enum { USER_SHOWN_MAX = 80, ELEMENTS_MAX = 4096, VARS = 80 };

static const char *security(const void *ctx, const struct client *client)
{
	if (client->tls && client->ssl_error != NULL)
		return mem_printf(ctx, "TLS: %s", client->ssl_error);
	if (client->tls)
		return "TLS";
	if (client->state == CLIENT_GREETING &&
	    (client->ssl_listener || client->starttls)) {
		if (client->ssl_error == NULL)
			return "TLS handshaking";
		return mem_printf(ctx, "TLS handshaking: %s",
				  client->ssl_error);
	}
	return client->secured ? "secured" : "";
}

static const char *ip_of(const void *ctx, const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	return mem_strdup(ctx, ip_text(ip, text));
}

static const char *port_of(const void *ctx, const struct ip *ip)
{
	return ip->port == 0 ? "" : mem_printf(ctx, "%u", ip->port);
}

static const char *shown(const void *ctx, const char *text)
{
	return text == NULL ? ""
			    : str_sanitize(ctx, str_of(text), USER_SHOWN_MAX);
}

static size_t add_name(const void *ctx, struct var *vars, size_t n,
		       const char *const names[3], const char *name)
{
	const struct var *parts = vars_user(ctx, name);

	for (size_t i = 0; i < 3; i++)
		vars[n++] = (struct var){0, names[i], parts[i].value};
	return n;
}

/* What the passdb said: "passdb:host", and the names before it made another of
 * them. */
static size_t add_fields(const void *ctx, struct var *vars, size_t n,
			 const struct client *client, const char *user)
{
	static const char *const original[] = {"orig_user", "orig_username",
					       "orig_domain"};
	static const char *const auth[] = {"auth_user", "auth_username",
					   "auth_domain"};
	struct str rest = str_of(client->fields == NULL ? "" : client->fields);
	const char *original_user = user, *auth_user = NULL;
	struct str value, key;

	while (str_split(&rest, '\t', &value)) {
		const char *text;

		if (!str_split(&value, '=', &key) || key.len == 0)
			continue;
		text = shown(ctx, str_tab_unescape(ctx, value));
		if (str_is(key, "original_user"))
			original_user = text;
		else if (str_is(key, "auth_user"))
			auth_user = text;
		vars[n++] = (struct var){
			0, mem_printf(ctx, "passdb:%.*s", STR_FMT(key)), text};
	}
	vars[n++] = (struct var){0, "passdb:", ""};
	n = add_name(ctx, vars, n, original, original_user);
	return add_name(ctx, vars, n, auth,
			auth_user != NULL ? auth_user : original_user);
}

static struct var *client_vars(const void *ctx, const struct client *client,
			       uint32_t mail_pid)
{
	const char *user = shown(ctx, client->user);
	const char *pid = mem_printf(ctx, "%ld", (long)getpid());
	const char *mpid = mail_pid == 0 ? "" : mem_printf(ctx, "%u", mail_pid);
	const char *name = client_server_name(client);
	struct var *names = vars_user(ctx, user);
	struct var *vars = mem_array(ctx, struct var, VARS);
	size_t n = 0;

	const struct var more[] = {
		{'s', "service", client->protocol->name},
		{'m', "mech", shown(ctx, client->mech)},
		{0, "mechanism", shown(ctx, client->mech)},
		{'r', "rip", ip_of(ctx, &client->remote)},
		{'l', "lip", ip_of(ctx, &client->local)},
		{'b', "rport", port_of(ctx, &client->remote)},
		{'a', "lport", port_of(ctx, &client->local)},
		{'p', "pid", pid},
		{'e', "mail_pid", mpid},
		{'c', "secured", security(ctx, client)},
		{'k', "ssl_security",
		 client->tls && client->proxied_tls
			 ? "(proxied)"
			 : conn_tls_info(client->conn)},
		{0, "session", client->session_id},
		{0, "real_rip", ip_of(ctx, &client->real_remote)},
		{0, "real_lip", ip_of(ctx, &client->real_local)},
		{0, "real_rport", port_of(ctx, &client->real_remote)},
		{0, "real_lport", port_of(ctx, &client->real_local)},
		{0, "local_name", shown(ctx, name)},
		{0, "listener", client->listener},
	};

	while (n < 3 && (names[n].key != 0 || names[n].name != NULL)) {
		vars[n] = names[n];
		n++;
	}
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		vars[n++] = more[i];
	add_fields(ctx, vars, n, client, user);
	return vars;
}

/* What cannot be expanded is an error each time, as in Dovecot. */
static char *expand(const void *ctx, const char *setting, const char *format,
		    const struct var *vars)
{
	struct err err;
	char *out;

	if (vars_expand_anyway(ctx, format, vars, &out, &err) < 0)
		log_error("Failed to expand %s=%s: %s", setting, format,
			  err.text);
	return out;
}

const char *client_greeting(const struct client *client)
{
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "greeting");
	const char *text = client->set->login_greeting;

	if (strchr(text, '%') == NULL)
		return text;
	return mem_strdup(client, expand(tmp, "login_greeting", text,
					 client_vars(tmp, client, 0)));
}

/* Elements stay if a variable gave them something; user=<> always does. NULL:
 * it does not. */
static char *element(const void *ctx, const char *format,
		     const struct var *vars, const struct var *none)
{
	struct err err;
	char *text, *bare;

	if (vars_expand(ctx, format, vars, &text, &err) < 0) {
		log_error("Failed to expand login_log_format_elements=%s: %s",
			  format, err.text);
		return NULL;
	}
	if (strchr(format, '%') == NULL || vars_has(format, 'u', "user"))
		return text;
	return vars_expand(ctx, format, none, &bare, &err) == 0 &&
			       strcmp(text, bare) == 0
		       ? NULL
		       : text;
}

static void write_elements(const void *ctx, const char *elements,
			   struct var *vars, struct buf *out)
{
	struct var *none = mem_array(ctx, struct var, VARS);
	struct str rest = str_of(elements), word;

	for (size_t i = 0; vars[i].key != 0 || vars[i].name != NULL; i++)
		none[i] = (struct var){vars[i].key, vars[i].name, ""};
	while (str_word(&rest, &word)) {
		const char *text = element(ctx, str_dup(ctx, word), vars, none);

		if (text == NULL)
			continue;
		if (out->len > 0)
			buf_add(out, ", ");
		buf_add(out, text);
	}
}

static void log_at(enum log_level level, const struct client *client,
		   uint32_t mail_pid, const char *text)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "log");
	CLEANUP(buf_free) struct buf elements = buf_init(ELEMENTS_MAX);
	struct var *vars = client_vars(ctx, client, mail_pid);
	size_t n = 0;

	write_elements(ctx, client->set->login_log_format_elements, vars,
		       &elements);
	while (vars[n].key != 0 || vars[n].name != NULL)
		n++;
	/* %s is the list here, not the service. */
	for (size_t i = 0; i < n; i++) {
		if (vars[i].key == 's')
			vars[i].value = elements.data;
	}
	vars[n] = (struct var){'$', NULL, text};
	log_line(level, "%s",
		 expand(ctx, "login_log_format", client->set->login_log_format,
			vars));
}

void client_log(const struct client *client, uint32_t mail_pid,
		const char *text)
{
	log_at(LOG_LEVEL_INFO, client, mail_pid, text);
}

void client_log_error(const struct client *client, const char *text)
{
	log_at(LOG_LEVEL_ERROR, client, 0, text);
}

const char *client_why(const struct client *client, char *out, size_t size)
{
	uint64_t now = clock_monotonic_ms();
	unsigned waited = (unsigned)((now - (client->attempt_ms != 0
						     ? client->attempt_ms
						     : client->since_ms)) /
				     1000);
	unsigned secs = (unsigned)((now - client->since_ms) / 1000);

	if (client->state == CLIENT_SASL || client->sasl_unfinished)
		snprintf(out, size,
			 " (client didn't finish SASL auth, waited %u secs)",
			 waited);
	else if (client->state == CLIENT_AUTH)
		snprintf(out, size,
			 " (disconnected while authenticating, waited %u secs)",
			 waited);
	else if (client->state == CLIENT_HANDOVER)
		snprintf(out, size,
			 " (disconnected while finishing login, waited %u "
			 "secs)",
			 waited);
	else if (client->cert_refused)
		snprintf(out, size, " (%s)",
			 !client->tls ? "cert required, client didn't start TLS"
			 : conn_tls_has_cert(client->conn)
				 ? "client sent an invalid cert"
				 : "client didn't send a cert");
	else if (client->dest_failed)
		snprintf(out, size, " (proxy dest auth failed)");
	else if (client->failure != NULL)
		snprintf(out, size, " (%s)", client->failure);
	else if (client->authz_failed)
		snprintf(out, size,
			 " (authorization failed, %u attempts in %u secs)",
			 client->attempts, secs);
	else if (client->bad_base64)
		snprintf(out, size, " (sent invalid base64 in response)");
	else if (client->no_mech_tried)
		snprintf(out, size,
			 " (tried to use unsupported auth mechanism)");
	else if (client->plaintext_tried && client->attempts == 0)
		snprintf(out, size,
			 " (tried to use disallowed plaintext auth)");
	else if (client->attempts > 0 && client->successes > 0)
		snprintf(out, size, " (internal failure, %u successful auths)",
			 client->successes);
	else if (client->attempts > 0)
		snprintf(out, size, " (auth failed, %u attempts in %u secs)",
			 client->attempts, secs);
	else if (client->successes > 0)
		snprintf(out, size, " (internal failure, %u successful auths)",
			 client->successes);
	else
		snprintf(out, size, " (no auth attempts in %u secs)", secs);
	return out;
}
