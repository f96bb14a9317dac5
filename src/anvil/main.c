/* SPDX-License-Identifier: MIT */
/*
 * anvil/main.c - the lines of protocol.h.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "anvil/anvil.h"
#include "anvil/protocol.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "service/peers.h"
#include "service/service.h"

struct client {
	struct service_env *env;
	struct conn *conn;
	bool login; /* on login's socket: it may tell of proxies, no more */
	pid_t pid;  /* whose that is */
	unsigned proxies;
};

static struct {
	TALLOC_CTX *ctx;
	struct sessions *sessions;
	struct penalties *penalties;
	struct proxies *proxies;
	struct peers *peers; /* on login's socket */
} state;

static bool next(struct str *rest, struct str *out)
{
	return str_split(rest, '\t', out);
}

static bool next_number(struct str *rest, uint32_t *out)
{
	struct str word;

	return next(rest, &word) && str_to_u32(word, out);
}

/* commands: false when the arguments are wrong */

static bool cmd_version(struct client *, struct str args)
{
	return str_starts(args, "anvil\t1\t");
}

static bool cmd_connect(struct client *client, struct str args)
{
	struct str ident;
	uint32_t pid;

	if (!next_number(&args, &pid) || !next(&args, &ident))
		return false;
	if (!sessions_add(state.sessions, client, (pid_t)pid, ident))
		log_error("Too many sessions: %.*s is not counted",
			  STR_FMT(ident));
	return true;
}

static bool cmd_disconnect(struct client *client, struct str args)
{
	struct str ident;
	uint32_t pid;

	if (!next_number(&args, &pid) || !next(&args, &ident))
		return false;
	sessions_remove(state.sessions, client, (pid_t)pid, ident);
	return true;
}

static void put_session(void *ctx, const char *ident, pid_t pid, unsigned count)
{
	conn_printf(ctx, "%s\t%d\t%u\n", ident, (int)pid, count);
}

static bool cmd_connect_dump(struct client *client, struct str)
{
	sessions_each(state.sessions, put_session, client->conn);
	conn_write(client->conn, "\n", 1);
	return true;
}

static bool cmd_kill(struct client *, struct str args)
{
	uint32_t pid;

	if (!next_number(&args, &pid))
		return false;
	sessions_remove_pid(state.sessions, (pid_t)pid);
	return true;
}

static bool cmd_lookup(struct client *client, struct str args)
{
	struct str ident;

	if (!next(&args, &ident))
		return false;
	conn_printf(client->conn, "%u\n",
		    sessions_count(state.sessions, ident));
	return true;
}

static bool cmd_proxy(struct client *client, struct str args)
{
	uint32_t id;

	if (!next_number(&args, &id) || args.data == NULL ||
	    client->proxies == ANVIL_PROXIES_MAX ||
	    !proxies_add(state.proxies, client, id, args))
		return false;
	client->proxies++;
	return true;
}

static bool cmd_proxy_end(struct client *client, struct str args)
{
	uint32_t id;

	if (!next_number(&args, &id))
		return false;
	if (proxies_remove(state.proxies, client, id))
		client->proxies--;
	return true;
}

static void put_proxy(void *ctx, uint64_t serial, const char *line)
{
	conn_printf(ctx, "%llu\t%s\n", (unsigned long long)serial, line);
}

static bool cmd_proxy_dump(struct client *client, struct str)
{
	proxies_each(state.proxies, put_proxy, client->conn);
	conn_write(client->conn, "\n", 1);
	return true;
}

static bool cmd_proxy_kick(struct client *client, struct str args)
{
	struct client *owner;
	struct str word;
	uint64_t serial;
	uint32_t id;

	(void)client;
	if (!next(&args, &word) || !str_to_u64(word, &serial))
		return false;
	owner = proxies_find(state.proxies, serial, &id);
	if (owner != NULL)
		conn_printf(owner->conn, "KICK\t%u\n", id);
	return true;
}

static bool cmd_penalty_get(struct client *client, struct str args)
{
	struct str ident;
	uint64_t last;
	unsigned penalty;

	if (!next(&args, &ident))
		return false;
	penalty = penalty_get(state.penalties, ident, (uint64_t)time(NULL),
			      &last);
	conn_printf(client->conn, "%u %llu\n", penalty,
		    (unsigned long long)last);
	return true;
}

static bool cmd_penalty_inc(struct client *, struct str args)
{
	uint32_t checksum = 0, value = 0;
	struct str ident;
	bool has_value;

	if (!next(&args, &ident) || ident.len == 0)
		return false;
	if (args.data != NULL && !next_number(&args, &checksum))
		return false;
	has_value = args.data != NULL;
	if (has_value && (!next_number(&args, &value) || value > INT32_MAX))
		return false;
	penalty_raise(state.penalties, ident, checksum,
		      has_value ? (int)value : -1, (uint64_t)time(NULL));
	return true;
}

static bool cmd_penalty_expire(struct client *, struct str args)
{
	uint32_t secs;

	if (!next_number(&args, &secs))
		return false;
	penalties_expire_after(state.penalties, secs);
	return true;
}

static void put_penalty(void *ctx, const char *ident, unsigned penalty,
			uint64_t last_penalty, uint64_t last_update)
{
	conn_printf(ctx, "%s\t%u\t%llu\t%llu\n", ident, penalty,
		    (unsigned long long)last_penalty,
		    (unsigned long long)last_update);
}

static bool cmd_penalty_dump(struct client *client, struct str)
{
	penalties_each(state.penalties, (uint64_t)time(NULL), put_penalty,
		       client->conn);
	conn_write(client->conn, "\n", 1);
	return true;
}

static const struct command {
	const char *name;
	bool (*run)(struct client *client, struct str args);
	bool for_login;
} commands[] = {
	{"VERSION", cmd_version, true},
	{"PROXY", cmd_proxy, true},
	{"PROXY-END", cmd_proxy_end, true},
	{"PROXY-DUMP", cmd_proxy_dump, false},
	{"PROXY-KICK", cmd_proxy_kick, false},
	{"CONNECT", cmd_connect, false},
	{"DISCONNECT", cmd_disconnect, false},
	{"CONNECT-DUMP", cmd_connect_dump, false},
	{"KILL", cmd_kill, false},
	{"LOOKUP", cmd_lookup, false},
	{"PENALTY-GET", cmd_penalty_get, false},
	{"PENALTY-INC", cmd_penalty_inc, false},
	{"PENALTY-SET-EXPIRE-SECS", cmd_penalty_expire, false},
	{"PENALTY-DUMP", cmd_penalty_dump, false},
};

/* connections */

static void client_end(struct client *client)
{
	struct service_env *env = client->env;

	sessions_remove_owner(state.sessions, client);
	proxies_remove_owner(state.proxies, client);
	peers_leave(&state.peers, client->pid);
	conn_free(&client->conn);
	mem_free(client);
	service_client_end(env);
}

static bool run(struct client *client, struct str line)
{
	struct str name;

	if (!str_split(&line, '\t', &name))
		name = STR("");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!str_is(name, commands[i].name) ||
		    (client->login && !commands[i].for_login))
			continue;
		if (commands[i].run(client, line))
			return true;
		log_error("Anvil client input error: Invalid parameters to "
			  "%s",
			  commands[i].name);
		return false;
	}
	log_error("Anvil client input error: Unknown command: %.*s",
		  STR_FMT(name));
	return false;
}

static void input(void *ctx)
{
	struct client *client = ctx;

	for (;;) {
		struct str in = conn_input(client->conn);
		ptrdiff_t end = str_find_char(in, '\n');

		if (end < 0 && in.len >= ANVIL_LINE_MAX) {
			log_error("Anvil client input error: Too long line");
			client_end(client);
			return;
		}
		if (end < 0)
			return;
		if (!run(client, str_n(in.data, (size_t)end))) {
			client_end(client);
			return;
		}
		conn_consume(client->conn, (size_t)end + 1);
	}
}

static void closed(void *ctx, const char *)
{
	client_end(ctx);
}

static const struct conn_events events = {
	.input = input,
	.closed = closed,
};

static void take_client(struct service_env *env,
			const struct service_client *from)
{
	struct client *client;
	struct err err;
	pid_t pid = 0;
	bool login = from->listener->path != NULL &&
		     strstr(from->listener->path, "login/") != NULL;

	if (login && peers_enter(&state.peers, from->fd, &pid, &err) < 0) {
		log_error("%s", err.text);
		close(from->fd);
		service_client_end(env);
		return;
	}
	client = mem_new(state.ctx, struct client);
	client->env = env;
	client->login = login;
	client->pid = pid;
	client->conn = conn_new(client, service_loop(env), from->fd,
				ANVIL_LINE_MAX, &events, client);
}

static int start(struct service_env *, struct err *)
{
	state.ctx = mem_ctx(NULL, "anvil");
	state.sessions = sessions_new(state.ctx);
	state.penalties = penalties_new(state.ctx);
	state.proxies = proxies_new(state.ctx);
	return 0;
}

static const struct service anvil_service = {
	.name = "anvil",
	.sandbox = 0, /* what it has is enough */
	.init = start,
	.accept = take_client,
};

int main(int argc, char **argv)
{
	int ret = service_run(&anvil_service, argc, argv);

	ctx_free(&state.ctx);
	return ret;
}
