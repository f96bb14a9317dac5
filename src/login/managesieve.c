/* SPDX-License-Identifier: MIT */
/*
 * login/managesieve.c - ManageSieve before authentication (RFC 5804 section 2),
 * and Dovecot's XCLIENT.
 */
#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "config/config.h"
#include "login/auth_link.h"
#include "login/client.h"
#include "login/login.h"
#include "login/managesieve.h"
#include "login/protocol.h"
#include "net/conn.h"
#include "proto/managesieve.h"

enum { REPLY_MAX = 32 * 1024 };

struct msieve_login {
	struct msieve_parser *parser;
};

static struct msieve_parser *parser_of(struct client *client)
{
	return ((struct msieve_login *)client->data)->parser;
}

static void msieve_init(struct client *client)
{
	struct msieve_login *data = mem_new(client, struct msieve_login);
	/* No scripts here. */
	const struct msieve_limits limits = {.max_line =
						     client_max_input(client)};

	data->parser = msieve_parser_new(data, &limits);
	client->data = data;
}

static void reset(struct client *client)
{
	msieve_reset(parser_of(client));
}

/* answers */

static void reply(struct client *client, const char *word, const char *code,
		  const char *text)
{
	CLEANUP(buf_free) struct buf out = buf_init(REPLY_MAX);
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "reply");

	msieve_write_reply(
		&out, word, code,
		str_of(str_sanitize(ctx, str_of(text), REPLY_MAX / 4)));
	conn_write(client->conn, out.data, out.len);
}

static void write_pair(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "\"%s\" ", name);
	msieve_write_string(out, str_of(value));
	buf_add(out, "\r\n");
}

static void write_mechs(struct client *client, struct buf *out)
{
	CLEANUP(buf_free) struct buf names = buf_init(REPLY_MAX);
	bool plaintext, insecure = !client_plaintext_ok(client);
	const char *mech;

	for (unsigned i = 0; (mech = auth_link_mech(client->login->auth, i,
						    &plaintext)) != NULL;
	     i++) {
		if (insecure && (plaintext || client_needs_tls(client)))
			continue;
		if (!client->tls &&
		    auth_link_mech_bound(client->login->auth, i))
			continue;
		buf_printf(&names, "%s%s", names.len > 0 ? " " : "", mech);
	}
	write_pair(out, "SASL", names.data);
}

static bool is_base(struct str name)
{
	return str_is(name, "comparator-i;octet") ||
	       str_is(name, "comparator-i;ascii-casemap");
}

/* What a list of extensions says of one; `otherwise` if nothing. */
static bool is_listed(const char *list, struct str name, bool otherwise)
{
	struct str rest = str_of(list), word;

	while (str_word(&rest, &word)) {
		bool sign = word.data[0] == '+' || word.data[0] == '-';

		if (str_equal(str_from(word, sign), name))
			otherwise = word.data[0] != '-';
	}
	return otherwise;
}

/* "+a -b" changes what there is, "a b" replaces it, as nothing does, but for
 * what needs no require. */
static bool replaces(const char *list)
{
	struct str rest = str_of(list), word;

	while (str_word(&rest, &word)) {
		if (word.data[0] != '+' && word.data[0] != '-')
			return true;
	}
	return list[strspn(list, " ")] == '\0';
}

/* As the engine reads sieve_extensions, and sieve_global_extensions, which are
 * not for users; both may be NULL. */
static bool is_enabled(const char *list, const char *kept, struct str name)
{
	if (kept != NULL && !is_base(name) && is_listed(kept, name, false))
		return false;
	return list == NULL ||
	       is_listed(list, name, is_base(name) || !replaces(list));
}

static void add_word(struct buf *out, struct str word)
{
	if (out->len > 0)
		buf_putc(out, ' ');
	buf_add_str(out, word);
}

static const char *list_name(void *ctx, unsigned number)
{
	const struct client *client = ctx;
	const struct config_filter filter = {.protocol = "sieve"};
	char name[40];

	snprintf(name, sizeof(name), "sieve_list%u_name", number);
	return config_plugin(client->login->config, &filter, name);
}

static void write_extensions(struct client *client, struct buf *out,
			     const char *names)
{
	write_pair(out, "SIEVE", names);
	if (str_has_word(names, STR("extlists")))
		msieve_write_extlists(out, list_name, client);
}

/* Unless it is set, managesieve_sieve_capability follows sieve_extensions. */
static void write_sieve(struct client *client, struct buf *out)
{
	const struct config *config = client->login->config;
	const struct config_filter filter = {.protocol = "sieve"};
	const char *known = client->set->managesieve_sieve_capability;
	const char *list = config_plugin(config, &filter, "sieve_extensions");
	const char *kept =
		config_plugin(config, &filter, "sieve_global_extensions");
	CLEANUP(buf_free) struct buf names = buf_init(REPLY_MAX / 2);
	struct str rest = str_of(known), word;

	if ((list == NULL && kept == NULL) ||
	    config_written(config, &filter, "managesieve_sieve_capability")) {
		write_extensions(client, out, known);
		return;
	}
	while (str_word(&rest, &word)) {
		if (is_enabled(list, kept, word))
			add_word(&names, word);
	}
	for (rest = str_of(list == NULL ? "" : list); str_word(&rest, &word);) {
		word = str_from(word, word.data[0] == '+');
		if (word.data[0] != '-' && !str_has_word(known, word) &&
		    is_enabled(list, kept, word))
			add_word(&names, word);
	}
	write_extensions(client, out, names.data);
}

static void capability(struct client *client, const char *text)
{
	CLEANUP(buf_free) struct buf out = buf_init(REPLY_MAX);
	const struct login_settings *set = client->set;

	write_pair(&out, "IMPLEMENTATION",
		   set->managesieve_implementation_string);
	write_sieve(client, &out);
	if (set->managesieve_notify_capability[0] != '\0')
		write_pair(&out, "NOTIFY", set->managesieve_notify_capability);
	write_mechs(client, &out);
	if (client_can_tls(client))
		buf_add(&out, "\"STARTTLS\"\r\n");
	buf_add(&out, "\"VERSION\" \"1.0\"\r\n");
	if (client->trusted)
		buf_add(&out, "\"XCLIENT\"\r\n");
	msieve_write_reply(&out, "OK", "", str_of(text));
	conn_write(client->conn, out.data, out.len);
}

static void msieve_greet(struct client *client)
{
	capability(client, client_greeting(client));
}

/* RFC 5804 section 2.2: capabilities are told anew. */
static void msieve_secured(struct client *client)
{
	capability(client, "TLS negotiation successful.");
}

static void msieve_challenge(struct client *client, struct str base64)
{
	CLEANUP(buf_free) struct buf out = buf_init(REPLY_MAX);

	msieve_write_string(&out, base64);
	buf_add(&out, "\r\n");
	conn_write(client->conn, out.data, out.len);
	msieve_next(parser_of(client), true);
}

static const char *const codes[] = {
	[LOGIN_FAILED] = "",
	[LOGIN_TEMPORARY] = "TRYLATER",
	[LOGIN_AUTHZ_FAILED] = "",
	[LOGIN_EXPIRED] = "",
	[LOGIN_REFUSED] = "",
	[LOGIN_ABORTED] = "",
	[LOGIN_BAD_BASE64] = "",
	[LOGIN_BAD_INITIAL] = "",
	[LOGIN_NO_MECH] = "",
	[LOGIN_PLAINTEXT] = "ENCRYPT-NEEDED",
};

static void msieve_refuse(struct client *client, enum login_result result,
			  const char *text)
{
	char referral[600];

	msieve_next(parser_of(client), false);
	if (result == LOGIN_REMOTE) {
		conn_printf(client->conn, "NO %s\r\n", text);
		return;
	}
	snprintf(referral, sizeof(referral), "REFERRAL %s",
		 client->referral == NULL ? "" : client->referral);
	reply(client, "NO", result == LOGIN_REFERRED ? referral : codes[result],
	      text == NULL ? "Authentication failed." : text);
}

static void msieve_no_session(struct client *client, struct str code,
			      struct str text)
{
	char copy[600];

	snprintf(copy, sizeof(copy), "%.*s", STR_FMT(text));
	reply(client, "NO", str_is(code, "[LIMIT]") ? "" : "TRYLATER", copy);
}

static void msieve_bye(struct client *client, const char *text)
{
	if (*text != '\0')
		reply(client, "BYE", "", text);
}

static void bad(struct client *client, const char *text)
{
	if (client_bad_command(client))
		client_disconnect(client,
				  "Too many invalid MANAGESIEVE commands.",
				  "Too many invalid commands.");
	else
		reply(client, "NO", "", text);
}

static void bad_command(struct client *client)
{
	bad(client, "Error in MANAGESIEVE command received by server.");
}

/* commands */

static bool is_string(const struct msieve_command *command, size_t n)
{
	return n < command->count && command->args[n].kind == MSIEVE_STRING;
}

static void cmd_authenticate(struct client *client,
			     const struct msieve_command *command)
{
	struct str initial = {NULL, 0};

	if (!is_string(command, 0) || command->count > 2 ||
	    (command->count == 2 && !is_string(command, 1))) {
		bad_command(client);
		return;
	}
	/* data is NULL for what is not there only. */
	if (command->count == 2)
		initial = command->args[1].text.len > 0 ? command->args[1].text
							: STR("");
	client_authenticate(client, command->args[0].text, initial);
}

static void cmd_capability(struct client *client,
			   const struct msieve_command *command)
{
	(void)command;
	capability(client, "Capability completed.");
}

static void cmd_logout(struct client *client,
		       const struct msieve_command *command)
{
	(void)command;
	reply(client, "OK", "", "Logout completed.");
	client_disconnect(client, NULL, "Aborted login by logging out");
}

static void cmd_noop(struct client *client,
		     const struct msieve_command *command)
{
	CLEANUP(buf_free) struct buf out = buf_init(2 * REPLY_MAX);

	if (command->count == 0) {
		reply(client, "OK", "", "NOOP Completed");
	} else if (command->count > 1) {
		bad_command(client);
	} else if (!is_string(command, 0)) {
		reply(client, "NO", "", "Invalid echo tag.");
	} else {
		buf_add(&out, "OK (TAG ");
		msieve_write_string(&out, command->args[0].text);
		buf_add(&out, ") \"Done\"\r\n");
		conn_write(client->conn, out.data, out.len);
	}
}

static void cmd_starttls(struct client *client,
			 const struct msieve_command *command)
{
	(void)command;
	if (client->tls) {
		reply(client, "NO", "", "TLS is already active.");
	} else if (!client_can_tls(client)) {
		reply(client, "NO", "", "TLS support isn't enabled.");
	} else {
		reply(client, "OK", "", "Begin TLS negotiation now.");
		client_start_tls(client);
	}
}

/* What a trusted proxy says of its client. */
static bool take_attribute(struct client *client, struct str word)
{
	struct str name;

	str_split(&word, '=', &name);
	return word.data != NULL && client_take_xclient(client, name, word);
}

static void cmd_xclient(struct client *client,
			const struct msieve_command *command)
{
	if (!client->trusted) {
		reply(client, "NO", "", "You are not from trusted IP");
		return;
	}
	for (size_t i = 0; i < command->count; i++) {
		if (i >= MSIEVE_ARGS_MAX ||
		    command->args[i].kind != MSIEVE_ATOM ||
		    !take_attribute(client, command->args[i].text)) {
			bad_command(client);
			return;
		}
	}
	reply(client, "OK", "", "Updated");
}

static const struct {
	const char *name;
	bool arguments; /* takes some */
	void (*run)(struct client *client,
		    const struct msieve_command *command);
} commands[] = {
	{"AUTHENTICATE", true, cmd_authenticate},
	{"CAPABILITY", false, cmd_capability},
	{"LOGOUT", false, cmd_logout},
	{"NOOP", true, cmd_noop},
	{"STARTTLS", false, cmd_starttls},
	{"XCLIENT", true, cmd_xclient},
};

static void run(struct client *client, const struct msieve_command *command)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!str_case_is(command->name, commands[i].name))
			continue;
		if (!commands[i].arguments && command->count > 0)
			break;
		commands[i].run(client, command);
		return;
	}
	bad_command(client);
}

/* input */

static const char bad_response[] = "Invalid AUTHENTICATE client response.";

/* A response of AUTHENTICATE, which is a string. */
static void run_response(struct client *client,
			 const struct msieve_command *command)
{
	struct str text = STR("");

	if (!is_string(command, 0) || command->count > 1) {
		client_sasl_refuse(client, bad_response);
		return;
	}
	if (command->args[0].text.len > 0)
		text = command->args[0].text;
	client_sasl_line(client, text);
}

static void parse_failed(struct client *client, enum msieve_parse result)
{
	const char *problem = msieve_problem(parser_of(client));

	if (result == MSIEVE_TOO_LONG)
		client_disconnect(client, "Input buffer full, aborting",
				  "Input buffer full");
	else if (result != MSIEVE_BAD)
		client_disconnect(client, "Literal size too large",
				  "Literal size too large");
	else if (client->state == CLIENT_SASL)
		client_sasl_refuse(client, bad_response);
	else
		bad(client, problem);
}

/* What is read is wiped at once; the parser's copy goes when the command has
 * run, which may be asked to hand over what is behind it. */
static bool step(struct client *client)
{
	struct msieve_parser *parser = parser_of(client);
	struct str in = conn_input(client->conn);
	enum msieve_parse result;
	size_t used;

	result = msieve_feed(parser, in, &used);
	mem_wipe((char *)in.data, used);
	conn_consume(client->conn, used);
	if (result == MSIEVE_MORE)
		return false;
	if (result != MSIEVE_COMMAND) {
		parse_failed(client, result);
		return true;
	}
	if (client->state == CLIENT_SASL)
		run_response(client, msieve_command(parser));
	else
		run(client, msieve_command(parser));
	return true;
}

static bool reads(const struct client *client)
{
	return client->state == CLIENT_COMMANDS || client->state == CLIENT_SASL;
}

static void msieve_input(struct client *client)
{
	while (reads(client) && step(client))
		;
}

const struct login_protocol login_managesieve = {
	.name = "sieve",
	.alpn = "managesieve",
	.title = "MANAGESIEVE",
	.init = msieve_init,
	.greet = msieve_greet,
	.secured = msieve_secured,
	.input = msieve_input,
	.sasl_input = msieve_input,
	.challenge = msieve_challenge,
	.refuse = msieve_refuse,
	.no_session = msieve_no_session,
	.bye = msieve_bye,
	.proxy_line = msieve_proxy_line,
	.proxy_secured = msieve_proxy_secured,
	.port = 4190,
	.tls_port = 4190,
	.scheme = "sieve",
	.final_data = true,
	.reset = reset,
};
