/* SPDX-License-Identifier: MIT */
/*
 * login/imap.c - IMAP before login (RFC 3501 sections 6.1 and 6.2, RFC 4959).
 */
#include "proto/imap.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "login/client.h"
#include "net/conn.h"
#include "proto/imap_id.h"
#include "service/service.h"

enum { REPLY_MAX = 2048, SASL_LINE_MAX = 8192 };

struct imap_login {
	struct imap_parser *parser;
	/* For an AUTHENTICATE that failed. */
	bool login_command;
};

static struct imap_login *own(struct login_client *client)
{
	return client->protocol_data;
}

/* --- answers
 * ------------------------------------------------------------------ */

static void reply_tag(struct login_client *client, struct str tag,
		      const char *text)
{
	conn_printf(client->conn, "%.*s %s\r\n", STR_FMT(tag), text);
}

static bool plaintext_ok(struct login_client *client)
{
	return login_client_secured(client) ||
	       (!client->context->set.disable_plaintext_auth &&
		strcmp(client->context->tls_set.ssl, "required") != 0);
}

static void add_mechs(struct login_client *client, struct buf *out)
{
	size_t count;
	const struct auth_mech *mechs =
		auth_client_mechs(client->process->auth, &count);

	for (size_t i = 0; i < count; i++) {
		if (!mechs[i].hidden &&
		    (!mechs[i].plaintext || plaintext_ok(client)))
			buf_printf(out, " AUTH=%s", mechs[i].name);
	}
}

static void add_capability(struct login_client *client, struct buf *out)
{
	const char *set = config_value(service_config(client->process->env),
				       NULL, "imap_capability");

	if (set != NULL && set[0] != '\0' && set[0] != '+')
		buf_add(out, set);
	else
		buf_add(out, "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE "
			     "LITERAL+");
	if (client->context->tls != NULL && !conn_has_tls(client->conn))
		buf_add(out, " STARTTLS");
	if (!plaintext_ok(client))
		buf_add(out, " LOGINDISABLED");
	add_mechs(client, out);
}

static void greeting(struct login_client *client)
{
	CLEANUP(buf_free) struct buf line = buf_init(REPLY_MAX);

	buf_add(&line, "* OK [CAPABILITY ");
	add_capability(client, &line);
	buf_printf(&line, "] %s\r\n", client->context->set.login_greeting);
	conn_write(client->conn, line.data, line.len);
}

static void bye(struct login_client *client, const char *text)
{
	conn_printf(client->conn, "* BYE %s\r\n", text);
}

static void challenge(struct login_client *client, struct str base64)
{
	conn_printf(client->conn, "+ %.*s\r\n", STR_FMT(base64));
}

/* What a client is told: Dovecot's texts (RFC 5530 codes). */
static const char *failure_text(enum login_outcome outcome)
{
	switch (outcome) {
	case LOGIN_DENIED:
		return "NO [AUTHENTICATIONFAILED] Authentication failed.";
	case LOGIN_TEMPORARY:
		return "NO [UNAVAILABLE] Temporary authentication failure.";
	case LOGIN_USER_DISABLED:
		return "NO [CONTACTADMIN] Account is temporarily disabled.";
	case LOGIN_PASS_EXPIRED:
		return "NO [EXPIRED] Password expired.";
	case LOGIN_NEEDS_TLS:
		return "NO [PRIVACYREQUIRED] Plaintext authentication "
		       "disabled.";
	case LOGIN_NEEDS_SSL:
		return "NO [PRIVACYREQUIRED] Authentication not allowed until "
		       "SSL/TLS is enabled.";
	case LOGIN_UNKNOWN_MECH:
		return "NO [ALERT] Unsupported authentication mechanism.";
	case LOGIN_BAD_BASE64:
		return "BAD Invalid base64 data in initial response";
	case LOGIN_ABORTED:
		return "BAD Authentication aborted by client.";
	case LOGIN_DENIED_REASON:
	case LOGIN_NOT_ALLOWED:
	case LOGIN_LIMIT:
		break;
	}
	return "NO [AUTHENTICATIONFAILED] Authentication failed.";
}

static const char *code_of(enum login_outcome outcome)
{
	switch (outcome) {
	case LOGIN_LIMIT:
		return "[LIMIT] ";
	case LOGIN_TEMPORARY:
		return "[UNAVAILABLE] ";
	case LOGIN_USER_DISABLED:
		return "[CONTACTADMIN] ";
	case LOGIN_PASS_EXPIRED:
		return "[EXPIRED] ";
	default:
		return "[ALERT] ";
	}
}

static void failed(struct login_client *client, enum login_outcome outcome,
		   struct str text)
{
	struct str tag = str_of(client->tag == NULL ? "*" : client->tag);
	char *clean;

	if (own(client)->login_command &&
	    (outcome == LOGIN_NEEDS_TLS || outcome == LOGIN_NEEDS_SSL)) {
		conn_printf(client->conn,
			    "* BAD [ALERT] Plaintext authentication not "
			    "allowed without SSL/TLS, but your client did it "
			    "anyway. If anyone was listening, the password "
			    "was exposed.\r\n");
		reply_tag(client, tag,
			  "NO [PRIVACYREQUIRED] Plaintext authentication "
			  "disallowed on non-secure (SSL/TLS) connections.");
		return;
	}
	if (text.len == 0) {
		reply_tag(client, tag, failure_text(outcome));
		return;
	}
	clean = str_sanitize(client, text, 400);
	conn_printf(client->conn, "%.*s NO %s%s\r\n", STR_FMT(tag),
		    code_of(outcome), clean);
	mem_free(clean);
}

/* --- commands
 * ------------------------------------------------------------------ */

/* Each returns false when its arguments are wrong. */

static bool cmd_capability(struct login_client *client,
			   const struct imap_command *cmd)
{
	CLEANUP(buf_free) struct buf line = buf_init(REPLY_MAX);

	buf_add(&line, "* CAPABILITY ");
	add_capability(client, &line);
	buf_add(&line, "\r\n");
	conn_write(client->conn, line.data, line.len);
	reply_tag(client, cmd->tag,
		  "OK Pre-login capabilities listed, post-login capabilities "
		  "have more.");
	return true;
}

static bool cmd_noop(struct login_client *client,
		     const struct imap_command *cmd)
{
	reply_tag(client, cmd->tag, "OK NOOP completed.");
	return true;
}

static bool cmd_logout(struct login_client *client,
		       const struct imap_command *cmd)
{
	bye(client, "Logging out");
	reply_tag(client, cmd->tag, "OK Logout completed.");
	conn_flush(client->conn);
	login_client_end(client, NULL, "Aborted login by logging out");
	return true;
}

/* A front end that we trust tells for whom it speaks. */
static void forwarded(struct login_client *client, struct str key,
		      struct str value)
{
	char *text = str_dup(client, value);
	uint16_t port;
	struct ip ip;

	if (str_case_is(key, "x-originating-ip") && ip_parse(text, &ip)) {
		port = client->remote.port;
		client->remote = ip;
		client->remote.port = port;
	} else if (str_case_is(key, "x-connected-ip") && ip_parse(text, &ip)) {
		port = client->local.port;
		client->local = ip;
		client->local.port = port;
	} else if (str_case_is(key, "x-session-id") && value.len > 0 &&
		   value.len <= 64) {
		client->session_id = str_sanitize(client, value, 64);
	}
	mem_free(text);
}

static void log_id(struct login_client *client, const struct imap_arg *args)
{
	const char *wanted = config_value(service_config(client->process->env),
					  NULL, "imap_id_log");
	CLEANUP(buf_free) struct buf text = buf_init(REPLY_MAX);

	imap_id_log_text(args, wanted == NULL ? "" : wanted, &text);
	if (text.len > 0) {
		char *line = mem_printf(client, "ID sent: %s", text.data);

		login_log(client, line);
		mem_free(line);
	}
}

static bool cmd_id(struct login_client *client, const struct imap_command *cmd)
{
	const struct imap_arg *arg = cmd->args;
	const char *send = config_value(service_config(client->process->env),
					NULL, "imap_id_send");
	CLEANUP(buf_free) struct buf line = buf_init(REPLY_MAX);
	struct str key, value;

	if (arg->kind == IMAP_ARG_LIST) {
		log_id(client, arg->list);
		arg = arg->list;
		for (; client->trusted && imap_arg_astring(&arg[0], &key) &&
		       arg[1].kind != IMAP_ARG_END;
		     arg += 2) {
			if (imap_arg_astring(&arg[1], &value))
				forwarded(client, key, value);
		}
	}
	imap_id_reply(send == NULL ? "name *" : send, &line);
	conn_write(client->conn, line.data, line.len);
	reply_tag(client, cmd->tag, "OK ID completed.");
	return true;
}

static bool cmd_starttls(struct login_client *client,
			 const struct imap_command *cmd)
{
	if (conn_has_tls(client->conn)) {
		reply_tag(client, cmd->tag, "BAD TLS is already active.");
		return true;
	}
	if (client->context->tls == NULL) {
		reply_tag(client, cmd->tag, "BAD TLS support isn't enabled.");
		return true;
	}
	reply_tag(client, cmd->tag, "OK Begin TLS negotiation now.");
	conn_flush(client->conn);
	login_client_start_tls(client);
	return true;
}

static void keep_tag(struct login_client *client, struct str tag)
{
	mem_free(client->tag);
	client->tag = str_dup(client, tag);
}

static bool cmd_login(struct login_client *client,
		      const struct imap_command *cmd)
{
	struct str user, password;

	if (!imap_arg_astring(&cmd->args[0], &user) ||
	    !imap_arg_astring(&cmd->args[1], &password) ||
	    cmd->args[2].kind != IMAP_ARG_END)
		return false;
	keep_tag(client, cmd->tag);
	own(client)->login_command = true;
	login_sasl_plain(client, user, password);
	mem_wipe((char *)password.data, password.len); /* the parser's copy */
	return true;
}

static bool cmd_authenticate(struct login_client *client,
			     const struct imap_command *cmd)
{
	bool initial = cmd->args[0].kind != IMAP_ARG_END &&
		       cmd->args[1].kind != IMAP_ARG_END;
	struct str mech, response = STR("");

	if (!imap_arg_astring(&cmd->args[0], &mech) || mech.len == 0)
		return false;
	if (initial && (cmd->args[1].kind != IMAP_ARG_ATOM ||
			cmd->args[2].kind != IMAP_ARG_END))
		return false;
	if (initial) {
		response = cmd->args[1].text;
		if (str_is(response, "=")) /* an empty one (RFC 4959) */
			response = STR("");
	}
	keep_tag(client, cmd->tag);
	own(client)->login_command = false;
	login_sasl_begin(client, mech, initial, response);
	return true;
}

static const struct {
	const char *name;
	bool (*run)(struct login_client *client,
		    const struct imap_command *cmd);
} commands[] = {
	{"AUTHENTICATE", cmd_authenticate},
	{"CAPABILITY", cmd_capability},
	{"ID", cmd_id},
	{"LOGIN", cmd_login},
	{"LOGOUT", cmd_logout},
	{"NOOP", cmd_noop},
	{"STARTTLS", cmd_starttls},
};

static void bad_command(struct login_client *client, struct str tag,
			const char *text)
{
	if (!login_client_bad_command(client, "Too many invalid IMAP commands.",
				      "Too many invalid commands"))
		return;
	conn_printf(client->conn, "%.*s BAD %s\r\n",
		    STR_FMT(tag.len == 0 ? STR("*") : tag), text);
}

static void run_command(struct login_client *client,
			const struct imap_command *cmd)
{
	static const char unknown[] = "Error in IMAP command received by "
				      "server.";

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (cmd->uid || !str_case_is(cmd->name, commands[i].name))
			continue;
		if (!commands[i].run(client, cmd))
			break;
		return;
	}
	bad_command(client, cmd->tag, unknown);
}

/* --- input
 * ----------------------------------------------------------------------- */

/* A line of a SASL exchange; false when it is not whole yet. */
static bool sasl_line(struct login_client *client)
{
	struct str in = conn_input(client->conn), line;
	ptrdiff_t end = str_find_char(in, '\n');
	char *copy;

	if (end < 0) {
		if (in.len >= client->context->set.login_max_input)
			login_client_end(client, "Input buffer full, aborting",
					 "Input buffer full");
		return false;
	}
	line = str_n(in.data, (size_t)end);
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	copy = str_dup(client, line);
	conn_consume(client->conn, (size_t)end + 1);
	login_sasl_response(client, str_of(copy));
	mem_wipe(copy, line.len);
	mem_free(copy);
	return true;
}

/* What came of a piece of input; false when there is no more to be had. */
static bool parsed(struct login_client *client, enum imap_parse result)
{
	struct imap_parser *parser = own(client)->parser;

	switch (result) {
	case IMAP_PARSE_CONTINUE:
		conn_printf(client->conn, "+ OK\r\n");
		return true;
	case IMAP_PARSE_COMMAND:
		run_command(client, imap_parser_command(parser));
		imap_parser_reset(parser);
		return true;
	case IMAP_PARSE_BAD:
		bad_command(client, imap_parser_command(parser)->tag,
			    imap_parser_problem(parser));
		imap_parser_reset(parser);
		return true;
	case IMAP_PARSE_FATAL:
		login_client_end(client, imap_parser_problem(parser),
				 imap_parser_problem(parser));
		return false;
	case IMAP_PARSE_STREAM:
	case IMAP_PARSE_MORE:
		break;
	}
	return false;
}

static bool may_go_on(const struct login_client *client)
{
	return !client->ended && !client->handshaking &&
	       !(client->authenticating && !client->waiting_response);
}

static void input(struct login_client *client)
{
	while (may_go_on(client)) {
		struct str in = conn_input(client->conn);
		enum imap_parse result;
		size_t used;

		if (in.len == 0)
			return;
		if (client->waiting_response) {
			if (!sasl_line(client))
				return;
			continue;
		}
		result = imap_parser_feed(own(client)->parser, in, &used);
		conn_consume(client->conn, used);
		if (!parsed(client, result))
			return;
	}
}

static void begin(struct login_client *client)
{
	const size_t max = client->context->set.login_max_input;
	const struct imap_limits limits = {
		.max_line = max,
		.max_literal = max / 2,
		.max_command = max,
		.max_args = 64,
		.max_depth = 2,
	};

	own(client)->parser = imap_parser_new(client, &limits);
}

/* Nothing that came in the clear counts (RFC 3501 section 6.2.1). */
static void reset(struct login_client *client)
{
	imap_parser_reset(own(client)->parser);
}

const struct login_protocol imap_protocol = {
	.name = "imap",
	.post_login = "login/imap",
	.memory_size = sizeof(struct imap_login),
	.begin = begin,
	.greeting = greeting,
	.input = input,
	.reset = reset,
	.challenge = challenge,
	.failed = failed,
	.bye = bye,
};
