/* SPDX-License-Identifier: MIT */
/*
 * login/submission.c - mail submission before authentication: RFC 6409, 4954
 * (AUTH), 3207 (STARTTLS), and Postfix's XCLIENT with Dovecot's additions. The
 * replies are Dovecot's.
 *
 * client->tag is the name that the client gave in EHLO: the session writes it
 * into Received.
 */
#include "login/submission.h"

#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "config/config.h"
#include "login/auth_link.h"
#include "login/client.h"
#include "login/login.h"
#include "login/protocol.h"
#include "net/conn.h"
#include "proto/smtp.h"

enum { REPLY_MAX = 8 * 1024, HOST_MAX = 256, BAD_COMMANDS_MAX = 10 };

struct submission_login {
	struct smtp_parser *parser;
	char host[HOST_MAX];
	bool helo_told; /* by XCLIENT: EHLO's is the proxy's own */
};

static struct submission_login *data_of(struct client *client)
{
	return client->data;
}

static void submission_init(struct client *client)
{
	struct submission_login *data =
		mem_new(client, struct submission_login);

	data->parser = smtp_parser_new(data, client_max_input(client));
	client->data = data;
}

static void set_helo(struct client *client, struct str name)
{
	mem_free(client->tag);
	client->tag = smtp_helo_clean(client, name);
}

/* After STARTTLS the client begins anew (RFC 3207 section 4.2). */
static void forget(struct client *client)
{
	smtp_parser_reset(data_of(client)->parser);
	mem_free(client->tag);
	client->tag = NULL;
}

const char *submission_hostname(const struct client *client)
{
	struct submission_login *data = client->data;

	if (client->set->hostname[0] != '\0')
		return client->set->hostname;
	if (gethostname(data->host, HOST_MAX - 1) < 0)
		return "localhost";
	return data->host;
}

/* answers */

static void reply(struct client *client, const char *text)
{
	conn_printf(client->conn, "%s\r\n", text);
}

/* One line, whatever is in the text. */
static void reply_with(struct client *client, const char *code,
		       const char *text)
{
	char line[600];

	snprintf(line, sizeof(line), "%s %s", code, text);
	for (char *p = line; *p != '\0'; p++) {
		if (*p == '\r' || *p == '\n')
			*p = ' ';
	}
	reply(client, line);
}

static void submission_greet(struct client *client)
{
	conn_printf(client->conn, "220 %s %s\r\n", submission_hostname(client),
		    client->set->login_greeting);
}

static void submission_challenge(struct client *client, struct str base64)
{
	conn_printf(client->conn, "334 %.*s\r\n", STR_FMT(base64));
}

/* RFC 4954 section 6, 5248 */
static const char *const codes[] = {
	[LOGIN_FAILED] = "535 5.7.8",       [LOGIN_TEMPORARY] = "454 4.7.0",
	[LOGIN_AUTHZ_FAILED] = "535 5.7.8", [LOGIN_EXPIRED] = "535 5.7.8",
	[LOGIN_REFUSED] = "525 5.7.13",     [LOGIN_ABORTED] = "501 5.5.2",
	[LOGIN_BAD_BASE64] = "535 5.7.8",   [LOGIN_BAD_INITIAL] = "501 5.5.2",
	[LOGIN_NO_MECH] = "504 5.5.4",      [LOGIN_PLAINTEXT] = "523 5.7.10",
	[LOGIN_REFERRED] = "535 5.7.8",
};

static void submission_refuse(struct client *client, enum login_result result,
			      const char *text)
{
	if (result == LOGIN_REMOTE)
		reply(client, text);
	else
		reply_with(client, codes[result],
			   text == NULL ? "Authentication failed." : text);
}

static void submission_no_session(struct client *client, struct str code,
				  struct str text)
{
	char copy[600];

	snprintf(copy, sizeof(copy), "%.*s", STR_FMT(text));
	reply_with(client, str_is(code, "[LIMIT]") ? "421 4.7.0" : "421 4.3.0",
		   copy);
}

static void submission_bye(struct client *client, const char *text)
{
	bool idle = str_starts(str_of(text), "Disconnected for");

	if (*text != '\0')
		conn_printf(client->conn, "421 %s %s %s\r\n",
			    idle ? "4.4.2" : "4.3.2",
			    submission_hostname(client), text);
}

/* EHLO */

static void write_mechs(struct client *client, struct buf *out)
{
	struct auth_link *auth = client->login->auth;
	bool plaintext_ok = client_plaintext_ok(client), plaintext;
	size_t before = out->len;
	const char *mech;

	buf_add(out, "250-AUTH");
	for (unsigned i = 0;
	     (mech = auth_link_mech(auth, i, &plaintext)) != NULL; i++) {
		if ((client->tls || !auth_link_mech_bound(auth, i)) &&
		    (plaintext_ok || (!plaintext && !client_needs_tls(client))))
			buf_printf(out, " %s", mech);
	}
	if (out->len == before + strlen("250-AUTH"))
		buf_truncate(out, before);
	else
		buf_add(out, "\r\n");
}

/* What the relay can is known after the login only, unless it is set. */
static bool relay_has(const char *set, const char *name)
{
	return set == NULL ? strcmp(name, "8BITMIME") == 0
			   : str_case_has_word(set, str_of(name));
}

static void write_capabilities(struct client *client, struct buf *out)
{
	static const char *const relayed[] = {"8BITMIME", "BINARYMIME", "DSN",
					      "VRFY"};
	const struct config_filter filter = {.protocol = "submission"};
	const char *set = NULL;

	if (config_written(client->login->config, &filter,
			   "submission_backend_capabilities") != NULL)
		set = client->set->submission_backend_capabilities;
	for (size_t i = 0; i < sizeof(relayed) / sizeof(relayed[0]); i++) {
		if (relay_has(set, relayed[i]))
			buf_printf(out, "250-%s\r\n", relayed[i]);
	}
	write_mechs(client, out);
	buf_add(out, "250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250-SIZE");
	if (client->set->submission_max_mail_size > 0)
		buf_printf(out, " %llu",
			   (unsigned long long)
				   client->set->submission_max_mail_size);
	buf_add(out, "\r\n");
	if (client_can_tls(client))
		buf_add(out, "250-STARTTLS\r\n");
	if (client->trusted)
		buf_add(out, "250-XCLIENT ADDR PORT PROTO HELO LOGIN SESSION "
			     "TTL TIMEOUT FORWARD\r\n");
	buf_add(out, "250 PIPELINING\r\n");
}

static bool take_name(struct client *client, struct str args)
{
	struct str name;

	if (!str_word(&args, &name)) {
		reply(client, "501 Missing hostname");
		return false;
	}
	if (!data_of(client)->helo_told)
		set_helo(client, name);
	return true;
}

static void cmd_helo(struct client *client, struct str args)
{
	if (take_name(client, args))
		conn_printf(client->conn, "250 %s\r\n",
			    submission_hostname(client));
}

static void cmd_ehlo(struct client *client, struct str args)
{
	CLEANUP(buf_free) struct buf out = buf_init(REPLY_MAX);

	if (!take_name(client, args))
		return;
	buf_printf(&out, "250-%s\r\n", submission_hostname(client));
	write_capabilities(client, &out);
	conn_write(client->conn, out.data, out.len);
}

/* the others */

static bool no_args(struct client *client, struct str args)
{
	if (str_trim(args).len > 0)
		reply(client, "501 5.5.4 Invalid parameters");
	return str_trim(args).len == 0;
}

static void cmd_starttls(struct client *client, struct str args)
{
	if (!no_args(client, args))
		return;
	if (client->tls) {
		reply(client, "502 5.5.1 TLS is already active.");
	} else if (!client_can_tls(client)) {
		reply(client, "502 5.5.1 TLS support is not enabled.");
	} else {
		reply(client, "220 2.0.0 Begin TLS negotiation now.");
		client_start_tls(client);
	}
}

static void cmd_auth(struct client *client, struct str args)
{
	struct str mech, word, initial = {NULL, 0};

	if (!str_word(&args, &mech))
		reply(client, "501 5.5.4 Missing SASL mechanism parameter");
	else if (str_word(&args, &initial) && str_word(&args, &word))
		reply(client, "501 5.5.4 Invalid parameters");
	else if (client_needs_tls(client))
		reply(client, "530 5.7.0 TLS required.");
	else
		client_authenticate(client, mech, initial);
}

static void cmd_noop(struct client *client, struct str args)
{
	(void)args;
	reply(client, "250 2.0.0 OK");
}

static void cmd_rset(struct client *client, struct str args)
{
	if (no_args(client, args))
		reply(client, "250 2.0.0 OK");
}

static void cmd_quit(struct client *client, struct str args)
{
	if (!no_args(client, args))
		return;
	reply(client, "221 2.0.0 Bye");
	client_disconnect(client, NULL, "Aborted login by logging out");
}

static void cmd_mail(struct client *client, struct str args)
{
	(void)args;
	reply(client, client_needs_tls(client)
			      ? "530 5.7.0 TLS required."
			      : "530 5.7.0 Authentication required.");
}

/* XCLIENT */

/* What is no attribute of ours is passed over. False: malformed. */
static bool take_attribute(struct client *client, const char *name,
			   struct str value)
{
	if (strcmp(name, "ADDR") == 0 && str_case_starts(value, "IPV6:"))
		value = str_from(value, 5);
	if (strcmp(name, "HELO") == 0) {
		data_of(client)->helo_told = true;
		set_helo(client, value);
	}
	return client_take_xclient(client, str_of(name), value);
}

/* NULL, or what is wrong. */
static const char *take_attributes(const void *ctx, struct client *client,
				   struct str args)
{
	struct smtp_param *params;
	const char *problem = smtp_params_parse(ctx, args, &params);
	char *value;

	if (problem != NULL)
		return mem_printf(ctx, "Invalid parameter: %s", problem);
	for (; params->name != NULL; params++) {
		if (params->value == NULL)
			return mem_printf(ctx, "Invalid %s parameter",
					  params->name);
		if (strcmp(params->value, "[UNAVAILABLE]") == 0)
			continue;
		problem = smtp_xtext_decode(ctx, str_of(params->value), &value);
		if (problem != NULL)
			return mem_printf(ctx, "Invalid %s parameter: %s",
					  params->name, problem);
		if (!take_attribute(client, params->name, str_of(value)))
			return mem_printf(ctx, "Invalid %s parameter",
					  params->name);
	}
	return NULL;
}

static void cmd_xclient(struct client *client, struct str args)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "xclient");
	const char *problem;

	if (!client->trusted) {
		reply(client, "550 5.7.14 You are not from trusted IP");
		return;
	}
	problem = take_attributes(ctx, client, args);
	if (problem != NULL)
		reply_with(client, "501 5.5.4", problem);
	else
		submission_greet(client);
}

static const struct {
	const char *name;
	void (*run)(struct client *client, struct str args);
} commands[] = {
	{"AUTH", cmd_auth},         {"BDAT", cmd_mail},
	{"DATA", cmd_mail},         {"EHLO", cmd_ehlo},
	{"HELO", cmd_helo},         {"MAIL", cmd_mail},
	{"NOOP", cmd_noop},         {"QUIT", cmd_quit},
	{"RCPT", cmd_mail},         {"RSET", cmd_rset},
	{"STARTTLS", cmd_starttls}, {"VRFY", cmd_mail},
	{"XCLIENT", cmd_xclient},
};

static void bad(struct client *client, const char *text)
{
	if (++client->bad_commands > BAD_COMMANDS_MAX) {
		conn_printf(client->conn,
			    "421 4.7.0 %s Too many invalid commands.\r\n",
			    submission_hostname(client));
		client_disconnect(client, NULL, "Too many invalid commands.");
		return;
	}
	reply(client, text);
}

static void run(struct client *client, const struct smtp_line *line)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!str_case_is(line->verb, commands[i].name))
			continue;
		client->bad_commands = 0;
		commands[i].run(client, line->args);
		return;
	}
	bad(client, "500 5.5.1 Unknown command");
}

/* input */

/* The command is taken off the input, which may go to another process, before
 * it runs; nothing of it stays behind. The parser gets whole lines, or those
 * that are too long for it. */
static bool step(struct client *client)
{
	struct smtp_parser *parser = data_of(client)->parser;
	struct str in = conn_input(client->conn);
	ptrdiff_t end = str_find_char(in, '\n');
	enum smtp_parse parsed;
	struct smtp_line line;
	size_t used;

	if (end < 0 && in.len < client_max_input(client))
		return false;
	if (end >= 0)
		in.len = (size_t)end + 1;
	parsed = smtp_parser_feed(parser, in, &used, &line);
	mem_wipe((char *)in.data, used);
	conn_consume(client->conn, used);
	if (parsed == SMTP_PARSE_LINE)
		run(client, &line);
	else if (parsed == SMTP_PARSE_TOO_LONG)
		bad(client, "500 5.5.2 Line too long");
	else if (parsed == SMTP_PARSE_BAD)
		bad(client, "500 5.5.2 Invalid command syntax");
	if (parsed != SMTP_PARSE_MORE)
		smtp_parser_reset(parser);
	return true;
}

static void submission_input(struct client *client)
{
	while (client->state == CLIENT_COMMANDS && step(client))
		;
}

const struct login_protocol login_submission = {
	.name = "submission",
	.alpn = "submission",
	.title = "SMTP",
	.init = submission_init,
	.greet = submission_greet,
	.input = submission_input,
	.challenge = submission_challenge,
	.refuse = submission_refuse,
	.no_session = submission_no_session,
	.bye = submission_bye,
	.proxy_line = submission_proxy_line,
	.proxy_secured = submission_proxy_secured,
	.port = 587,
	.tls_port = 465,
	.scheme = "smtp",
	.reset = forget,
};
