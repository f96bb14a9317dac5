/* SPDX-License-Identifier: MIT */
/*
 * login/pop3.c - POP3 before authentication: RFC 1939 section 4, 2449 (CAPA),
 * 2595 (STLS), 5034 (AUTH), 6856 (UTF8, LANG), and Dovecot's XCLIENT.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/mem.h"
#include "login/auth_link.h"
#include "login/client.h"
#include "login/login.h"
#include "login/pop3.h"
#include "login/protocol.h"
#include "net/conn.h"
#include "proto/pop3.h"

enum { REPLY_MAX = 8 * 1024, APOP_MAX = 1024, MD5_LEN = 16 };

struct pop3_login {
	char *user;      /* of USER, until PASS */
	char *challenge; /* of the greeting, for APOP; NULL: not offered */
};

static struct pop3_login *data_of(struct client *client)
{
	return client->data;
}

static void pop3_init(struct client *client)
{
	client->data = mem_new(client, struct pop3_login);
}

static void forget(struct client *client)
{
	struct pop3_login *data = data_of(client);

	mem_free(data->user);
	data->user = NULL;
}

/* answers */

static void reply(struct client *client, const char *text)
{
	conn_printf(client->conn, "%s\r\n", text);
}

/* "<pid.connection.time.random@host>", by which auth knows it again. */
static char *make_challenge(struct client *client)
{
	CLEANUP(buf_free) struct buf random = buf_init(64);
	unsigned char bytes[16];
	char host[256] = "";
	uint32_t pid, connection;

	if (!auth_link_has_apop(client->login->auth, &pid, &connection))
		return NULL;
	gethostname(host, sizeof(host) - 1);
	random_fill(bytes, sizeof(bytes));
	base64_encode(str_n(bytes, sizeof(bytes)), &random);
	return mem_printf(data_of(client), "<%x.%x.%llx.%s@%s>", pid,
			  connection, (unsigned long long)time(NULL),
			  random.data, host);
}

static void pop3_greet(struct client *client)
{
	struct pop3_login *data = data_of(client);

	data->challenge = make_challenge(client);
	conn_printf(client->conn, "+OK %s%s%s%s\r\n",
		    client->trusted ? "[XCLIENT] " : "",
		    client_greeting(client),
		    data->challenge == NULL ? "" : " ",
		    data->challenge == NULL ? "" : data->challenge);
}

static void pop3_challenge(struct client *client, struct str base64)
{
	conn_printf(client->conn, "+ %.*s\r\n", STR_FMT(base64));
}

/* RFC 3206 */
static const char *const codes[] = {
	[LOGIN_FAILED] = "[AUTH] ",
	[LOGIN_TEMPORARY] = "[SYS/TEMP] ",
	[LOGIN_AUTHZ_FAILED] = "[AUTH] ",
	[LOGIN_EXPIRED] = "[AUTH] ",
	[LOGIN_REFUSED] = "[AUTH] ",
	[LOGIN_ABORTED] = "",
	[LOGIN_BAD_BASE64] = "[AUTH] ",
	[LOGIN_BAD_INITIAL] = "[AUTH] ",
	[LOGIN_NO_MECH] = "[AUTH] ",
	[LOGIN_PLAINTEXT] = "[AUTH] ",
	[LOGIN_REMOTE] = "",
	[LOGIN_REFERRED] = "",
};

static void reply_error(struct client *client, const char *code,
			const char *text)
{
	char line[600];

	snprintf(line, sizeof(line), "-ERR %s%s", code, text);
	for (char *p = line; *p != '\0'; p++) {
		if (*p == '\r' || *p == '\n')
			*p = ' ';
	}
	reply(client, line);
}

static void pop3_refuse(struct client *client, enum login_result result,
			const char *text)
{
	if (result == LOGIN_PLAINTEXT && text == NULL)
		text = "Plaintext authentication disallowed on non-secure "
		       "(SSL/TLS) connections.";
	if (text == NULL)
		text = "Authentication failed.";
	reply_error(client, text[0] == '[' ? "" : codes[result], text);
}

static void pop3_no_session(struct client *client, struct str code,
			    struct str text)
{
	char copy[600];

	snprintf(copy, sizeof(copy), "%.*s", STR_FMT(text));
	reply_error(client,
		    str_is(code, "[LIMIT]") ? "[IN-USE] " : "[SYS/TEMP] ",
		    copy);
}

static void pop3_bye(struct client *client, const char *text)
{
	if (*text != '\0')
		conn_printf(client->conn, "-ERR %s\r\n", text);
}

/* commands */

static bool mech_offered(struct client *client, bool plaintext)
{
	return client_plaintext_ok(client) ||
	       (!plaintext && !client_needs_tls(client));
}

static void write_mechs(struct client *client, const char *before,
			const char *behind, struct buf *out)
{
	bool plaintext;
	const char *mech;

	for (unsigned i = 0; (mech = auth_link_mech(client->login->auth, i,
						    &plaintext)) != NULL;
	     i++) {
		if (!client->tls &&
		    auth_link_mech_bound(client->login->auth, i))
			continue;
		if (mech_offered(client, plaintext))
			buf_printf(out, "%s%s%s", before, mech, behind);
	}
}

static void cmd_capa(struct client *client, struct str args)
{
	CLEANUP(buf_free) struct buf out = buf_init(REPLY_MAX);

	(void)args;
	buf_add(&out, "+OK\r\n");
	pop3_write_capabilities(&out);
	if (client_can_tls(client))
		buf_add(&out, "STLS\r\n");
	if (client_plaintext_ok(client))
		buf_add(&out, "USER\r\n");
	buf_add(&out, "SASL");
	write_mechs(client, " ", "", &out);
	buf_add(&out, "\r\n.\r\n");
	conn_write(client->conn, out.data, out.len);
}

static void cmd_auth(struct client *client, struct str args)
{
	CLEANUP(buf_free) struct buf out = buf_init(REPLY_MAX);
	struct str mech, initial = {NULL, 0};

	if (!str_split(&args, ' ', &mech) || mech.len == 0) {
		buf_add(&out, "+OK\r\n");
		write_mechs(client, "", "\r\n", &out);
		buf_add(&out, ".\r\n");
		conn_write(client->conn, out.data, out.len);
		return;
	}
	if (args.data != NULL)
		initial = str_trim(args);
	client_authenticate(client, mech, initial);
}

static void cmd_user(struct client *client, struct str args)
{
	forget(client);
	data_of(client)->user = str_dup(data_of(client), args);
	if (client_plaintext_ok(client))
		reply(client, "+OK");
	else /* before the password, too, comes over the wire */
		client_login(client, args, STR(""));
}

static void cmd_pass(struct client *client, struct str args)
{
	struct pop3_login *data = data_of(client);
	char *user = data->user;

	if (user == NULL && client_plaintext_ok(client)) {
		reply(client, "-ERR No username given.");
		return;
	}
	data->user = NULL;
	client_login(client, str_of(user == NULL ? "" : user), args);
	mem_free(user);
}

/* "name 32 hex digits"; auth gets challenge, name and digest. */
static void cmd_apop(struct client *client, struct str args)
{
	CLEANUP(buf_free) struct buf plain = buf_init(APOP_MAX);
	CLEANUP(buf_free) struct buf base64 = buf_init(2 * APOP_MAX);
	struct pop3_login *data = data_of(client);
	struct str user;
	size_t before;

	if (data->challenge == NULL) {
		reply(client, "-ERR APOP not enabled.");
		return;
	}
	buf_add(&plain, data->challenge);
	buf_putc(&plain, '\0');
	if (!str_split(&args, ' ', &user))
		user = STR("");
	buf_add_str(&plain, user);
	buf_putc(&plain, '\0');
	before = plain.len;
	if (args.data == NULL || !hex_decode(args, &plain) ||
	    plain.len - before != MD5_LEN || plain.overflow) {
		reply(client, "-ERR Invalid parameters.");
		return;
	}
	base64_encode(str_n(plain.data, plain.len), &base64);
	client_start_mech(client, "APOP", str_n(base64.data, base64.len));
}

static void cmd_stls(struct client *client, struct str args)
{
	(void)args;
	if (client->tls) {
		reply(client, "-ERR TLS is already active.");
	} else if (!client_can_tls(client)) {
		reply(client, "-ERR TLS support isn't enabled.");
	} else {
		reply(client, "+OK Begin TLS negotiation now.");
		client_start_tls(client);
	}
}

/* What a trusted proxy says of its client. */
static bool take_attribute(struct client *client, struct str word)
{
	struct str name;

	str_split(&word, '=', &name);
	return word.data == NULL || client_take_xclient(client, name, word);
}

static void cmd_xclient(struct client *client, struct str args)
{
	struct str word;

	if (!client->trusted) {
		reply(client, "+OK You are not from trusted IP - ignoring");
		return;
	}
	while (str_word(&args, &word)) {
		if (!take_attribute(client, word)) {
			reply(client, "-ERR Invalid parameters");
			return;
		}
	}
	reply(client, "+OK Updated");
}

/* Names and passwords may be UTF-8 anyway, and so may mails. */
static void cmd_utf8(struct client *client, struct str args)
{
	(void)args;
	reply(client, "+OK UTF8 enabled");
}

static void cmd_lang(struct client *client, struct str args)
{
	CLEANUP(buf_free) struct buf out = buf_init(REPLY_MAX);

	pop3_lang(args, &out);
	conn_write(client->conn, out.data, out.len);
}

static void cmd_quit(struct client *client, struct str args)
{
	(void)args;
	reply(client, "+OK Logging out");
	client_disconnect(client, NULL, "Aborted login by logging out");
}

static const struct {
	const char *name;
	void (*run)(struct client *client, struct str args);
} commands[] = {
	{"APOP", cmd_apop},       {"AUTH", cmd_auth}, {"CAPA", cmd_capa},
	{"LANG", cmd_lang},       {"PASS", cmd_pass}, {"QUIT", cmd_quit},
	{"STLS", cmd_stls},       {"USER", cmd_user}, {"UTF8", cmd_utf8},
	{"XCLIENT", cmd_xclient},
};

static void run(struct client *client, const struct pop3_line *line)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!str_case_is(line->name, commands[i].name))
			continue;
		client->bad_commands = 0;
		/* Blanks may be a password's. */
		commands[i].run(client, commands[i].run == cmd_pass
						? line->text
						: line->args);
		return;
	}
	reply(client, "-ERR Unknown command.");
	if (client_bad_command(client))
		client_disconnect(client, "Too many invalid bad commands.",
				  "Too many bad commands");
}

/* input */

/* The command is taken off the input, which may go to another process, before
 * it runs; nothing of it stays behind. */
static bool step(struct client *client)
{
	CLEANUP(buf_wipe_free) struct buf copy = buf_init(CLIENT_INPUT_MAX);
	size_t max = client_max_input(client), used;
	struct str in = conn_input(client->conn);
	struct pop3_line line;

	switch (pop3_line_next(in, max, &line, &used)) {
	case POP3_PARSE_MORE:
		return false;
	case POP3_PARSE_TOO_LONG:
		mem_wipe((char *)in.data, in.len);
		client_disconnect(client, "Input buffer full, aborting",
				  "Input buffer full");
		return false;
	case POP3_PARSE_LINE:
		break;
	}
	buf_append(&copy, in.data, used);
	mem_wipe((char *)in.data, used);
	conn_consume(client->conn, used);
	pop3_line_next(str_n(copy.data, copy.len), max, &line, &used);
	run(client, &line);
	return true;
}

static void pop3_input(struct client *client)
{
	while (client->state == CLIENT_COMMANDS && step(client))
		;
}

const struct login_protocol login_pop3 = {
	.name = "pop3",
	.alpn = "pop3",
	.title = "POP3",
	.init = pop3_init,
	.greet = pop3_greet,
	.input = pop3_input,
	.challenge = pop3_challenge,
	.refuse = pop3_refuse,
	.no_session = pop3_no_session,
	.bye = pop3_bye,
	.proxy_line = pop3_proxy_line,
	.proxy_secured = pop3_proxy_secured,
	.anonymous = true,
	.port = 110,
	.tls_port = 995,
	.scheme = "pop",
	.reset = forget,
};
