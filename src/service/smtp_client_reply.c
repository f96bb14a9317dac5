/* SPDX-License-Identifier: MIT */
/*
 * service/smtp_client_reply.c - what the server says: to the connection's
 * beginning, and to the commands.
 */
#include <utlist.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/tls.h"
#include "service/smtp_client_internal.h"

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
bool smtp_client_answer_all(struct smtp_client *client,
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

void smtp_client_tell_gone(struct smtp_client *client)
{
	const struct smtp_reply reply = {.text = client->phrase};

	while (client->commands != NULL) {
		struct command *command = client->commands;

		/* A mail that was not begun has all its recipients waiting. */
		if (command->kind == COMMAND_DATA && !command->sent)
			command->replies = client->accepted;
		if (command->kind == COMMAND_MAIL)
			client->accepted = 0;
		if (!smtp_client_answer_all(client, &reply))
			return;
	}
}

/* the beginning */

static void say_hello(struct smtp_client *client)
{
	client->state = CLIENT_HELLO;
	conn_printf(client->conn, "%s %s\r\n",
		    client->options.lmtp ? "LHLO" : "EHLO",
		    client->options.hello);
}

void smtp_client_secured(void *ctx)
{
	struct smtp_client *client = ctx;

	if (client->state == CLIENT_STARTTLS)
		say_hello(client);
}

static bool send_xclient(struct smtp_client *client)
{
	const struct smtp_param *param = client->options.xclient;
	CLEANUP(buf_free) struct buf line = buf_init(SMTP_CLIENT_LINE_MAX);
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
	CLEANUP(buf_wipe_free)
	struct buf plain = buf_init(SMTP_CLIENT_LINE_MAX);
	CLEANUP(buf_wipe_free) struct buf line = buf_init(SMTP_CLIENT_LINE_MAX);
	struct str mechs;

	if (set->user == NULL || client->auth_done)
		return false;
	client->auth_done = true;
	if (!smtp_client_can(client, "AUTH", &mechs) ||
	    !str_case_has_word(str_dup(client, mechs), STR("PLAIN"))) {
		smtp_client_lost(client, "connect",
				 "Authentication support not advertised (TLS "
				 "required?)");
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
		smtp_client_lost(client, "connect", "Credentials are too long");
	else
		conn_write(client->conn, line.data, line.len);
	return true;
}

static void greeted(struct smtp_client *client, const struct smtp_reply *hello)
{
	client->capabilities = mem_strdup(client, hello->text);
	if (client->options.tls_mode == SMTP_TLS_STARTTLS &&
	    !conn_has_tls(client->conn)) {
		if (!smtp_client_has(client, "STARTTLS")) {
			smtp_client_lost(client, "connect",
					 "Requested STARTTLS, but server "
					 "doesn't support "
					 "it");
			return;
		}
		client->state = CLIENT_STARTTLS;
		conn_printf(client->conn, "STARTTLS\r\n");
	} else if (!send_xclient(client) && !send_auth(client)) {
		client->state = CLIENT_READY;
		smtp_client_advance(client);
	}
}

static char *said(const struct smtp_client *client,
		  const struct smtp_reply *reply)
{
	return mem_printf(client, "%s: the server says: %u %s",
			  smtp_client_peer(client), reply->code, reply->text);
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
	smtp_client_lost(client,
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
	if (!smtp_client_answer_all(client, reply))
		return;
	if (closing)
		refused(client, reply);
	else
		smtp_client_advance(client);
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
			smtp_client_lost(client, "bad reply",
					 "the server answered before the mail");
		else
			smtp_client_send_text(client);
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
		else if (smtp_client_answer_all(client, reply))
			smtp_client_lost(client, "connection lost",
					 "the server answered within the mail");
		return;
	}
	/* SMTP: one answer for all. */
	if (!client->options.lmtp) {
		if (smtp_client_answer_all(client, reply))
			smtp_client_advance(client);
		return;
	}
	if (--command->replies > 0) {
		answer(client, command, reply);
		return;
	}
	command->replies = 1;
	if (smtp_client_answer_all(client, reply))
		smtp_client_advance(client);
}

void smtp_client_take_reply(struct smtp_client *client,
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
					  client->options.host,
					  smtp_client_secured);
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
			smtp_client_lost(
				client, "connect",
				mem_printf(client,
					   "Authentication failed: %u %s",
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
	if (smtp_client_answer_all(client, reply))
		smtp_client_advance(client);
}
