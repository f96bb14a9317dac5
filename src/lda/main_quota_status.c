/* SPDX-License-Identifier: MIT */
/*
 * lda/main_quota_status.c - quota-status: tells Postfix, by its policy protocol
 * (SMTPD_POLICY_README), whether a recipient has room for a mail.
 *
 *	service quota-status {
 *		executable = quota-status -p postfix
 *		inet_listener { port = 12340 }
 *	}
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "delivery/deliver.h"
#include "delivery/settings.h"
#include "lda/deliverer.h"
#include "lda/workers.h"
#include "net/conn.h"
#include "service/auth_master.h"
#include "service/service.h"

/* Of one request: Postfix's attributes are some kB at most. */
enum { INPUT_MAX = 64 * 1024 };

static struct quota_status {
	struct service_env *env;
	struct auth_master *auth;
	struct lda_settings lda;
	struct workers *workers;
} * process;

static const struct config_filter filter = {.protocol = "quota-status"};

struct client {
	struct conn *conn;
	size_t taken; /* octets of the request so far */
	char *recipient;
	uint64_t octets;
	bool looking_up, gone;
};

static int client_free(struct client *client)
{
	conn_free(&client->conn);
	service_client_end(process->env);
	return 0;
}

static void input(void *ctx);

/* answers */

static void answer(struct client *client, const char *action)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "answer");

	/* Not more lines than one, whatever the settings say. */
	conn_printf(client->conn, "action=%s\n\n",
		    str_sanitize(ctx, str_trim(str_of(action)), INPUT_MAX));
	client->taken = 0;
	client->octets = 0;
	mem_free(client->recipient);
	client->recipient = NULL;
}

static const char *judge(const void *ctx, const struct account *account,
			 uint64_t octets)
{
	const struct job job = {
		.account = account,
		.session_id = "",
		.from = "",
		.to = "",
		.mailbox = "",
		.octets = octets,
	};
	struct outcome outcome;

	workers_do(process->workers, JOB_JUDGE, &job, ctx, &outcome);
	return outcome.ok ? outcome.action : NULL;
}

static void looked_up(void *fn_ctx, const struct account *account,
		      const struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "policy");
	struct client *client = fn_ctx;
	const char *said = NULL;

	client->looking_up = false;
	if (client->gone) {
		mem_free(client);
		return;
	}
	if (account != NULL)
		said = judge(ctx, account, client->octets);
	else if (err->code == ERR_NOT_FOUND)
		said = quota_judge_action(ctx, service_config(process->env),
					  NULL, "quota_status_nouser",
					  "REJECT Unknown user");
	else
		log_error("lookup of %s failed: %s", client->recipient,
			  err->text);
	answer(client, said != NULL
			       ? said
			       : "DEFER_IF_PERMIT Temporary internal error");
	conn_resume(client->conn);
	input(client);
}

/* requests */

static void ask(struct client *client)
{
	static const struct auth_request_info info = {.service =
							      "quota-status"};
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "recipient");
	char *user, *detail;

	/* Not about a recipient: nothing to say. */
	if (client->recipient == NULL || client->recipient[0] == '\0') {
		answer(client, "DUNNO");
		return;
	}
	address_split(ctx, client->recipient, process->lda.recipient_delimiter,
		      &user, &detail);
	client->looking_up = true;
	conn_pause(client->conn);
	auth_master_user(process->auth, user, &info, looked_up, client);
}

static void take_line(struct client *client, struct str line)
{
	struct str value = line, name;

	if (line.len == 0) {
		ask(client);
		return;
	}
	str_split(&value, '=', &name);
	if (str_is(name, "recipient")) {
		mem_free(client->recipient);
		client->recipient = str_sanitize(client, value, INPUT_MAX);
	} else if (str_is(name, "size")) {
		client->octets = 0; /* what is no number is not known */
		str_to_u64(value, &client->octets);
	}
}

static void input(void *ctx)
{
	struct client *client = ctx;

	while (!client->looking_up && !conn_output_full(client->conn)) {
		struct str in = conn_input(client->conn);
		ptrdiff_t end = str_find_char(in, '\n');

		size_t len = end < 0 ? in.len : (size_t)end + 1;

		if (client->taken + len > INPUT_MAX) {
			log_error("Client sent too long a request");
			mem_free(client);
			return;
		}
		if (end < 0)
			return;
		client->taken += len;
		take_line(client, str_n(in.data, (size_t)end));
		conn_consume(client->conn, len);
	}
}

static void closed(void *ctx, const char *why)
{
	struct client *client = ctx;

	(void)why;
	if (client->looking_up)
		client->gone = true;
	else
		mem_free(client);
}

static const struct conn_events events = {
	.input = input,
	.drained = input,
	.closed = closed,
};

static void take_client(struct service_env *env,
			const struct service_client *accepted)
{
	struct client *client = mem_new(process, struct client);

	client->conn = conn_new(client, service_loop(env), accepted->fd,
				INPUT_MAX + 1, &events, client);
	talloc_set_destructor(client, client_free);
}

/* the service */

static int start(struct service_env *env, struct err *err)
{
	const struct config *config = service_config(env);
	const char *socket = config_value(config, &filter, "auth_socket_path");

	process = mem_new(NULL, struct quota_status);
	process->env = env;
	process->auth =
		auth_master_new(process, service_loop(env),
				service_socket_path(process, env, socket));
	if (config_read(process, config, &filter, lda_settings, &process->lda,
			err) < 0)
		return -1;
	return workers_new(process, env, NULL, &process->workers, err);
}

static const struct service quota_status_service = {
	.name = "quota-status",
	.sandbox = SANDBOX_FILES | SANDBOX_UNIX,
	.init = start,
	.accept = take_client,
};

int main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "p:")) != -1) {
		if (option != 'p' || strcmp(optarg, "postfix") != 0)
			log_fatal(EXIT_FAILURE, "Usage: quota-status -p "
						"postfix");
	}
	return service_run(&quota_status_service, argc, argv);
}
