/* SPDX-License-Identifier: MIT */
/*
 * anvil/main.c - the process that knows who is connected: reads lines of
 * anvil/protocol.h and keeps nothing on disk.
 */
#include <time.h>
#include <utlist.h>

#include "anvil/penalty.h"
#include "anvil/protocol.h"
#include "anvil/sessions.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "service/service.h"

enum { WORDS_MAX = 3 };

struct client {
	struct conn *conn;
	bool greeted;
	struct client *prev, *next;
};

static struct {
	struct service_env *env;
	struct sessions *sessions;
	struct penalties *penalties;
	struct client *clients;
} anvil;

static void client_free(struct client *client)
{
	sessions_remove_teller(anvil.sessions, client);
	DL_DELETE(anvil.clients, client);
	conn_free(&client->conn);
	mem_free(client);
	service_client_end(anvil.env);
}

/* --- commands: each returns false for wrong words ----------------------------
 */

static bool cmd_connect(struct client *client, const struct str *word)
{
	unsigned pid;

	if (!str_to_unsigned(word[0], &pid) || word[1].len == 0)
		return false;
	if (!sessions_add(anvil.sessions, client, pid, word[1]))
		log_warning("too many sessions: %.*s is not counted",
			    STR_FMT(word[1]));
	return true;
}

static bool cmd_disconnect(struct client *client, const struct str *word)
{
	unsigned pid;

	if (!str_to_unsigned(word[0], &pid) || word[1].len == 0)
		return false;
	sessions_remove(anvil.sessions, client, pid, word[1]);
	return true;
}

static bool cmd_kill(struct client *client, const struct str *word)
{
	unsigned pid;

	(void)client;
	if (!str_to_unsigned(word[0], &pid))
		return false;
	sessions_remove_pid(anvil.sessions, pid);
	return true;
}

static bool cmd_lookup(struct client *client, const struct str *word)
{
	conn_printf(client->conn, "%u\n",
		    sessions_count(anvil.sessions, word[0]));
	return true;
}

static void dump_session(void *ctx, const char *ident, unsigned pid,
			 unsigned count)
{
	struct client *client = ctx;

	conn_printf(client->conn, "%s\t%u\t%u\n", ident, pid, count);
}

static bool cmd_connect_dump(struct client *client, const struct str *word)
{
	(void)word;
	sessions_each(anvil.sessions, dump_session, client);
	conn_printf(client->conn, "\n");
	return true;
}

static bool cmd_penalty_inc(struct client *client, const struct str *word)
{
	(void)client;
	penalty_add(anvil.penalties, word[0], time(NULL));
	return true;
}

static bool cmd_penalty_reset(struct client *client, const struct str *word)
{
	(void)client;
	penalty_reset(anvil.penalties, word[0]);
	return true;
}

static bool cmd_penalty_get(struct client *client, const struct str *word)
{
	int64_t last;
	unsigned count =
		penalty_get(anvil.penalties, word[0], time(NULL), &last);

	conn_printf(client->conn, "%u %lld\n", count, (long long)last);
	return true;
}

static void dump_penalty(void *ctx, const char *ip, unsigned count,
			 int64_t last)
{
	struct client *client = ctx;

	conn_printf(client->conn, "%s\t%u\t%lld\t%lld\n", ip, count,
		    (long long)last, (long long)last);
}

static bool cmd_penalty_dump(struct client *client, const struct str *word)
{
	(void)word;
	penalties_each(anvil.penalties, time(NULL), dump_penalty, client);
	conn_printf(client->conn, "\n");
	return true;
}

static const struct {
	const char *name;
	unsigned words;
	bool (*run)(struct client *client, const struct str *word);
} commands[] = {
	{"CONNECT", 2, cmd_connect},
	{"CONNECT-DUMP", 0, cmd_connect_dump},
	{"DISCONNECT", 2, cmd_disconnect},
	{"KILL", 1, cmd_kill},
	{"LOOKUP", 1, cmd_lookup},
	{"PENALTY-DUMP", 0, cmd_penalty_dump},
	{"PENALTY-GET", 1, cmd_penalty_get},
	{"PENALTY-INC", 1, cmd_penalty_inc},
	{"PENALTY-RESET", 1, cmd_penalty_reset},
};

static bool run_line(struct client *client, struct str line)
{
	struct str name, word[WORDS_MAX] = {{NULL, 0}}, rest = line;
	unsigned count = 0;

	if (!str_split(&rest, '\t', &name))
		return false;
	while (count < WORDS_MAX && str_split(&rest, '\t', &word[count]))
		count++;
	if (!client->greeted) {
		uint32_t major;

		client->greeted = str_is(name, "VERSION") && count == 3 &&
				  str_is(word[0], "anvil") &&
				  str_to_u32(word[1], &major) &&
				  major == ANVIL_VERSION_MAJOR;
		return client->greeted;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (str_is(name, commands[i].name))
			return count == commands[i].words &&
			       commands[i].run(client, word);
	}
	return false;
}

/* --- connections
 * ---------------------------------------------------------------- */

static void input(void *ctx)
{
	struct client *client = ctx;

	for (;;) {
		struct str in = conn_input(client->conn);
		ptrdiff_t end = str_find_char(in, '\n');

		if (end < 0 && in.len < ANVIL_LINE_MAX)
			return;
		if (end < 0 || !run_line(client, str_n(in.data, (size_t)end))) {
			log_error("a client sent a line that is none of ours");
			client_free(client);
			return;
		}
		conn_consume(client->conn, (size_t)end + 1);
	}
}

static void closed(void *ctx, const char *why)
{
	(void)why;
	client_free(ctx);
}

static const struct conn_events events = {.input = input, .closed = closed};

static int anvil_init(struct service_env *env, struct err *err)
{
	(void)err;
	anvil.env = env;
	anvil.sessions = sessions_new(NULL);
	anvil.penalties = penalties_new(NULL);
	return 0;
}

static void anvil_accept(struct service_env *env,
			 const struct service_client *accepted)
{
	struct client *client = mem_new(NULL, struct client);

	client->conn = conn_new(client, service_loop(env), accepted->fd,
				ANVIL_LINE_MAX, &events, client);
	DL_APPEND(anvil.clients, client);
}

static void anvil_stop(struct service_env *env, const char *reason)
{
	struct client *client, *next;

	(void)env;
	(void)reason;
	DL_FOREACH_SAFE(anvil.clients, client, next)
	client_free(client);
}

static const struct service anvil_service = {
	.name = "anvil",
	.init = anvil_init,
	.accept = anvil_accept,
	.stop = anvil_stop,
};

int main(int argc, char **argv)
{
	return service_run(&anvil_service, argc, argv);
}
