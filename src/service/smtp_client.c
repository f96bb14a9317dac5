/* SPDX-License-Identifier: MIT */
/*
 * service/smtp_client.c - the connection, from its beginning to its end.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/sock.h"
#include "net/tls.h"
#include "service/smtp_client_internal.h"

enum {
	CLIENT_INPUT_MAX = 64 * 1024,
	CLIENT_QUIT_MS = 5000,
};

const char *smtp_client_error(const struct smtp_client *client)
{
	return client->error == NULL ? "" : client->error;
}

const struct smtp_reply *smtp_client_refusal(const struct smtp_client *client)
{
	return client->refusal.code == 0 ? NULL : &client->refusal;
}

char *smtp_client_peer(const struct smtp_client *client)
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

bool smtp_client_has(const struct smtp_client *client, const char *name)
{
	struct str args;

	return smtp_client_can(client, name, &args);
}

static void open_conn(struct smtp_client *client);

static void tell_gone(void *ctx)
{
	struct smtp_client *client = ctx;

	timer_free(&client->later);
	smtp_client_tell_gone(client);
}

/* From the loop, so that nobody is told from within his own call. */
static void tell_later(struct smtp_client *client)
{
	if (client->later == NULL && client->commands != NULL)
		client->later = timer_new(client->loop, (struct duration){0},
					  tell_gone, client);
}

void smtp_client_lost(struct smtp_client *client, const char *phrase,
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
			smtp_client_take_reply(client, &reply);
		else if (parsed != SMTP_PARSE_MORE)
			smtp_client_lost(client, "bad reply",
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
		smtp_client_send_text(client);
}

static void on_closed(void *ctx, const char *why)
{
	struct smtp_client *client = ctx;
	CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "why");
	bool connecting = client->state == CLIENT_GREETING;

	if (why[0] == '\0')
		why = "Connection closed";
	smtp_client_lost(client, connecting ? "connect" : "connection lost",
			 connecting
				 ? mem_printf(tmp, "connect(%s) failed: %s",
					      smtp_client_peer(client), why)
				 : mem_printf(tmp, "%s: %s",
					      smtp_client_peer(client), why));
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

	smtp_client_lost(
		client,
		client->state == CLIENT_GREETING ? "connect" : "timed out",
		mem_printf(tmp, "%s did not answer for %llu seconds",
			   smtp_client_peer(client),
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
		smtp_client_lost(client, "connect", err.text);
		return;
	}
	client->conn = conn_new(client, client->loop, fd, CLIENT_INPUT_MAX,
				&client_events, client);
	conn_set_timeout(client->conn, timeout_of(client));
	if (options->rawlog_dir != NULL)
		conn_rawlog(client->conn, options->rawlog_dir);
	if (options->tls_mode == SMTP_TLS_AT_ONCE)
		conn_start_tls_to(client->conn, options->tls, options->host,
				  smtp_client_secured);
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
