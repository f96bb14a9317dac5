/* SPDX-License-Identifier: MIT */
/*
 * service/auth_master.c - ask auth who somebody is, from the event loop.
 *
 * Requests are pipelined over one connection and told apart by their number.
 * Those under way when auth goes away are asked again, once.
 */
#include "service/auth_master.h"

#include <uthash.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/sock.h"
#include "proto/auth.h"
#include "service/auth_master_line.h"

enum {
	MASTER_INPUT_MAX = 64 * 1024,
	MASTER_TIMEOUT_MS = 60 * 1000,
	MASTER_TRIES = 2,
};

struct master_request {
	UT_hash_handle hh;
	uint32_t id;
	unsigned tries;
	uint64_t since_ms;
	char *line; /* with its number, to be sent again */
	auth_master_fn *fn;
	void *fn_ctx;
};

struct auth_master {
	struct loop *loop;
	char *path;
	struct conn *conn;
	struct timer *timer;
	struct timer *reconnect;
	struct master_request *requests;
	uint32_t last_id;
	bool greeted;
};

static const struct conn_events master_events;

static int auth_master_destroy(struct auth_master *auth)
{
	timer_free(&auth->timer);
	timer_free(&auth->reconnect);
	conn_free(&auth->conn);
	HASH_CLEAR(hh, auth->requests);
	return 0;
}

struct auth_master *auth_master_new(const void *ctx, struct loop *loop,
				    const char *socket_path)
{
	struct auth_master *auth = mem_new(ctx, struct auth_master);

	auth->loop = loop;
	auth->path = mem_strdup(auth, socket_path);
	talloc_set_destructor(auth, auth_master_destroy);
	return auth;
}

static void finish(struct auth_master *auth, struct master_request *request,
		   const struct account *account, const struct err *err)
{
	HASH_DEL(auth->requests, request);
	request->fn(request->fn_ctx, account, err);
	mem_free(request);
}

/* Fails what has waited longer than `max_ms`. */
static void fail_older(struct auth_master *auth, uint64_t max_ms,
		       const struct err *err)
{
	uint64_t now = clock_monotonic_ms();
	struct master_request *request, *next;

	HASH_ITER (hh, auth->requests, request, next) {
		if (now - request->since_ms >= max_ms)
			finish(auth, request, NULL, err);
	}
}

static void on_timer(void *ctx)
{
	struct auth_master *auth = ctx;
	struct err err;

	err_set(&err, ERR_TIMEOUT, "auth did not answer in %d seconds",
		MASTER_TIMEOUT_MS / 1000);
	fail_older(auth, MASTER_TIMEOUT_MS, &err);
	if (auth->requests != NULL)
		timer_reset(auth->timer, (struct duration){1000});
	else
		timer_free(&auth->timer);
}

static void master_send(struct auth_master *auth,
			struct master_request *request)
{
	request->tries++;
	conn_write(auth->conn, request->line, strlen(request->line));
}

static int master_connect(struct auth_master *auth, struct err *err)
{
	int fd = sock_connect_unix(auth->path, err);

	if (fd < 0) {
		/* No socket says nothing of the user. */
		err->code = ERR_TEMPORARY;
		return -1;
	}
	auth->greeted = false;
	auth->conn = conn_new(auth, auth->loop, fd, MASTER_INPUT_MAX,
			      &master_events, auth);
	conn_printf(auth->conn, "VERSION\t%d\t1\n", AUTH_PROTOCOL_MAJOR);
	return 0;
}

/* auth went away with requests unanswered: ask its successor. */
static void on_reconnect(void *ctx)
{
	struct auth_master *auth = ctx;
	struct master_request *request, *next;
	struct err err;

	timer_free(&auth->reconnect);
	if (auth->conn != NULL)
		return;
	if (master_connect(auth, &err) < 0) {
		fail_older(auth, 0, &err);
		return;
	}
	HASH_ITER (hh, auth->requests, request, next)
		master_send(auth, request);
}

static void master_lost(struct auth_master *auth, const char *why)
{
	struct master_request *request, *next;
	struct err err;

	conn_free(&auth->conn);
	err_set(&err, ERR_TEMPORARY, "%s: auth closed the connection%s%s",
		auth->path, *why == '\0' ? "" : ": ", why);
	HASH_ITER (hh, auth->requests, request, next) {
		if (request->tries >= MASTER_TRIES)
			finish(auth, request, NULL, &err);
	}
	if (auth->requests != NULL && auth->reconnect == NULL)
		auth->reconnect = timer_new(auth->loop, (struct duration){100},
					    on_reconnect, auth);
}

static void on_closed(void *ctx, const char *why)
{
	master_lost(ctx, why);
}

static void answer(struct auth_master *auth, struct str line)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = NULL;
	struct master_reply reply;
	struct master_request *request;
	struct account *account = NULL;
	struct err err = {0};

	if (!master_reply_parse(line, &reply))
		return;
	HASH_FIND(hh, auth->requests, &reply.id, sizeof(reply.id), request);
	if (request == NULL)
		return;
	ctx = mem_ctx(NULL, "auth reply");
	if (master_reply_account(ctx, &reply, &account, &err) < 0)
		account = NULL;
	finish(auth, request, account, &err);
}

static void on_input(void *ctx)
{
	struct auth_master *auth = ctx;
	struct str line;
	size_t used;

	while (auth->conn != NULL &&
	       auth_line_next(conn_input(auth->conn), &line, &used)) {
		CLEANUP(ctx_free) TALLOC_CTX *tmp = mem_ctx(NULL, "line");
		struct str copy = str_of(str_dup(tmp, line));
		bool ok = auth->greeted || master_greeting_ok(copy);

		conn_consume(auth->conn, used);
		if (!ok) {
			master_lost(auth, "it speaks another version");
			return;
		}
		auth->greeted = true;
		answer(auth, copy);
	}
	if (auth->conn != NULL &&
	    conn_input(auth->conn).len >= MASTER_INPUT_MAX)
		master_lost(auth, "its line is too long");
}

static const struct conn_events master_events = {
	.input = on_input,
	.closed = on_closed,
};

/* `head` is the command; `tail` what stands behind the request's number. */
static void ask(struct auth_master *auth, const char *head, const char *tail,
		auth_master_fn *fn, void *fn_ctx)
{
	struct master_request *request = mem_new(auth, struct master_request);
	struct err err;

	if (auth->conn == NULL && auth->reconnect == NULL &&
	    master_connect(auth, &err) < 0) {
		mem_free(request);
		fn(fn_ctx, NULL, &err);
		return;
	}
	if (++auth->last_id == 0)
		auth->last_id = 1;
	request->id = auth->last_id;
	request->since_ms = clock_monotonic_ms();
	request->line =
		mem_printf(request, "%s\t%u\t%s\n", head, request->id, tail);
	request->fn = fn;
	request->fn_ctx = fn_ctx;
	HASH_ADD(hh, auth->requests, id, sizeof(request->id), request);
	if (auth->conn != NULL)
		master_send(auth, request);
	if (auth->timer == NULL)
		auth->timer = timer_new(auth->loop,
					(struct duration){MASTER_TIMEOUT_MS},
					on_timer, auth);
}

void auth_master_token(struct auth_master *auth, const struct auth_token *token,
		       const struct auth_request_info *info, auth_master_fn *fn,
		       void *fn_ctx)
{
	/* A login process gave it. */
	char *cookie = str_tab_escape(NULL, str_of(token->cookie));
	char *tail = mem_printf(cookie, "%u\t%u\t%s\tsession_pid=%ld",
				token->client_pid, token->request_id, cookie,
				(long)(info == NULL ? 0 : info->pid));

	ask(auth, "REQUEST", tail, fn, fn_ctx);
	mem_free(cookie);
}

static void ask_of(struct auth_master *auth, const char *command,
		   const char *user, const struct auth_request_info *info,
		   auth_master_fn *fn, void *fn_ctx)
{
	CLEANUP(buf_free) struct buf tail = buf_init(AUTH_LINE_MAX - 64);
	struct err err;

	master_write_user(&tail, user, info);
	if (tail.overflow) {
		err_set(&err, ERR_NOT_FOUND, "the user name is too long");
		fn(fn_ctx, NULL, &err);
		return;
	}
	ask(auth, command, tail.data, fn, fn_ctx);
}

void auth_master_user(struct auth_master *auth, const char *user,
		      const struct auth_request_info *info, auth_master_fn *fn,
		      void *fn_ctx)
{
	ask_of(auth, "USER", user, info, fn, fn_ctx);
}

void auth_master_pass(struct auth_master *auth, const char *user,
		      const struct auth_request_info *info, auth_master_fn *fn,
		      void *fn_ctx)
{
	ask_of(auth, "PASS", user, info, fn, fn_ctx);
}
