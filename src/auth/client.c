/* SPDX-License-Identifier: MIT */
#include "auth/client.h"

#include <sys/types.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/exchange.h"
#include "auth/mech.h"
#include "auth/request.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "proto/auth.h"
#include "service/peers.h"
#include "service/service.h"

enum { COOKIE_LEN = 16 };

struct auth_client {
	UT_hash_handle hh; /* login processes, by pid */
	pid_t peer;        /* who it is, as the kernel says; 0: others */
	struct auth *auth;
	struct conn *conn;
	uint32_t pid; /* as it said; 0: not yet */
	bool is_login, versioned;
	unsigned uid;
	char *cookie;
	struct exchange *exchanges;
	size_t octets;  /* that they take */
	bool told_full; /* was logged */
};

static unsigned connection_uid;
static size_t all_octets; /* of all clients */

static void client_free(struct auth_client *client)
{
	struct auth *auth = client->auth;

	HASH_CLEAR(hh, client->exchanges);
	all_octets -= client->octets;
	if (client->is_login && client->pid != 0)
		HASH_DEL(auth->clients, client);
	peers_leave(&auth->peers, client->peer);
	conn_free(&client->conn);
	mem_free(client);
	service_client_end(auth->env);
}

/* Whether the user may have a session here; who is proxied has none. */
static bool gets_token(const struct auth_client *client,
		       const struct exchange *exchange)
{
	const struct fields *fields = &exchange->request->pass_fields;

	return exchange->state == EXCHANGE_TOKEN && client->is_login &&
	       fields_get(fields, "nologin") == NULL &&
	       fields_get(fields, "proxy") == NULL;
}

static void count(struct auth_client *client, struct exchange *exchange,
		  size_t octets)
{
	client->octets += octets - exchange->octets;
	all_octets += octets - exchange->octets;
	exchange->octets = octets;
}

static void forget(struct auth_client *client, struct exchange *exchange)
{
	HASH_DEL(client->exchanges, exchange);
	count(client, exchange, 0);
	mem_free(exchange);
}

static struct exchange *find(struct auth_client *client, uint32_t id)
{
	struct exchange *exchange;

	HASH_FIND(hh, client->exchanges, &id, sizeof(id), exchange);
	return exchange;
}

/* After it was told something, that it may keep: if it still is. */
static void weigh(struct auth_client *client, uint32_t id)
{
	struct exchange *exchange = find(client, id);

	if (exchange != NULL)
		count(client, exchange, mem_size(exchange));
}

/* An exchange is at its end: forget it, but for a token. */
static void on_ended(void *ctx, struct exchange *exchange)
{
	struct auth_client *client = ctx;

	if (!gets_token(client, exchange))
		forget(client, exchange);
}

static void on_reply(void *ctx, const char *line, size_t len)
{
	struct auth_client *client = ctx;

	auth_debug_out("client passdb", str_n(line, len));
	conn_write(client->conn, line, len);
	conn_write(client->conn, "\n", 1);
}

/* commands; false ends the connection */

static bool cmd_version(struct auth_client *client,
			const struct auth_line *line)
{
	if (line->id != AUTH_PROTOCOL_MAJOR) {
		log_error("Authentication client not compatible with this "
			  "server (mixed old and new binaries?)");
		return false;
	}
	client->versioned = true;
	return true;
}

static bool cmd_cpid(struct auth_client *client, const struct auth_line *line)
{
	struct auth_client *other = NULL;

	if (line->id == 0) {
		log_error("BUG: Authentication client said it's PID 0");
		return false;
	}
	if (client->pid != 0) {
		log_error("BUG: Authentication client re-handshaking");
		return false;
	}
	if (client->peer != 0 && (uint32_t)client->peer != line->id) {
		log_error("BUG: Authentication client %ld said it's PID %u",
			  (long)client->peer, line->id);
		return false;
	}
	if (client->is_login) {
		uint32_t pid = line->id;

		HASH_FIND(hh, client->auth->clients, &pid, sizeof(pid), other);
		if (other != NULL) {
			log_error("BUG: Authentication client gave a PID %u "
				  "of existing connection",
				  pid);
			return false;
		}
		client->pid = pid;
		HASH_ADD(hh, client->auth->clients, pid, sizeof(client->pid),
			 client);
	}
	client->pid = line->id;
	return true;
}

/* The arguments behind the mechanism; false if something follows resp=. */
static bool take_args(struct request *request, const struct auth_line *line,
		      struct str *response_out)
{
	for (size_t i = 1; i < line->count; i++) {
		struct str value = line->args[i], key;

		str_split(&value, '=', &key);
		if (!str_is(key, "resp")) {
			request_set_arg(request, key, value);
			continue;
		}
		*response_out = value.data == NULL ? STR("") : value;
		return i + 1 == line->count;
	}
	return true;
}

static bool is_full(struct auth_client *client)
{
	size_t max = all_octets < AUTH_CLIENTS_MEMORY_MAX
			     ? AUTH_CLIENT_MEMORY_MAX
			     : AUTH_CLIENT_MEMORY_LITTLE;
	bool full = HASH_COUNT(client->exchanges) >= AUTH_CLIENT_REQUESTS_MAX ||
		    client->octets >= max;

	if (full && !client->told_full)
		log_error("Authentication client %u has too many requests: %u "
			  "of %zu kB",
			  client->pid, HASH_COUNT(client->exchanges),
			  client->octets / 1024);
	client->told_full = full;
	return full;
}

static bool cmd_auth(struct auth_client *client, const struct auth_line *line)
{
	const struct mech *mech;
	struct exchange *exchange;
	struct str response = {NULL, 0};

	if (line->id == 0 || line->count == 0) {
		log_error("BUG: Authentication client %u sent broken AUTH "
			  "request",
			  client->pid);
		return false;
	}
	mech = mech_find(line->args[0]);
	if (mech == NULL || !auth_offers(client->auth, mech)) {
		CLEANUP(ctx_free)
		TALLOC_CTX *name = str_sanitize(NULL, line->args[0], 64);

		log_error("BUG: Authentication client %u requested "
			  "unsupported authentication mechanism %s",
			  client->pid, (const char *)name);
		return false;
	}
	if (find(client, line->id) != NULL) {
		log_error("BUG: Authentication client %u sent a duplicate ID "
			  "%u",
			  client->pid, line->id);
		return false;
	}
	if (is_full(client)) {
		conn_printf(client->conn, "FAIL\t%u\tcode=temp_fail\n",
			    line->id);
		return true;
	}
	exchange = exchange_new(client, client->auth, line->id, mech);
	exchange->of_login = client->is_login;
	exchange->reply = on_reply;
	exchange->ended = on_ended;
	exchange->ctx = client;
	exchange->request->connection_uid = client->uid;
	HASH_ADD(hh, client->exchanges, id, sizeof(exchange->id), exchange);
	if (!take_args(exchange->request, line, &response)) {
		log_error("BUG: Authentication client %u sent AUTH parameters "
			  "after 'resp'",
			  client->pid);
		return false;
	}
	exchange->request->client_pid =
		mem_printf(exchange->request, "%u", client->pid);
	if (*exchange->request->service == '\0') {
		log_error("BUG: Authentication client %u didn't specify "
			  "service in request",
			  client->pid);
		return false;
	}
	exchange_start(exchange, response);
	weigh(client, line->id);
	return true;
}

static bool cmd_cont(struct auth_client *client, const struct auth_line *line)
{
	struct exchange *exchange = find(client, line->id);

	if (line->id == 0) {
		log_error("BUG: Authentication client sent broken CONT "
			  "request");
		return false;
	}
	if (exchange == NULL) {
		conn_printf(client->conn,
			    "FAIL\t%u\treason=Authentication request timed "
			    "out\n",
			    line->id);
		return true;
	}
	exchange_continue(exchange, line->count == 0 ? STR("") : line->args[0]);
	weigh(client, line->id);
	return true;
}

static bool cmd_cancel(struct auth_client *client, const struct auth_line *line)
{
	struct exchange *exchange = find(client, line->id);

	if (exchange != NULL)
		forget(client, exchange);
	return true;
}

static const struct {
	const char *name;
	bool early; /* before CPID */
	bool (*run)(struct auth_client *, const struct auth_line *);
} commands[] = {
	{"AUTH", false, cmd_auth},      {"CONT", false, cmd_cont},
	{"CANCEL", false, cmd_cancel},  {"CPID", true, cmd_cpid},
	{"VERSION", true, cmd_version},
};

static void debug_in(struct str text, const struct auth_line *line)
{
	ptrdiff_t at = str_find(text, STR("resp="));

	if (!log_debug_on())
		return;
	if (str_is(line->command, "CONT"))
		log_debug("client in: CONT\t%u\t<hidden>", line->id);
	else if (at >= 0)
		log_debug("client in: %.*sresp=<hidden>", (int)at, text.data);
	else
		log_debug("client in: %.*s", STR_FMT(text));
}

static bool run(struct auth_client *client, struct str text)
{
	struct auth_line line;
	CLEANUP(ctx_free) TALLOC_CTX *shown = NULL;

	if (!auth_line_parse(text, &line)) {
		log_error("BUG: Authentication client %u sent a malformed "
			  "line",
			  client->pid);
		return false;
	}
	debug_in(text, &line);
	if (!client->versioned && !str_is(line.command, "VERSION")) {
		log_error("Authentication client sent no VERSION line first");
		return false;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!str_is(line.command, commands[i].name))
			continue;
		if (client->pid == 0 && !commands[i].early)
			break;
		return commands[i].run(client, &line);
	}
	shown = str_sanitize(NULL, line.command, 64);
	log_error("BUG: Authentication client sent unknown %scommand: %s",
		  client->pid == 0 ? "handshake " : "", (const char *)shown);
	return false;
}

static void check_length(struct auth_client *client)
{
	if (conn_input(client->conn).len < AUTH_CLIENT_LINE_MAX)
		return;
	log_error("BUG: Auth client %u sent us more than %d bytes", client->pid,
		  AUTH_CLIENT_LINE_MAX);
	client_free(client);
}

/* Who does not read the answers is not heard: on_input() is for `drained`,
 * too. */
static void on_input(void *ctx)
{
	struct auth_client *client = ctx;
	struct str line;
	size_t used;

	while (!conn_output_full(client->conn)) {
		bool ok;

		if (!auth_line_next(conn_input(client->conn), &line, &used)) {
			check_length(client);
			return;
		}
		ok = run(client, line);
		/* conn_input() may have moved: wipe where it is now. */
		line = conn_input(client->conn);
		mem_wipe((char *)line.data, used);
		conn_consume(client->conn, used);
		if (!ok) {
			client_free(client);
			return;
		}
	}
}

static void on_closed(void *ctx, const char *)
{
	client_free(ctx);
}

static const struct conn_events events = {
	.input = on_input,
	.drained = on_input,
	.closed = on_closed,
};

static void greet(struct auth_client *client)
{
	CLEANUP(buf_free) struct buf out = buf_init(4096);

	buf_printf(&out, "VERSION\t%d\t%d\n", AUTH_PROTOCOL_MAJOR,
		   AUTH_PROTOCOL_MINOR);
	for (size_t i = 0; client->auth->mechs[i] != NULL; i++)
		buf_printf(&out, "MECH\t%s%s%s\n", client->auth->mechs[i]->name,
			   *client->auth->mechs[i]->flags == '\0' ? "" : "\t",
			   client->auth->mechs[i]->flags);
	client->uid = ++connection_uid;
	buf_printf(&out, "SPID\t%ld\nCUID\t%u\nCOOKIE\t%s\nDONE\n",
		   (long)getpid(), client->uid, client->cookie);
	conn_write(client->conn, out.data, out.len);
}

/* Of the socket that login processes have: one that was taken over must not
 * keep the others out, neither by many connections nor by their names. */
static int find_peer(struct auth *auth, const struct service_client *from,
		     pid_t *out, struct err *err)
{
	static const char own[] = "login/login";
	const char *at = from->listener->path;
	struct str path = str_of(at == NULL ? "" : at);

	*out = 0;
	if (path.len < strlen(own) ||
	    !str_is(str_from(path, path.len - strlen(own)), own))
		return 0;
	return peers_enter(&auth->peers, from->fd, out, err);
}

void auth_client_accept(struct auth *auth, const struct service_client *from,
			bool is_login)
{
	struct auth_client *client;
	CLEANUP(buf_free) struct buf cookie = buf_init(64);
	unsigned char octets[COOKIE_LEN];
	struct err err;
	pid_t peer;

	if (find_peer(auth, from, &peer, &err) < 0) {
		log_error("%s", err.text);
		close(from->fd);
		service_client_end(auth->env);
		return;
	}
	random_fill(octets, sizeof(octets));
	hex_encode(str_n(octets, sizeof(octets)), &cookie);
	client = mem_new(auth, struct auth_client);
	client->peer = peer;
	client->cookie = buf_steal(client, &cookie);
	client->auth = auth;
	client->is_login = is_login;
	client->conn = conn_new(client, auth->loop, from->fd,
				AUTH_CLIENT_LINE_MAX, &events, client);
	greet(client);
}

int auth_client_redeem(struct auth *auth, const void *ctx, uint32_t pid,
		       uint32_t id, struct str cookie, struct request **out,
		       struct err *err)
{
	struct auth_client *client;
	struct exchange *exchange;

	HASH_FIND(hh, auth->clients, &pid, sizeof(pid), client);
	if (client == NULL)
		return err_set(err, ERR_NOT_FOUND,
			       "Master requested auth for nonexistent client "
			       "%u",
			       pid);
	if (!str_equal_secret(str_of(client->cookie), cookie))
		return err_set(err, ERR_DENIED,
			       "Master requested auth for client %u with "
			       "invalid cookie",
			       pid);
	exchange = find(client, id);
	if (exchange == NULL || exchange->state != EXCHANGE_TOKEN)
		return err_set(err, ERR_DENIED,
			       "Master request %u.%u not found", pid, id);
	*out = mem_steal(ctx, exchange->request);
	forget(client, exchange);
	return 0;
}
