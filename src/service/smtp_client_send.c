/* SPDX-License-Identifier: MIT */
/*
 * service/smtp_client_send.c - commands that wait, and their way out.
 */
#include <utlist.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/loop.h"
#include "service/smtp_client_internal.h"

enum { PIECE = 16 * 1024 };

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
	    !(command->kind == COMMAND_MAIL
		      ? smtp_client_has(client, "SMTPUTF8")
		      : client->utf8))
		return &no_utf8;
	return NULL;
}

static void write_rcpt(struct smtp_client *client,
		       const struct command *command, struct buf *out)
{
	buf_printf(out, "RCPT TO:<%s>", command->address);
	/* Dovecot takes ORCPT without announcing DSN. */
	if (command->orcpt != NULL && (smtp_client_has(client, "DSN") ||
				       smtp_client_has(client, "XCLIENT")))
		buf_printf(out, " ORCPT=%s", command->orcpt);
	if (client->notify != NULL && smtp_client_has(client, "DSN"))
		buf_printf(out, " NOTIFY=%s", client->notify);
	if (command->forward != NULL &&
	    smtp_client_has(client, "XRCPTFORWARD")) {
		buf_add(out, " XRCPTFORWARD=");
		smtp_xtext_encode(str_of(command->forward), out);
	}
}

static void write_mail(struct smtp_client *client,
		       const struct command *command, struct buf *out)
{
	client->utf8 =
		wants_utf8(command) && smtp_client_has(client, "SMTPUTF8");
	buf_printf(out, "MAIL FROM:<%s>", command->address);
	if (command->body != NULL && smtp_client_has(client, "8BITMIME"))
		buf_printf(out, " BODY=%s", command->body);
	if (client->ret != NULL && smtp_client_has(client, "DSN"))
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

static void send_command(struct smtp_client *client, struct command *command)
{
	CLEANUP(buf_free) struct buf line = buf_init(SMTP_CLIENT_LINE_MAX);

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
		smtp_client_send_text(client);
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
		return smtp_client_answer_all(client, &hello);
	}
	if (command->kind == COMMAND_DATA && client->accepted == 0) {
		DL_DELETE(client->commands, command);
		mem_free(command);
		*skipped_out = true;
		return true;
	}
	own = own_answer(client, command);
	*skipped_out = own != NULL;
	return own == NULL || smtp_client_answer_all(client, own);
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
	bool pipelining = smtp_client_has(client, "PIPELINING");
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
void smtp_client_advance(struct smtp_client *client)
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
		smtp_client_tell_gone(client);
	else
		smtp_client_advance(client);
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

void smtp_client_send_text(struct smtp_client *client)
{
	struct command *command = client->commands;
	CLEANUP(buf_free) struct buf out = buf_init(3 * PIECE);
	CLEANUP(buf_free) struct buf in = buf_init(PIECE);
	char *space = buf_space(&in, PIECE);

	while (!command->ended && !conn_output_full(client->conn)) {
		uint64_t left = command->source.chunk - command->source.at;
		bool raw = command->source.chunk > 0;
		ssize_t got = command->source.read(
			command->source.ctx, command->source.at, space,
			raw && left < PIECE ? (size_t)left : PIECE);

		buf_reset(&out);
		if (got < 0 || (raw && got == 0 && left > 0)) {
			/* A dot now would make half a mail a whole one. */
			smtp_client_lost(client, "connection lost",
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
