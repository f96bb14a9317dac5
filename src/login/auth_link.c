/* SPDX-License-Identifier: MIT */
#include "login/auth_link.h"

#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "login/client.h"
#include "login/login.h"
#include "login/protocol.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/sock.h"
#include "proto/auth.h"

enum {
	MECHS_MAX = 32,
	RECONNECT_MS = 1000,
	LINK_INPUT_MAX = 64 * 1024,
	COOKIE_MAX = 32,
	BASE64_MAX = (AUTH_RESPONSE_MAX + 2) / 3 * 4,
};

struct link_mech {
	char *name;
	bool plaintext, bound;
};

struct auth_link {
	struct login *login;
	char *path;
	struct conn *conn; /* NULL: waiting to connect again */
	struct timer *timer;
	struct link_mech mechs[MECHS_MAX];
	unsigned mech_count;
	char cookie[COOKIE_MAX + 1];
	uint32_t pid, connection; /* of auth, ours there */
	bool apop;
	bool versioned, ready, failed;
	bool has_bound; /* auth wants channel bindings */
	uint32_t last_id;
	struct client *requests; /* by auth_id */
};

static void link_connect(struct auth_link *link);

/* requests */

static void forget(struct auth_link *link, struct client *client)
{
	HASH_DELETE(hh_auth, link->requests, client);
	client->auth_id = 0;
}

static void lost(struct auth_link *link, const char *why)
{
	const struct auth_answer answer = {.kind = ANSWER_LOST};
	struct client *client, *next;

	if (!link->failed)
		log_error("auth: Disconnected from auth process%s%s",
			  *why == '\0' ? "" : ": ", why);
	link->failed = true;
	link->ready = false;
	conn_free(&link->conn);
	HASH_ITER (hh_auth, link->requests, client, next) {
		forget(link, client);
		client_auth_answer(client, &answer);
	}
	if (link->timer == NULL)
		link->timer = timer_new(link->login->loop,
					(struct duration){RECONNECT_MS},
					(void (*)(void *))link_connect, link);
}

/* handshake */

static bool is_word(struct str word)
{
	for (size_t i = 0; i < word.len; i++) {
		char c = word.data[i];

		if ((c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' &&
		    c != '_')
			return false;
	}
	return word.len > 0;
}

static bool shake_mech(struct auth_link *link, const struct auth_line *line)
{
	struct link_mech *mech = &link->mechs[link->mech_count];
	bool private = false, anonymous = false;

	if (line->count == 0 || link->mech_count == MECHS_MAX ||
	    !is_word(line->args[0]))
		return true;
	mech->plaintext = mech->bound = false;
	for (size_t i = 1; i < line->count; i++) {
		mech->plaintext =
			mech->plaintext || str_is(line->args[i], "plaintext");
		private = private || str_is(line->args[i], "private");
		anonymous = anonymous || str_is(line->args[i], "anonymous");
		mech->bound =
			mech->bound || str_is(line->args[i], "channel-binding");
	}
	if (anonymous && !link->login->protocol->anonymous)
		return true;
	if (private && !mech->bound) {
		link->apop = link->apop || str_is(line->args[0], "APOP");
		return true;
	}
	link->has_bound = link->has_bound || mech->bound;
	mech->name = str_dup(link, line->args[0]);
	link->mech_count++;
	return true;
}

static bool shake(struct auth_link *link, const struct auth_line *line)
{
	if (!link->versioned) {
		link->versioned = str_is(line->command, "VERSION") &&
				  line->id == AUTH_PROTOCOL_MAJOR;
		return link->versioned;
	}
	if (str_is(line->command, "MECH"))
		return shake_mech(link, line);
	if (str_is(line->command, "SPID")) {
		link->pid = line->id;
	} else if (str_is(line->command, "CUID")) {
		link->connection = line->id;
	} else if (str_is(line->command, "COOKIE")) {
		if (line->count != 1 || line->args[0].len > COOKIE_MAX)
			return false;
		memcpy(link->cookie, line->args[0].data, line->args[0].len);
		link->cookie[line->args[0].len] = '\0';
	} else if (str_is(line->command, "DONE")) {
		struct client *client, *next;

		link->ready = true;
		link->failed = false;
		for (client = link->login->clients; client != NULL;
		     client = next) {
			next = client->next;
			client_auth_ready(client);
		}
	}
	return true;
}

/* answers */

static const char *value_of(const void *ctx, const struct auth_line *line,
			    const char *key)
{
	struct str value = auth_line_value(line, key);

	return value.data == NULL ? NULL : str_tab_unescape(ctx, value);
}

static bool take_answer(struct auth_link *link, const struct auth_line *line)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "answer");
	struct auth_answer answer = {.kind = ANSWER_FAIL};
	struct client *client;

	if (str_is(line->command, "OK"))
		answer.kind = ANSWER_OK;
	else if (str_is(line->command, "CONT"))
		answer.kind = ANSWER_CONT;
	else if (!str_is(line->command, "FAIL"))
		return true; /* a later version of the protocol */
	HASH_FIND(hh_auth, link->requests, &line->id, sizeof(line->id), client);
	if (client == NULL)
		return true; /* cancelled */
	answer.data = line->count == 0 ? STR("") : line->args[0];
	answer.user = value_of(ctx, line, "user");
	answer.code = value_of(ctx, line, "code");
	answer.reason = value_of(ctx, line, "reason");
	answer.nologin = auth_line_value(line, "nologin").data != NULL;
	answer.proxy = auth_line_value(line, "proxy").data != NULL ||
		       auth_line_value(line, "proxy_maybe").data != NULL;
	answer.fields = line;
	/* The id stays with the client: it is the token's. */
	if (answer.kind != ANSWER_CONT)
		HASH_DELETE(hh_auth, link->requests, client);
	client_auth_answer(client, &answer);
	return true;
}

static void on_input(void *ctx)
{
	struct auth_link *link = ctx;
	struct str line;
	size_t used;

	while (link->conn != NULL &&
	       auth_line_next(conn_input(link->conn), &line, &used)) {
		CLEANUP(ctx_free) TALLOC_CTX *copy = str_dup(NULL, line);
		struct auth_line parsed;
		bool ok;

		conn_consume(link->conn, used);
		ok = auth_line_parse(str_of((const char *)copy), &parsed) &&
		     (link->ready ? take_answer(link, &parsed)
				  : shake(link, &parsed));
		if (!ok) {
			lost(link, "it sent a line that makes no sense");
			return;
		}
	}
	if (link->conn != NULL && conn_input(link->conn).len >= LINK_INPUT_MAX)
		lost(link, "its line is too long");
}

static void on_closed(void *ctx, const char *why)
{
	lost(ctx, why);
}

static const struct conn_events events = {
	.input = on_input,
	.closed = on_closed,
};

static void link_connect(struct auth_link *link)
{
	struct err err;
	int fd;

	timer_free(&link->timer);
	fd = sock_connect_unix(link->path, &err);
	if (fd < 0) {
		lost(link, err.text);
		return;
	}
	for (unsigned i = 0; i < link->mech_count; i++)
		mem_free(link->mechs[i].name);
	link->mech_count = 0;
	link->versioned = link->has_bound = link->apop = false;
	link->conn = conn_new(link, link->login->loop, fd, LINK_INPUT_MAX,
			      &events, link);
	conn_printf(link->conn, "VERSION\t%d\t%d\nCPID\t%ld\n",
		    AUTH_PROTOCOL_MAJOR, AUTH_PROTOCOL_MINOR, (long)getpid());
}

struct auth_link *auth_link_new(const void *ctx, struct login *login,
				const char *socket_path)
{
	struct auth_link *link = mem_new(ctx, struct auth_link);

	link->login = login;
	link->path = mem_strdup(link, socket_path);
	link_connect(link);
	return link;
}

void auth_link_close(struct auth_link *link)
{
	timer_free(&link->timer);
	conn_free(&link->conn);
	link->ready = false;
}

bool auth_link_ready(const struct auth_link *link)
{
	return link->ready;
}

const char *auth_link_mech(const struct auth_link *link, unsigned n,
			   bool *plaintext_out)
{
	if (n >= link->mech_count)
		return NULL;
	*plaintext_out = link->mechs[n].plaintext;
	return link->mechs[n].name;
}

bool auth_link_mech_bound(const struct auth_link *link, unsigned n)
{
	return n < link->mech_count && link->mechs[n].bound;
}

bool auth_link_has_apop(const struct auth_link *link, uint32_t *pid_out,
			uint32_t *connection_out)
{
	*pid_out = link->pid;
	*connection_out = link->connection;
	return link->apop;
}

const char *auth_link_find_mech(const struct auth_link *link, struct str name,
				bool *plaintext_out)
{
	for (unsigned i = 0; i < link->mech_count; i++) {
		if (str_case_is(name, link->mechs[i].name))
			return auth_link_mech(link, i, plaintext_out);
	}
	return NULL;
}

const char *auth_link_cookie(const struct auth_link *link)
{
	return link->cookie;
}

/* asking */

static void write_ip(struct buf *out, const char *ip_key, const char *port_key,
		     const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	if (ip->family == 0)
		return;
	buf_printf(out, "\t%s=%s", ip_key, ip_text(ip, text));
	if (ip->port != 0)
		buf_printf(out, "\t%s=%u", port_key, ip->port);
}

static void write_binding(struct client *client, struct buf *out)
{
	CLEANUP(buf_free) struct buf octets = buf_init(128);

	if (conn_tls_exporter(client->conn, &octets)) {
		buf_add(out, "\tcb-tls-exporter=");
		base64_encode(str_n(octets.data, octets.len), out);
	}
	buf_reset(&octets);
	if (conn_tls_server_end_point(client->conn, &octets)) {
		buf_add(out, "\tcb-tls-server-end-point=");
		base64_encode(str_n(octets.data, octets.len), out);
	}
}

static void write_request(struct client *client, struct buf *out)
{
	const char *name = client_server_name(client);

	auth_write_value(out, "service", client->protocol->name);
	if (client->secured)
		buf_add(out, "\tsecured");
	if (client->tls || client->proxied_tls)
		buf_add(out, "=tls");
	if (client->trusted)
		buf_add(out, "\tno-penalty");
	if (client->protocol->final_data)
		buf_add(out, "\tfinal-resp-ok");
	auth_write_value(out, "session", client->session_id);
	if (client->forward != NULL)
		auth_write_value(out, "forward_fields", client->forward);
	write_ip(out, "lip", "lport", &client->local);
	write_ip(out, "rip", "rport", &client->remote);
	if (client->haproxy ||
	    !ip_equal(&client->real_remote, &client->remote)) {
		write_ip(out, "real_rip", "real_rport", &client->real_remote);
		write_ip(out, "real_lip", "real_lport", &client->real_local);
	}
	if (name != NULL)
		auth_write_value(out, "local_name", name);
	if (conn_tls_cert_valid(client->conn)) {
		const char *cert = conn_tls_cert_name(client->conn);

		buf_add(out, "\tvalid-client-cert");
		if (cert != NULL)
			auth_write_value(out, "cert_username", cert);
	} else if (client->cert_name != NULL) {
		auth_write_value(out, "cert_username", client->cert_name);
	}
	if (client->tls && client->login->auth->has_bound)
		write_binding(client, out);
}

/* What the client said as base64. Auth says so if it is none, or longer than
 * auth takes; but it must not end the field or the line, nor make of it one for
 * which auth would end everybody's connection. */
static void write_response(struct str response, struct buf *out)
{
	if (response.len > BASE64_MAX)
		response = STR("?");
	for (size_t i = 0; i < response.len; i++) {
		char c = response.data[i];

		buf_putc(out, (unsigned char)c <= ' ' ? '?' : c);
	}
}

bool auth_link_start(struct auth_link *link, struct client *client,
		     const char *mech, struct str response)
{
	CLEANUP(buf_free) struct buf out = buf_init(AUTH_CLIENT_LINE_MAX);

	if (!link->ready)
		return false;
	if (client->auth_id != 0)
		auth_link_cancel(link, client);
	do {
		struct client *other;

		if (++link->last_id == 0)
			link->last_id = 1;
		HASH_FIND(hh_auth, link->requests, &link->last_id,
			  sizeof(link->last_id), other);
		if (other == NULL)
			break;
	} while (true);
	client->auth_id = link->last_id;
	HASH_ADD(hh_auth, link->requests, auth_id, sizeof(client->auth_id),
		 client);
	buf_printf(&out, "AUTH\t%u\t%s", client->auth_id, mech);
	write_request(client, &out);
	if (response.data != NULL) {
		buf_add(&out, "\tresp=");
		write_response(response, &out);
	}
	buf_putc(&out, '\n');
	if (out.overflow) {
		forget(link, client);
		return false;
	}
	conn_write(link->conn, out.data, out.len);
	mem_wipe(out.data, out.len);
	return true;
}

void auth_link_continue(struct auth_link *link, struct client *client,
			struct str response)
{
	CLEANUP(buf_wipe_free) struct buf out = buf_init(AUTH_CLIENT_LINE_MAX);

	if (link->conn == NULL || client->auth_id == 0)
		return;
	buf_printf(&out, "CONT\t%u\t", client->auth_id);
	write_response(response, &out);
	buf_putc(&out, '\n');
	conn_write(link->conn, out.data, out.len);
}

void auth_link_cancel(struct auth_link *link, struct client *client)
{
	struct client *found = NULL;

	if (client->auth_id == 0)
		return;
	HASH_FIND(hh_auth, link->requests, &client->auth_id,
		  sizeof(client->auth_id), found);
	if (found == client)
		HASH_DELETE(hh_auth, link->requests, client);
	/* A token that nobody will redeem is cancelled too. */
	if (link->conn != NULL)
		conn_printf(link->conn, "CANCEL\t%u\n", client->auth_id);
	client->auth_id = 0;
}
