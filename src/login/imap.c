/* SPDX-License-Identifier: MIT */
/*
 * login/imap.c - IMAP before authentication (RFC 3501 sections 6.1 and 6.2).
 */
#include "login/imap.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "login/auth_link.h"
#include "login/client.h"
#include "login/login.h"
#include "login/protocol.h"
#include "net/conn.h"
#include "proto/imap.h"
#include "proto/imap_id.h"

enum { REPLY_MAX = 8 * 1024, TAG_MAX = 256 };

enum { ARGS_MAX = 80, DEPTH_MAX = 4 };

static struct imap_limits limits_of(const struct client *client)
{
	size_t max = client_max_input(client);

	return (struct imap_limits){
		.max_line = max,
		.max_literal = max / 2,
		.max_command = max + max / 2,
		.max_args = ARGS_MAX,
		.max_depth = DEPTH_MAX,
		.literal_minus = client->set->imap_literal_minus,
	};
}

struct imap_login {
	struct imap_parser *parser;
};

static struct imap_login *data_of(struct client *client)
{
	return client->data;
}

static void imap_init(struct client *client)
{
	struct imap_login *data = mem_new(client, struct imap_login);

	client->data = data;
}

/* answers */

static void reply(struct client *client, const char *text)
{
	conn_printf(client->conn, "%s %s\r\n",
		    client->tag == NULL || *client->tag == '\0' ? "*"
								: client->tag,
		    text);
}

static void write_capability(struct client *client, struct buf *out)
{
	const char *set = client->set->imap_capability;
	bool plaintext_ok = client_plaintext_ok(client), plaintext;
	const char *mech;

	if (*set != '\0' && *set != '+') {
		buf_add(out, set);
	} else {
		buf_add(out, "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE "
			     "IDLE ");
		buf_add(out, client->set->imap_literal_minus ? "LITERAL-"
							     : "LITERAL+");
	}
	if (*set == '+') {
		buf_putc(out, ' ');
		buf_add(out, set + 1);
	}
	if (client_can_tls(client))
		buf_add(out, " STARTTLS");
	if (!plaintext_ok)
		buf_add(out, " LOGINDISABLED");
	for (unsigned i = 0; (mech = auth_link_mech(client->login->auth, i,
						    &plaintext)) != NULL;
	     i++) {
		if (!client->tls &&
		    auth_link_mech_bound(client->login->auth, i))
			continue;
		if (plaintext_ok || (!plaintext && !client_needs_tls(client)))
			buf_printf(out, " AUTH=%s", mech);
	}
}

static void imap_greet(struct client *client)
{
	CLEANUP(buf_free) struct buf out = buf_init(REPLY_MAX);

	buf_add(&out, "* OK [CAPABILITY ");
	write_capability(client, &out);
	buf_printf(&out, "] %s\r\n", client_greeting(client));
	conn_write(client->conn, out.data, out.len);
}

static void imap_challenge(struct client *client, struct str base64)
{
	conn_printf(client->conn, "+ %.*s\r\n", STR_FMT(base64));
}

static const char *const codes[] = {
	[LOGIN_FAILED] = "NO [AUTHENTICATIONFAILED] ",
	[LOGIN_TEMPORARY] = "NO [UNAVAILABLE] ",
	[LOGIN_AUTHZ_FAILED] = "NO [AUTHORIZATIONFAILED] ",
	[LOGIN_EXPIRED] = "NO [EXPIRED] ",
	[LOGIN_REFUSED] = "NO [CONTACTADMIN] ",
	[LOGIN_ABORTED] = "BAD ",
	[LOGIN_BAD_BASE64] = "NO [ALERT] ",
	[LOGIN_BAD_INITIAL] = "BAD ",
	[LOGIN_NO_MECH] = "NO [ALERT] ",
	[LOGIN_PLAINTEXT] = "NO [PRIVACYREQUIRED] ",
	[LOGIN_REMOTE] = "NO ",
};

static void imap_refuse(struct client *client, enum login_result result,
			const char *text)
{
	char line[2048];

	if (result == LOGIN_PLAINTEXT && text == NULL) {
		conn_printf(client->conn,
			    "* BAD [ALERT] Plaintext authentication not "
			    "allowed without SSL/TLS, but your client did it "
			    "anyway. If anyone was listening, the password was "
			    "exposed.\r\n");
		text = "Plaintext authentication disallowed on non-secure "
		       "(SSL/TLS) connections.";
	}
	if (text == NULL)
		text = "Authentication failed.";
	if (result == LOGIN_REFERRED)
		snprintf(line, sizeof(line), "NO [REFERRAL %s/] %s",
			 client->referral, text);
	else
		snprintf(line, sizeof(line), "%s%s", codes[result], text);
	for (char *p = line; *p != '\0'; p++) {
		if (*p == '\r' || *p == '\n')
			*p = ' ';
	}
	reply(client, line);
}

static void imap_no_session(struct client *client, struct str code,
			    struct str text)
{
	char line[600];

	snprintf(line, sizeof(line), "NO %.*s%s%.*s", STR_FMT(code),
		 code.len == 0 ? "" : " ", STR_FMT(text));
	reply(client, line);
}

static void imap_bye(struct client *client, const char *text)
{
	if (*text != '\0')
		conn_printf(client->conn, "* BYE %s\r\n", text);
}

/* commands: false if the client is gone or has to wait */

static bool bad(struct client *client, const char *text)
{
	char line[256];

	if (client_bad_command(client)) {
		client_disconnect(client, "Too many invalid IMAP commands.",
				  "Too many invalid commands");
		return false;
	}
	snprintf(line, sizeof(line), "BAD %s", text);
	reply(client, line);
	return true;
}

static bool bad_command(struct client *client)
{
	return bad(client, "Error in IMAP command received by server.");
}

static bool cmd_capability(struct client *client, const struct imap_arg *args)
{
	CLEANUP(buf_free) struct buf out = buf_init(REPLY_MAX);

	(void)args;
	buf_add(&out, "* CAPABILITY ");
	write_capability(client, &out);
	buf_add(&out, "\r\n");
	conn_write(client->conn, out.data, out.len);
	reply(client, "OK Pre-login capabilities listed, post-login "
		      "capabilities have more.");
	return true;
}

static bool cmd_noop(struct client *client, const struct imap_arg *args)
{
	(void)args;
	reply(client, "OK NOOP completed.");
	return true;
}

static bool cmd_enable(struct client *client, const struct imap_arg *args)
{
	(void)args;
	conn_printf(client->conn, "* ENABLED\r\n");
	reply(client, "OK ENABLE ignored in non-authenticated state.");
	return true;
}

static bool cmd_id(struct client *client, const struct imap_arg *args)
{
	CLEANUP(buf_free) struct buf out = buf_init(REPLY_MAX);

	if (!imap_id_take(client, args))
		return bad(client, "Invalid ID parameters");
	imap_id_reply(client->set->imap_id_send, &out);
	conn_write(client->conn, out.data, out.len);
	reply(client, "OK ID completed.");
	return true;
}

static bool cmd_logout(struct client *client, const struct imap_arg *args)
{
	(void)args;
	conn_printf(client->conn, "* BYE Logging out\r\n");
	reply(client, "OK Logout completed.");
	client_disconnect(client, NULL, "Aborted login by logging out");
	return false;
}

static bool cmd_starttls(struct client *client, const struct imap_arg *args)
{
	(void)args;
	if (client->tls) {
		reply(client, "BAD TLS is already active.");
		return true;
	}
	if (!client_can_tls(client)) {
		reply(client, "BAD TLS support isn't enabled.");
		return true;
	}
	reply(client, "OK Begin TLS negotiation now.");
	client_start_tls(client);
	return false;
}

static bool cmd_login(struct client *client, const struct imap_arg *args)
{
	struct str user, password;

	if (!imap_arg_astring(&args[0], &user) ||
	    !imap_arg_astring(&args[1], &password) ||
	    args[2].kind != IMAP_ARG_END)
		return bad_command(client);
	client_login(client, user, password);
	return client->state == CLIENT_COMMANDS;
}

static bool cmd_authenticate(struct client *client, const struct imap_arg *args)
{
	struct str mech, initial = {NULL, 0};

	if (!imap_arg_astring(&args[0], &mech) || mech.len == 0)
		return bad_command(client);
	if (args[1].kind != IMAP_ARG_END) {
		if (!imap_arg_astring(&args[1], &initial))
			return bad_command(client);
		if (args[2].kind != IMAP_ARG_END)
			return bad(client, "Invalid base64 data in initial "
					   "response");
	}
	client_authenticate(client, mech, initial);
	return client->state == CLIENT_COMMANDS;
}

static const struct {
	const char *name;
	bool (*run)(struct client *client, const struct imap_arg *args);
} commands[] = {
	{"AUTHENTICATE", cmd_authenticate},
	{"CAPABILITY", cmd_capability},
	{"ENABLE", cmd_enable},
	{"ID", cmd_id},
	{"LOGIN", cmd_login},
	{"LOGOUT", cmd_logout},
	{"NOOP", cmd_noop},
	{"STARTTLS", cmd_starttls},
};

static bool run(struct client *client, const struct imap_command *command)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!command->uid &&
		    str_case_is(command->name, commands[i].name))
			return commands[i].run(client, command->args);
	}
	return bad_command(client);
}

/* input */

static void set_tag(struct client *client)
{
	const struct imap_command *command =
		imap_parser_command(data_of(client)->parser);
	struct str tag = command == NULL ? STR("") : command->tag;

	if (tag.len > TAG_MAX)
		tag.len = TAG_MAX;
	mem_free(client->tag);
	client->tag = str_dup(client, tag);
}

/* An idle connection needs no parser; and what it has heard may be secret: it
 * wipes that when it is freed. */
static void forget(struct client *client)
{
	struct imap_login *data = data_of(client);

	if (data == NULL || data->parser == NULL)
		return;
	mem_free(data->parser);
	data->parser = NULL;
}

static bool fatal(struct client *client)
{
	char problem[200];

	snprintf(problem, sizeof(problem), "%s",
		 imap_parser_problem(data_of(client)->parser));
	forget(client);
	client_disconnect(client, problem, problem);
	return false;
}

/* Take some input; false if there is no more to be had now. */
static bool step(struct client *client)
{
	struct imap_login *data = data_of(client);
	struct str in = conn_input(client->conn);
	struct imap_limits limits;
	enum imap_parse result;
	size_t used;
	bool go_on;

	if (in.len == 0)
		return false;
	if (data->parser == NULL) {
		limits = limits_of(client);
		data->parser = imap_parser_new(data, &limits);
	}
	result = imap_parser_feed(data->parser, in, &used);
	mem_wipe((char *)in.data, used);
	conn_consume(client->conn, used);
	switch (result) {
	case IMAP_PARSE_MORE:
		return used > 0;
	case IMAP_PARSE_CONTINUE:
		conn_printf(client->conn, "+ OK\r\n");
		return true;
	case IMAP_PARSE_BAD:
		set_tag(client);
		go_on = bad(client, imap_parser_problem(data->parser));
		/* It has yet to skip the rest of the line. */
		imap_parser_reset(data->parser);
		return go_on;
	case IMAP_PARSE_FATAL:
		return fatal(client);
	case IMAP_PARSE_COMMAND:
	case IMAP_PARSE_STREAM:
		break;
	}
	set_tag(client);
	go_on = run(client, imap_parser_command(data->parser));
	forget(client);
	return go_on;
}

static void imap_input(struct client *client)
{
	while (client->state == CLIENT_COMMANDS && step(client))
		;
}

const struct login_protocol login_imap = {
	.name = "imap",
	.alpn = "imap",
	.title = "IMAP",
	.init = imap_init,
	.greet = imap_greet,
	.input = imap_input,
	.challenge = imap_challenge,
	.refuse = imap_refuse,
	.no_session = imap_no_session,
	.bye = imap_bye,
	.proxy_line = imap_proxy_line,
	.proxy_secured = imap_proxy_secured,
	.anonymous = true,
	.port = 143,
	.tls_port = 993,
	.scheme = "imap",
	.reset = forget,
};
