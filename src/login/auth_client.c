/* SPDX-License-Identifier: MIT */
#include "login/auth_client.h"

#include <unistd.h>
#include <uthash.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/sock.h"
#include "proto/auth.h"

enum {
	MECHS_MAX = 32,
	RECONNECT_MS = 500,
	REQUEST_MAX_MS = 150 * 1000, /* as auth keeps them */
	INPUT_MAX = 4 * AUTH_LINE_MAX,
};

struct auth_request {
	struct auth_client *auth;
	uint32_t id;
	auth_result_fn *fn;
	void *fn_ctx;
	struct timer *timer;
	UT_hash_handle hh;
};

struct auth_client {
	struct loop *loop;
	char *socket_path;
	struct conn *conn;
	struct timer *reconnect;
	void (*ready_fn)(void *ctx);
	void *ready_ctx;
	struct auth_mech mechs[MECHS_MAX];
	size_t mech_count;
	TALLOC_CTX *mech_ctx;
	char cookie[sizeof(((struct auth_token *)0)->cookie)];
	struct auth_request *requests;
	uint32_t next_id;
	bool ready, greeted, complained;
};

static void connect_now(void *ctx);

static int request_free(struct auth_request *request)
{
	HASH_DEL(request->auth->requests, request);
	timer_free(&request->timer);
	return 0;
}

/* Tell the result and forget the request, in an order that lets `fn` begin a
 * new one. */
static void request_end(struct auth_request *request, enum auth_result result,
			const struct auth_line *line)
{
	request->fn(request->fn_ctx, result, line);
	mem_free(request);
}

static void fail_all(struct auth_client *auth)
{
	struct auth_request *request, *tmp;

	HASH_ITER (hh, auth->requests, request, tmp)
		request_end(request, AUTH_UNAVAILABLE, NULL);
}

static void disconnected(struct auth_client *auth, const char *why)
{
	conn_free(&auth->conn);
	auth->ready = auth->greeted = false;
	if (!auth->complained)
		log_warning("Auth connection closed%s%s", why[0] ? ": " : "",
			    why);
	auth->complained = true;
	fail_all(auth);
	timer_reset(auth->reconnect, (struct duration){RECONNECT_MS});
}

/* --- the handshake ------------------------------------------------------- */

static bool take_mech(struct auth_client *auth, const struct auth_line *line)
{
	struct auth_mech *mech = &auth->mechs[auth->mech_count];

	if (line->count == 0)
		return false;
	if (auth->mech_count == MECHS_MAX)
		return true;
	*mech = (struct auth_mech){
		.name = str_upper(auth->mech_ctx, line->args[0]),
		.plaintext = auth_line_value(line, "plaintext").data != NULL,
		.hidden = auth_line_value(line, "private").data != NULL,
	};
	auth->mech_count++;
	return true;
}

static bool take_cookie(struct auth_client *auth, const struct auth_line *line)
{
	if (line->count != 1 || line->args[0].len != sizeof(auth->cookie) - 1)
		return false;
	memcpy(auth->cookie, line->args[0].data, line->args[0].len);
	auth->cookie[sizeof(auth->cookie) - 1] = '\0';
	return true;
}

/* Returns false for what no server of this protocol says. */
static bool handshake_line(struct auth_client *auth,
			   const struct auth_line *line)
{
	if (str_is(line->command, "VERSION")) {
		auth->greeted = line->id == AUTH_PROTOCOL_MAJOR;
		return auth->greeted;
	}
	if (!auth->greeted)
		return false;
	if (str_is(line->command, "MECH"))
		return take_mech(auth, line);
	if (str_is(line->command, "COOKIE"))
		return take_cookie(auth, line);
	if (str_is(line->command, "DONE")) {
		if (auth->cookie[0] == '\0')
			return false;
		auth->ready = true;
		auth->complained = false;
		auth->ready_fn(auth->ready_ctx);
	}
	return true; /* SPID, CUID, and what later versions add */
}

/* --- answers -----------------------------------------------------------------
 */

static bool answer_line(struct auth_client *auth, const struct auth_line *line)
{
	struct auth_request *request;

	HASH_FIND(hh, auth->requests, &line->id, sizeof(line->id), request);
	if (str_is(line->command, "CONT")) {
		if (request != NULL)
			request->fn(request->fn_ctx, AUTH_CONTINUE, line);
		return true;
	}
	if (str_is(line->command, "OK")) {
		if (request != NULL)
			request_end(request, AUTH_OK, line);
		return true;
	}
	if (str_is(line->command, "FAIL")) {
		if (request != NULL)
			request_end(request, AUTH_FAIL, line);
		return true;
	}
	/* auth was reloaded: its mechanisms may be others. */
	return handshake_line(auth, line);
}

static void input(void *ctx)
{
	struct auth_client *auth = ctx;
	struct str text;
	size_t used;

	while (auth->conn != NULL &&
	       auth_line_next(conn_input(auth->conn), &text, &used)) {
		struct auth_line line;
		bool ok = auth_line_parse(text, &line);

		if (ok && auth->ready)
			ok = answer_line(auth, &line);
		else if (ok)
			ok = handshake_line(auth, &line);
		if (!ok) {
			log_error("Auth server sent a broken line");
			disconnected(auth, "");
			return;
		}
		if (auth->conn != NULL)
			conn_consume(auth->conn, used);
	}
	if (auth->conn != NULL && conn_input(auth->conn).len >= AUTH_LINE_MAX)
		disconnected(auth, "line too long");
}

static void closed(void *ctx, const char *why)
{
	disconnected(ctx, why);
}

static const struct conn_events events = {.input = input, .closed = closed};

static void connect_now(void *ctx)
{
	struct auth_client *auth = ctx;
	struct err err;
	int fd = sock_connect_unix(auth->socket_path, &err);

	if (fd < 0) {
		if (!auth->complained)
			log_error("%s", err.text);
		auth->complained = true;
		timer_reset(auth->reconnect, (struct duration){RECONNECT_MS});
		return;
	}
	mem_free(auth->mech_ctx);
	auth->mech_ctx = mem_ctx(auth, "mechs");
	auth->mech_count = 0;
	auth->cookie[0] = '\0';
	auth->conn = conn_new(auth, auth->loop, fd, INPUT_MAX, &events, auth);
	conn_printf(auth->conn, "VERSION\t%d\t%d\nCPID\t%d\n",
		    AUTH_PROTOCOL_MAJOR, AUTH_PROTOCOL_MINOR, (int)getpid());
}

static int auth_client_free(struct auth_client *auth)
{
	struct auth_request *request, *tmp;

	HASH_ITER (hh, auth->requests, request, tmp)
		mem_free(request);
	timer_free(&auth->reconnect);
	return 0;
}

struct auth_client *auth_client_new(const void *ctx, struct loop *loop,
				    const char *socket_path,
				    void (*ready)(void *ctx), void *ready_ctx)
{
	struct auth_client *auth = mem_new(ctx, struct auth_client);

	auth->loop = loop;
	auth->socket_path = mem_strdup(auth, socket_path);
	auth->ready_fn = ready;
	auth->ready_ctx = ready_ctx;
	auth->reconnect = timer_new(loop, (struct duration){RECONNECT_MS},
				    connect_now, auth);
	talloc_set_destructor(auth, auth_client_free);
	connect_now(auth);
	return auth;
}

bool auth_client_ready(const struct auth_client *auth)
{
	return auth->ready;
}

const struct auth_mech *auth_client_mechs(const struct auth_client *auth,
					  size_t *count)
{
	*count = auth->mech_count;
	return auth->mechs;
}

const struct auth_mech *auth_client_mech(const struct auth_client *auth,
					 struct str name)
{
	for (size_t i = 0; i < auth->mech_count; i++) {
		if (str_case_is(name, auth->mechs[i].name))
			return &auth->mechs[i];
	}
	return NULL;
}

/* --- requests
 * --------------------------------------------------------------------- */

static void write_ip(struct buf *out, const char *key, const char *port_key,
		     const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	if (ip->family == 0)
		return;
	auth_write_value(out, key, ip_text(ip, text));
	buf_printf(out, "\t%s=%u", port_key, ip->port);
}

static void write_request(struct buf *out, uint32_t id,
			  const struct auth_info *info)
{
	buf_printf(out, "AUTH\t%u\t%s\tservice=%s", id, info->mech,
		   info->service);
	if (info->secured)
		buf_add(out, info->tls ? "\tsecured=tls" : "\tsecured");
	if (info->no_penalty)
		buf_add(out, "\tno-penalty");
	if (info->cert_name != NULL) {
		buf_add(out, "\tvalid-client-cert");
		auth_write_value(out, "cert_username", info->cert_name);
	}
	auth_write_value(out, "session", info->session_id);
	write_ip(out, "lip", "lport", &info->local);
	write_ip(out, "rip", "rport", &info->remote);
	if (info->local_name != NULL)
		auth_write_value(out, "local_name", info->local_name);
	if (info->has_initial) { /* the last one, by the protocol */
		buf_add(out, "\tresp=");
		buf_add_str(out, info->initial);
	}
	buf_putc(out, '\n');
}

static void request_timeout(void *ctx)
{
	struct auth_request *request = ctx;

	conn_printf(request->auth->conn, "CANCEL\t%u\n", request->id);
	request_end(request, AUTH_UNAVAILABLE, NULL);
}

/* What a client sent goes into a line of words between tabs. */
static bool base64_alphabet(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		      (c >= '0' && c <= '9') || c == '+' || c == '/' ||
		      c == '='))
			return false;
	}
	return true;
}

struct auth_request *auth_request_new(struct auth_client *auth,
				      const struct auth_info *info,
				      auth_result_fn *fn, void *fn_ctx)
{
	struct buf line = buf_init(AUTH_LINE_MAX);
	struct auth_request *request = NULL;

	if (auth->ready && base64_alphabet(info->initial)) {
		if (++auth->next_id == 0)
			auth->next_id = 1;
		write_request(&line, auth->next_id, info);
	}
	if (line.len > 0 && !line.overflow) {
		request = mem_new(auth, struct auth_request);
		request->auth = auth;
		request->id = auth->next_id;
		request->fn = fn;
		request->fn_ctx = fn_ctx;
		request->timer =
			timer_new(auth->loop, (struct duration){REQUEST_MAX_MS},
				  request_timeout, request);
		HASH_ADD(hh, auth->requests, id, sizeof(request->id), request);
		talloc_set_destructor(request, request_free);
		conn_write(auth->conn, line.data, line.len);
	}
	mem_wipe(line.data, line.len); /* a password may be in it */
	buf_free(&line);
	return request;
}

void auth_request_continue(struct auth_request *request, struct str base64)
{
	struct buf line = buf_init(AUTH_LINE_MAX);

	buf_printf(&line, "CONT\t%u\t", request->id);
	if (base64_alphabet(base64))
		buf_add_str(&line, base64);
	buf_putc(&line, '\n');
	if (line.overflow)
		request_timeout(request);
	else
		conn_write(request->auth->conn, line.data, line.len);
	mem_wipe(line.data, line.len);
	buf_free(&line);
}

void auth_request_cancel(struct auth_request **request)
{
	if (*request == NULL)
		return;
	if ((*request)->auth->conn != NULL)
		conn_printf((*request)->auth->conn, "CANCEL\t%u\n",
			    (*request)->id);
	mem_free(*request);
	*request = NULL;
}

void auth_request_token(const struct auth_request *request,
			struct auth_token *out)
{
	out->client_pid = (uint32_t)getpid();
	out->request_id = request->id;
	memcpy(out->cookie, request->auth->cookie, sizeof(out->cookie));
}
