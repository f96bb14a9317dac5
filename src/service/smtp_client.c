/* SPDX-License-Identifier: MIT */
#include "service/smtp_client.h"

#include <utlist.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/sock.h"
#include "net/tls.h"

enum {
	CLIENT_INPUT_MAX = 64 * 1024,
	CLIENT_LINE_MAX = 16 * 1024,
	CLIENT_PIECE = 16 * 1024,
	CLIENT_QUIT_MS = 5000,
};

enum client_state {
	CLIENT_GREETING,
	CLIENT_HELLO,
	CLIENT_STARTTLS,
	CLIENT_XCLIENT,
	CLIENT_AUTH,
	CLIENT_READY,
	CLIENT_GONE,
};

enum command_kind {
	COMMAND_HELLO, /* none; answered when the server is ready */
	COMMAND_MAIL,
	COMMAND_RCPT,
	COMMAND_DATA,
	COMMAND_OTHER,
};

struct command {
	enum command_kind kind;
	const char *line; /* as it is; or by: */
	const char *address, *body, *orcpt, *forward;
	smtp_client_fn *fn;
	void *fn_ctx;
	bool sent;
	/* DATA. */
	struct smtp_source source;
	bool sending, ended; /* 354 came; the dot is written */
	unsigned replies;    /* still to come */
	struct command *prev, *next;
};

struct smtp_client {
	struct smtp_client_options options;
	struct loop *loop;
	struct conn *conn;
	struct timer *later;
	struct smtp_replies *replies;
	enum client_state state;
	size_t ips_tried; /* of options.more */
	bool xclient_done, auth_done;
	const char *capabilities; /* lines of the last hello */
	struct command *commands; /* list; the first waits for its answer */
	unsigned accepted;        /* recipients of this mail */
	bool utf8;                /* SMTPUTF8 was said of it */
	const char *ret, *notify; /* DSN; NULL: nothing is said */
	struct dot_out dot;
	const char *phrase, *error; /* why it is gone */
	struct smtp_reply refusal;  /* to the connection or hello; 0: none */
	bool *freed;                /* set when a function freed it */
};

const char *smtp_client_error(const struct smtp_client *client)
{
	return client->error == NULL ? "" : client->error;
}

const struct smtp_reply *smtp_client_refusal(const struct smtp_client *client)
{
	return client->refusal.code == 0 ? NULL : &client->refusal;
}

static char *peer(const struct smtp_client *client)
{
	char ip[IP_TEXT_MAX];

	return mem_printf(client, "%s:%u", ip_text(&client->options.ip, ip),
			  client->options.ip.port);
}

bool smtp_client_gone(const struct smtp_client *client)
{
	return client->state == CLIENT_GONE;
}

bool smtp_client_can(const struct smtp_client *client, const char *name,
		     struct str *args_out)
{
	struct str rest = str_of(
		client->capabilities == NULL ? "" : client->capabilities);
	struct str line, word;

	while (str_split(&rest, '\n', &line)) {
		if (str_word(&line, &word) && str_case_is(word, name)) {
			*args_out = str_trim(line);
			return true;
		}
	}
	return false;
}

static bool can(const struct smtp_client *client, const char *name)
{
	struct str args;

	return smtp_client_can(client, name, &args);
}

/* answers */

/* False when the function freed the client. */
static bool answer(struct smtp_client *client, const struct command *command,
		   const struct smtp_reply *reply)
{
	bool freed = false, *outer = client->freed;

	client->freed = &freed;
	command->fn(command->fn_ctx, reply);
	if (freed) {
		if (outer != NULL)
			*outer = true;
		return false;
	}
	client->freed = outer;
	return true;
}

/* The same for as many as wait for it, then the command is done with. */
static bool answer_all(struct smtp_client *client,
		       const struct smtp_reply *reply)
{
	struct command *command = client->commands;
	unsigned count = command->kind == COMMAND_DATA ? command->replies : 1;

	DL_DELETE(client->commands, command);
	while (count-- > 0) {
		if (!answer(client, command, reply))
			return false;
	}
	mem_free(command);
	return true;
}

static void tell_gone(void *ctx)
{
	struct smtp_client *client = ctx;
	const struct smtp_reply reply = {.text = client->phrase};

	timer_free(&client->later);
	while (client->commands != NULL) {
		struct command *command = client->commands;

		/* A mail that was not begun has all its recipients waiting. */
		if (command->kind == COMMAND_DATA && !command->sent)
			command->replies = client->accepted;
		if (command->kind == COMMAND_MAIL)
			client->accepted = 0;
		if (!answer_all(client, &reply))
			return;
	}
}

/* From the loop, so that nobody is told from within his own call. */
static void tell_later(struct smtp_client *client)
{
	if (client->later == NULL && client->commands != NULL)
		client->later = timer_new(client->loop, (struct duration){0},
					  tell_gone, client);
}

static void open_conn(struct smtp_client *client);

static void gone(struct smtp_client *client, const char *phrase,
		 const char *why)
{
	if (client->state == CLIENT_GONE)
		return;
	if (client->state == CLIENT_GREETING &&
	    client->ips_tried < client->options.more_count) {
		conn_free(&client->conn);
		client->options.ip = client->options.more[client->ips_tried++];
		open_conn(client);
		return;
	}
	client->state = CLIENT_GONE;
	client->phrase = phrase;
	client->error = mem_strdup(client, why);
	conn_free(&client->conn);
	tell_later(client);
}

/* commands */

/* Nothing that ends a path or a line. */
static bool is_clean(const char *address)
{
	bool quoted = false;

	for (; *address != '\0'; address++) {
		if ((unsigned char)*address < ' ' || *address == 0x7f)
			return false;
		if (*address == '"')
			quoted = !quoted;
		else if (*address == '\\' && quoted && address[1] != '\0')
			address++;
		else if (!quoted && strchr(" <>", *address) != NULL)
			return false;
	}
	return !quoted;
}

/* SMTPUTF8 (RFC 6531): whether the mail has addresses for it, as far as its
 * recipients are known. */
static bool wants_utf8(const struct command *mail)
{
	for (const struct command *at = mail;
	     at != NULL && at->address != NULL &&
	     (at == mail || at->kind == COMMAND_RCPT);
	     at = at->next) {
		if (!str_is_ascii(str_of(at->address)))
			return true;
	}
	return false;
}

/* What the server need not be asked for; or NULL. */
static const struct smtp_reply *own_answer(const struct smtp_client *client,
					   const struct command *command)
{
	static const struct smtp_reply bad = {553, "5.1.3 Bad address syntax"};
	static const struct smtp_reply no_utf8 = {
		553, "5.6.7 Server does not support SMTPUTF8"};

	if (command->address == NULL)
		return NULL;
	if (!is_clean(command->address))
		return &bad;
	if (!str_is_ascii(str_of(command->address)) &&
	    !(command->kind == COMMAND_MAIL ? can(client, "SMTPUTF8")
					    : client->utf8))
		return &no_utf8;
	return NULL;
}

static void write_rcpt(struct smtp_client *client,
		       const struct command *command, struct buf *out)
{
	buf_printf(out, "RCPT TO:<%s>", command->address);
	/* Dovecot takes ORCPT without announcing DSN. */
	if (command->orcpt != NULL &&
	    (can(client, "DSN") || can(client, "XCLIENT")))
		buf_printf(out, " ORCPT=%s", command->orcpt);
	if (client->notify != NULL && can(client, "DSN"))
		buf_printf(out, " NOTIFY=%s", client->notify);
	if (command->forward != NULL && can(client, "XRCPTFORWARD")) {
		buf_add(out, " XRCPTFORWARD=");
		smtp_xtext_encode(str_of(command->forward), out);
	}
}

static void write_mail(struct smtp_client *client,
		       const struct command *command, struct buf *out)
{
	client->utf8 = wants_utf8(command) && can(client, "SMTPUTF8");
	buf_printf(out, "MAIL FROM:<%s>", command->address);
	if (command->body != NULL && can(client, "8BITMIME"))
		buf_printf(out, " BODY=%s", command->body);
	if (client->ret != NULL && can(client, "DSN"))
		buf_printf(out, " RET=%s", client->ret);
	if (client->utf8)
		buf_add(out, " SMTPUTF8");
}

static void write_data(struct smtp_client *client, struct command *command,
		       struct buf *out)
{
	command->replies = client->accepted;
	command->sending = command->source.chunk > 0;
	if (command->sending)
		buf_printf(out, "BDAT %llu LAST",
			   (unsigned long long)command->source.chunk);
	else
		buf_add(out, "DATA");
}

static void send_text(struct smtp_client *client);

static void send_command(struct smtp_client *client, struct command *command)
{
	CLEANUP(buf_free) struct buf line = buf_init(CLIENT_LINE_MAX);

	if (command->kind == COMMAND_MAIL)
		client->accepted = 0;
	if (command->line != NULL)
		buf_add(&line, command->line);
	else if (command->kind == COMMAND_MAIL)
		write_mail(client, command, &line);
	else if (command->kind == COMMAND_RCPT)
		write_rcpt(client, command, &line);
	else
		write_data(client, command, &line);
	buf_add(&line, "\r\n");
	command->sent = true;
	conn_write(client->conn, line.data, line.len);
	conn_set_timeout(client->conn, client->options.timeout);
	if (command->sending)
		send_text(client);
}

/* What needs no server. False when the client was freed. */
static bool skip_first(struct smtp_client *client, bool *skipped_out)
{
	const struct smtp_reply hello = {250, client->capabilities}, *own;
	struct command *command = client->commands;

	*skipped_out = false;
	if (command == NULL || command->sent)
		return true;
	if (command->kind == COMMAND_HELLO) {
		*skipped_out = true;
		return answer_all(client, &hello);
	}
	if (command->kind == COMMAND_DATA && client->accepted == 0) {
		DL_DELETE(client->commands, command);
		mem_free(command);
		*skipped_out = true;
		return true;
	}
	own = own_answer(client, command);
	*skipped_out = own != NULL;
	return own == NULL || answer_all(client, own);
}

/* What others need not be answered for (RFC 2920). */
static bool may_follow(const struct smtp_client *client,
		       const struct command *command)
{
	return (command->kind == COMMAND_MAIL ||
		command->kind == COMMAND_RCPT) &&
	       own_answer(client, command) == NULL;
}

static void send_ready(struct smtp_client *client)
{
	bool pipelining = can(client, "PIPELINING");
	struct command *command;

	DL_FOREACH (client->commands, command) {
		bool first = command == client->commands;

		if (command->sent)
			continue;
		if (!first && (!pipelining || !may_follow(client, command)))
			break;
		send_command(client, command);
		if (command->kind == COMMAND_DATA)
			break;
	}
}

/* Only from the loop: it may answer. */
static void advance(struct smtp_client *client)
{
	bool skipped = true;

	while (client->state == CLIENT_READY && skipped) {
		if (!skip_first(client, &skipped))
			return;
	}
	if (client->state == CLIENT_READY)
		send_ready(client);
}

static void on_later(void *ctx)
{
	struct smtp_client *client = ctx;

	timer_free(&client->later);
	if (client->state == CLIENT_GONE)
		tell_gone(client);
	else
		advance(client);
}

static struct command *add(struct smtp_client *client, enum command_kind kind,
			   smtp_client_fn *fn, void *fn_ctx)
{
	struct command *command = mem_new(client, struct command);

	command->kind = kind;
	command->fn = fn;
	command->fn_ctx = fn_ctx;
	DL_APPEND(client->commands, command);
	if (client->later == NULL &&
	    (client->state == CLIENT_READY || client->state == CLIENT_GONE))
		client->later = timer_new(client->loop, (struct duration){0},
					  on_later, client);
	return command;
}

static const char *copy(const void *ctx, const char *text)
{
	return text == NULL ? NULL : mem_strdup(ctx, text);
}

void smtp_client_hello(struct smtp_client *client, smtp_client_fn *fn,
		       void *fn_ctx)
{
	add(client, COMMAND_HELLO, fn, fn_ctx);
}

void smtp_client_command(struct smtp_client *client, const char *line,
			 smtp_client_fn *fn, void *fn_ctx)
{
	enum command_kind kind =
		str_case_starts(str_of(line), "MAIL ")   ? COMMAND_MAIL
		: str_case_starts(str_of(line), "RCPT ") ? COMMAND_RCPT
							 : COMMAND_OTHER;
	struct command *command = add(client, kind, fn, fn_ctx);

	command->line = mem_strdup(command, line);
}

void smtp_client_mail(struct smtp_client *client, const char *from,
		      const char *body, smtp_client_fn *fn, void *fn_ctx)
{
	struct command *command = add(client, COMMAND_MAIL, fn, fn_ctx);

	command->address = mem_strdup(command, from);
	command->body = copy(command, body);
}

void smtp_client_dsn(struct smtp_client *client, const char *ret,
		     const char *notify)
{
	client->ret = copy(client, ret);
	client->notify = copy(client, notify);
}

void smtp_client_rcpt(struct smtp_client *client, const char *to,
		      const char *orcpt, const char *forward,
		      smtp_client_fn *fn, void *fn_ctx)
{
	struct command *command = add(client, COMMAND_RCPT, fn, fn_ctx);

	command->address = mem_strdup(command, to);
	command->orcpt = copy(command, orcpt);
	command->forward = copy(command, forward);
}

void smtp_client_data(struct smtp_client *client,
		      const struct smtp_source *source, smtp_client_fn *fn,
		      void *fn_ctx)
{
	add(client, COMMAND_DATA, fn, fn_ctx)->source = *source;
}

/* the mail */

static void send_text(struct smtp_client *client)
{
	struct command *command = client->commands;
	CLEANUP(buf_free) struct buf out = buf_init(3 * CLIENT_PIECE);
	CLEANUP(buf_free) struct buf in = buf_init(CLIENT_PIECE);
	char *space = buf_space(&in, CLIENT_PIECE);

	while (!command->ended && !conn_output_full(client->conn)) {
		uint64_t left = command->source.chunk - command->source.at;
		bool raw = command->source.chunk > 0;
		ssize_t got = command->source.read(
			command->source.ctx, command->source.at, space,
			raw && left < CLIENT_PIECE ? (size_t)left
						   : CLIENT_PIECE);

		buf_reset(&out);
		if (got < 0 || (raw && got == 0 && left > 0)) {
			/* A dot now would make half a mail a whole one. */
			gone(client, "connection lost",
			     "the mail can't be read any more");
			return;
		}
		command->ended = got == 0;
		if (raw)
			buf_append(&out, space, (size_t)got);
		else if (command->ended)
			dot_end(&client->dot, &out);
		else
			dot_write(&client->dot, space, (size_t)got, &out);
		command->source.at += (uint64_t)got;
		conn_write(client->conn, out.data, out.len);
	}
	conn_set_timeout(client->conn, client->options.timeout);
}

/* the beginning */

static void say_hello(struct smtp_client *client)
{
	client->state = CLIENT_HELLO;
	conn_printf(client->conn, "%s %s\r\n",
		    client->options.lmtp ? "LHLO" : "EHLO",
		    client->options.hello);
}

static void secured(void *ctx)
{
	struct smtp_client *client = ctx;

	if (client->state == CLIENT_STARTTLS)
		say_hello(client);
}

static bool send_xclient(struct smtp_client *client)
{
	const struct smtp_param *param = client->options.xclient;
	CLEANUP(buf_free) struct buf line = buf_init(CLIENT_LINE_MAX);
	struct str known, rest, word;

	if (param == NULL || client->xclient_done ||
	    !smtp_client_can(client, "XCLIENT", &known))
		return false;
	client->xclient_done = true;
	buf_add(&line, "XCLIENT");
	for (; param->name != NULL; param++) {
		for (rest = known; str_word(&rest, &word);) {
			if (!str_case_is(word, param->name))
				continue;
			buf_printf(&line, " %s=", param->name);
			smtp_xtext_encode(str_of(param->value), &line);
			break;
		}
	}
	buf_add(&line, "\r\n");
	client->state = CLIENT_XCLIENT;
	conn_write(client->conn, line.data, line.len);
	return true;
}

/* False if there is no login, or it was done. */
static bool send_auth(struct smtp_client *client)
{
	const struct smtp_client_options *set = &client->options;
	CLEANUP(buf_wipe_free) struct buf plain = buf_init(CLIENT_LINE_MAX);
	CLEANUP(buf_wipe_free) struct buf line = buf_init(CLIENT_LINE_MAX);
	struct str mechs;

	if (set->user == NULL || client->auth_done)
		return false;
	client->auth_done = true;
	if (!smtp_client_can(client, "AUTH", &mechs) ||
	    !str_case_has_word(str_dup(client, mechs), STR("PLAIN"))) {
		gone(client, "connect",
		     "Authentication support not advertised (TLS required?)");
		return true;
	}
	/* RFC 4616: for whom, who, password. */
	if (set->master_user != NULL)
		buf_add(&plain, set->user);
	buf_putc(&plain, '\0');
	buf_add(&plain,
		set->master_user == NULL ? set->user : set->master_user);
	buf_putc(&plain, '\0');
	buf_add(&plain, set->password == NULL ? "" : set->password);
	buf_add(&line, "AUTH PLAIN ");
	base64_encode(str_n(plain.data, plain.len), &line);
	buf_add(&line, "\r\n");
	client->state = CLIENT_AUTH;
	if (plain.overflow || line.overflow)
		gone(client, "connect", "Credentials are too long");
	else
		conn_write(client->conn, line.data, line.len);
	return true;
}

static void greeted(struct smtp_client *client, const struct smtp_reply *hello)
{
	client->capabilities = mem_strdup(client, hello->text);
	if (client->options.tls_mode == SMTP_TLS_STARTTLS &&
	    !conn_has_tls(client->conn)) {
		if (!can(client, "STARTTLS")) {
			gone(client, "connect",
			     "Requested STARTTLS, but server doesn't support "
			     "it");
			return;
		}
		client->state = CLIENT_STARTTLS;
		conn_printf(client->conn, "STARTTLS\r\n");
	} else if (!send_xclient(client) && !send_auth(client)) {
		client->state = CLIENT_READY;
		advance(client);
	}
}

static char *said(const struct smtp_client *client,
		  const struct smtp_reply *reply)
{
	return mem_printf(client, "%s: the server says: %u %s", peer(client),
			  reply->code, reply->text);
}

/* 421 is for this connection (RFC 5321 section 3.8), not for the mail. */
static bool fails(const struct smtp_reply *reply)
{
	return reply->code / 100 == 5 ||
	       (reply->code / 100 == 4 && reply->code != 421);
}

/* It can't go on after that. */
static void refused(struct smtp_client *client, const struct smtp_reply *reply)
{
	if (client->state <= CLIENT_HELLO && fails(reply)) {
		client->refusal = *reply;
		client->refusal.text = mem_strdup(client, reply->text);
	}
	gone(client,
	     fails(reply) || reply->code == 421 ? "connection lost"
						: "bad reply",
	     said(client, reply));
}

/* replies */

/* 2xx to DATA is none: there was no mail yet. */
static void take_failure(struct smtp_client *client,
			 const struct smtp_reply *reply)
{
	bool closing = reply->code == 421;

	if (!fails(reply) && !closing) {
		refused(client, reply);
		return;
	}
	if (!answer_all(client, reply))
		return;
	if (closing)
		refused(client, reply);
	else
		advance(client);
}

static void take_data_reply(struct smtp_client *client,
			    const struct smtp_reply *reply)
{
	struct command *command = client->commands;

	if (!command->sending) {
		command->sending = reply->code == 354;
		if (!command->sending)
			take_failure(client, reply);
		else if (conn_input(client->conn).len > 0)
			gone(client, "bad reply",
			     "the server answered before the mail");
		else
			send_text(client);
		return;
	}
	if (reply->code / 100 == 3) {
		refused(client, reply);
		return;
	}
	/* A server that does not wait for the end: what comes next would be
	 * text of the mail to it; and what it takes is half a mail. */
	if (!command->ended) {
		if (!fails(reply))
			refused(client, reply);
		else if (answer_all(client, reply))
			gone(client, "connection lost",
			     "the server answered within the mail");
		return;
	}
	/* SMTP: one answer for all. */
	if (!client->options.lmtp) {
		if (answer_all(client, reply))
			advance(client);
		return;
	}
	if (--command->replies > 0) {
		answer(client, command, reply);
		return;
	}
	command->replies = 1;
	if (answer_all(client, reply))
		advance(client);
}

static void take_reply(struct smtp_client *client,
		       const struct smtp_reply *reply)
{
	struct command *command = client->commands;

	switch (client->state) {
	case CLIENT_GREETING:
		if (reply->code == 220)
			say_hello(client);
		else
			refused(client, reply);
		return;
	case CLIENT_HELLO:
		if (reply->code == 250)
			greeted(client, reply);
		else
			refused(client, reply);
		return;
	case CLIENT_STARTTLS:
		if (reply->code == 220)
			conn_start_tls_to(client->conn, client->options.tls,
					  client->options.host, secured);
		else
			refused(client, reply);
		return;
	case CLIENT_XCLIENT:
		/* Refused, it goes on as who it is. */
		if (reply->code == 220 || fails(reply))
			say_hello(client);
		else
			refused(client, reply);
		return;
	case CLIENT_AUTH: /* what it can do may be more now */
		if (reply->code == 235)
			say_hello(client);
		else
			gone(client, "connect",
			     mem_printf(client, "Authentication failed: %u %s",
					reply->code, reply->text));
		return;
	case CLIENT_READY:
		break;
	case CLIENT_GONE:
		return;
	}
	if (command == NULL || !command->sent) {
		refused(client, reply);
		return;
	}
	if (reply->code == 421)
		client->error = said(client, reply);
	if (command->kind == COMMAND_DATA) {
		take_data_reply(client, reply);
		return;
	}
	if (reply->code / 100 != 2) {
		take_failure(client, reply);
		return;
	}
	if (command->kind == COMMAND_RCPT)
		client->accepted++;
	if (answer_all(client, reply))
		advance(client);
}

/* Not inlined: the compiler can't see that a freed client points nowhere. */
static void __attribute__((noinline))
watch(struct smtp_client *client, bool *freed)
{
	client->freed = freed;
}

static void on_input(void *ctx)
{
	struct smtp_client *client = ctx;
	bool freed = false;

	watch(client, &freed);
	while (!freed && client->conn != NULL) {
		struct str in = conn_input(client->conn);
		struct smtp_reply reply;
		enum smtp_parse parsed;
		size_t used;

		if (in.len == 0)
			break;
		parsed = smtp_replies_feed(client->replies, in, &used, &reply);
		conn_consume(client->conn, used);
		if (parsed == SMTP_PARSE_LINE)
			take_reply(client, &reply);
		else if (parsed != SMTP_PARSE_MORE)
			gone(client, "bad reply",
			     "the server's reply makes no sense");
	}
	if (freed)
		return;
	client->freed = NULL;
	if (client->conn != NULL && client->commands == NULL &&
	    client->state == CLIENT_READY && client->options.max_idle.ms > 0)
		conn_set_timeout(client->conn, client->options.max_idle);
}

static void on_drained(void *ctx)
{
	struct smtp_client *client = ctx;
	struct command *command = client->commands;

	if (command != NULL && command->sending && !command->ended)
		send_text(client);
}

static void on_closed(void *ctx, const char *why)
{
	struct smtp_client *client = ctx;
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "why");
	bool connecting = client->state == CLIENT_GREETING;

	if (why[0] == '\0')
		why = "Connection closed";
	gone(client, connecting ? "connect" : "connection lost",
	     connecting ? mem_printf(tmp, "connect(%s) failed: %s",
				     peer(client), why)
			: mem_printf(tmp, "%s: %s", peer(client), why));
}

static struct duration timeout_of(const struct smtp_client *client)
{
	return client->state < CLIENT_READY &&
			       client->options.connect_timeout.ms > 0
		       ? client->options.connect_timeout
		       : client->options.timeout;
}

static void on_timeout(void *ctx)
{
	struct smtp_client *client = ctx;
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "why");

	gone(client, client->state == CLIENT_GREETING ? "connect" : "timed out",
	     mem_printf(tmp, "%s did not answer for %llu seconds", peer(client),
			(unsigned long long)timeout_of(client).ms / 1000));
}

static const struct conn_events client_events = {
	.input = on_input,
	.drained = on_drained,
	.closed = on_closed,
	.timeout = on_timeout,
};

static int client_destroy(struct smtp_client *client)
{
	if (client->freed != NULL)
		*client->freed = true;
	timer_free(&client->later);
	conn_free(&client->conn);
	return 0;
}

static void open_conn(struct smtp_client *client)
{
	const struct smtp_client_options *options = &client->options;
	struct err err;
	int fd = sock_connect_ip(&options->ip, options->source, &err);

	if (fd < 0) {
		gone(client, "connect", err.text);
		return;
	}
	client->conn = conn_new(client, client->loop, fd, CLIENT_INPUT_MAX,
				&client_events, client);
	conn_set_timeout(client->conn, timeout_of(client));
	if (options->rawlog_dir != NULL)
		conn_rawlog(client->conn, options->rawlog_dir);
	if (options->tls_mode == SMTP_TLS_AT_ONCE)
		conn_start_tls_to(client->conn, options->tls, options->host,
				  secured);
}

struct smtp_client *smtp_client_new(const void *ctx, struct loop *loop,
				    const struct smtp_client_options *options)
{
	struct smtp_client *client = mem_new(ctx, struct smtp_client);

	client->options = *options;
	client->options.host = mem_strdup(client, options->host);
	client->options.hello = mem_strdup(client, options->hello);
	client->options.more =
		mem_memdup(client, options->more,
			   options->more_count * sizeof(*options->more));
	client->loop = loop;
	client->replies = smtp_replies_new(client);
	talloc_set_destructor(client, client_destroy);
	open_conn(client);
	return client;
}

/* good-bye */

static void quit_done(void *ctx)
{
	mem_free(ctx);
}

static void quit_closed(void *ctx, const char *)
{
	mem_free(ctx);
}

static const struct conn_events quit_events = {
	.drained = quit_done,
	.closed = quit_closed,
};

void smtp_client_quit(struct smtp_client **client)
{
	struct smtp_client *quitting = *client;

	*client = NULL;
	if (quitting == NULL)
		return;
	/* In the middle of a mail there is no good-bye. */
	if (quitting->state != CLIENT_READY || quitting->commands != NULL) {
		mem_free(quitting);
		return;
	}
	timer_free(&quitting->later);
	conn_printf(quitting->conn, "QUIT\r\n");
	conn_set_events(quitting->conn, &quit_events, quitting);
	conn_set_timeout(quitting->conn, (struct duration){CLIENT_QUIT_MS});
	conn_flush(quitting->conn); /* the loop may not come round any more */
	conn_close_later(quitting->conn);
}
