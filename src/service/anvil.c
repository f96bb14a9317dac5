/* SPDX-License-Identifier: MIT */
#include "service/anvil.h"

#include <string.h>
#include <time.h>
#include <uthash.h>
#include <utlist.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/sock.h"

enum {
	LINE_MAX_LEN = 1024,
	RETRY_MS = 1000, /* after a failure, nobody waits for anvil so long */
	PENALTY_FIRST = 2,
	PENALTY_LAST = 15, /* seconds */
	ANSWER_MS = 5000,
};

/* What anvil must hear again when it was restarted. */
struct online {
	UT_hash_handle hh;
	unsigned count;
	char key[]; /* "PID\tservice/ip/user" */
};

struct question {
	void (*fn)(void *ctx, unsigned number);
	void *ctx;
	bool penalty;
	struct question *prev, *next;
};

struct anvil {
	struct loop *loop;
	char *path;
	struct conn *conn;
	struct online *online;
	struct question *questions; /* in the order of their answers */
	uint64_t retry_ms;
	struct timer *timer; /* to tell a new one who is online */
};

static bool reach(struct anvil *anvil);

static void answer(struct anvil *anvil, unsigned number)
{
	struct question *first = anvil->questions;
	void (*fn)(void *ctx, unsigned number) = first->fn;
	void *ctx = first->ctx;

	DL_DELETE(anvil->questions, first);
	mem_free(first);
	if (anvil->questions == NULL && anvil->conn != NULL)
		conn_set_timeout(anvil->conn, (struct duration){0});
	fn(ctx, number);
}

static void come_back(void *ctx)
{
	struct anvil *anvil = ctx;

	timer_free(&anvil->timer);
	reach(anvil);
}

/* Who is online it shall know before the next one comes: `doveadm kick`. */
static void lost(void *ctx, const char *why)
{
	struct anvil *anvil = ctx;

	if (why[0] != '\0')
		log_error("anvil: %s: %s", anvil->path, why);
	conn_free(&anvil->conn);
	anvil->retry_ms = clock_monotonic_ms() + RETRY_MS;
	if (anvil->online != NULL && anvil->timer == NULL)
		anvil->timer =
			timer_new(anvil->loop, (struct duration){RETRY_MS},
				  come_back, anvil);
	while (anvil->questions != NULL)
		answer(anvil, 0);
}

/* "1 1795357493": a penalty and when it was given. What is left of the delay
 * that goes with it. */
static unsigned seconds_left(struct str line)
{
	uint64_t penalty, last, now = (uint64_t)time(NULL);
	struct str word;
	unsigned delay = PENALTY_FIRST;

	if (!str_word(&line, &word) || !str_to_u64(word, &penalty) ||
	    !str_word(&line, &word) || !str_to_u64(word, &last) || penalty == 0)
		return 0;
	for (uint64_t i = 1; i < penalty && delay < PENALTY_LAST; i++)
		delay *= 2;
	if (delay > PENALTY_LAST)
		delay = PENALTY_LAST;
	if (now < last)
		return delay;
	return now - last >= delay ? 0 : delay - (unsigned)(now - last);
}

static void input(void *ctx)
{
	struct anvil *anvil = ctx;

	while (anvil->conn != NULL) {
		struct str in = conn_input(anvil->conn);
		ptrdiff_t end = str_find_char(in, '\n');
		struct str line;
		unsigned number = 0;

		if (end < 0 && in.len >= LINE_MAX_LEN)
			lost(anvil, "The answer is too long");
		if (end < 0)
			return;
		line = str_n(in.data, (size_t)end);
		if (anvil->questions == NULL) {
			lost(anvil, "An answer that nobody asked for");
			return;
		}
		if (anvil->questions->penalty)
			number = seconds_left(line);
		else if (!str_to_unsigned(line, &number))
			number = 0;
		conn_consume(anvil->conn, (size_t)end + 1);
		answer(anvil, number);
	}
}

static void silent(void *ctx)
{
	lost(ctx, "No answer");
}

static const struct conn_events events = {
	.input = input,
	.closed = lost,
	.timeout = silent,
};

/* Whether anvil can be told something. */
static bool reach(struct anvil *anvil)
{
	struct online *one, *next;
	struct err err;
	int fd;

	if (anvil->conn != NULL)
		return true;
	if (clock_monotonic_ms() < anvil->retry_ms)
		return false;
	fd = sock_connect_unix(anvil->path, &err);
	if (fd < 0) {
		log_error("anvil: %s", err.text);
		anvil->retry_ms = clock_monotonic_ms() + RETRY_MS;
		return false;
	}
	anvil->conn =
		conn_new(anvil, anvil->loop, fd, LINE_MAX_LEN, &events, anvil);
	conn_printf(anvil->conn, "VERSION\tanvil\t1\t0\n");
	HASH_ITER (hh, anvil->online, one, next) {
		for (unsigned i = 0; i < one->count; i++)
			conn_printf(anvil->conn, "CONNECT\t%s\n", one->key);
	}
	return true;
}

struct anvil *anvil_new(const void *ctx, struct loop *loop,
			const char *socket_path)
{
	struct anvil *anvil = mem_new(ctx, struct anvil);

	anvil->loop = loop;
	anvil->path = mem_strdup(anvil, socket_path);
	return anvil;
}

/* "service/ip/user", as `doveadm who` takes it apart. */
static char *ident(const void *ctx, const char *service, const char *user,
		   const struct ip *remote)
{
	char text[IP_TEXT_MAX];
	char *escaped = str_tab_escape(NULL, str_of(user));
	char *out = mem_printf(ctx, "%s/%s/%s", service, ip_text(remote, text),
			       escaped);

	mem_free(escaped);
	return out;
}

void anvil_connect(struct anvil *anvil, pid_t pid, const char *service,
		   const char *user, const struct ip *remote)
{
	char *name = ident(anvil, service, user, remote);
	char *key = mem_printf(name, "%d\t%s", (int)pid, name);
	size_t len = strlen(key);
	struct online *one;

	/* Before it is noted, or a new connection would tell it twice. */
	if (reach(anvil))
		conn_printf(anvil->conn, "CONNECT\t%s\n", key);
	HASH_FIND(hh, anvil->online, key, len, one);
	if (one == NULL) {
		one = mem_zero(anvil, 1, sizeof(*one) + len + 1, "online");
		memcpy(one->key, key, len);
		HASH_ADD_KEYPTR(hh, anvil->online, one->key, len, one);
	}
	one->count++;
	mem_free(name);
}

void anvil_disconnect(struct anvil *anvil, pid_t pid, const char *service,
		      const char *user, const struct ip *remote)
{
	char *name = ident(anvil, service, user, remote);
	char *key = mem_printf(name, "%d\t%s", (int)pid, name);
	struct online *one;

	HASH_FIND(hh, anvil->online, key, strlen(key), one);
	if (one != NULL && --one->count == 0) {
		HASH_DEL(anvil->online, one);
		mem_free(one);
	}
	/* A connection that is gone took what it had told with it. */
	if (one != NULL && anvil->conn != NULL)
		conn_printf(anvil->conn, "DISCONNECT\t%s\n", key);
	mem_free(name);
}

static void ask(struct anvil *anvil, bool penalty,
		void (*fn)(void *ctx, unsigned number), void *ctx)
{
	struct question *question = mem_new(anvil, struct question);

	question->fn = fn;
	question->ctx = ctx;
	question->penalty = penalty;
	if (anvil->questions == NULL)
		conn_set_timeout(anvil->conn, (struct duration){ANSWER_MS});
	DL_APPEND(anvil->questions, question);
}

void anvil_count(struct anvil *anvil, const char *service, const char *user,
		 const struct ip *remote, void (*fn)(void *ctx, unsigned count),
		 void *fn_ctx)
{
	char *name;

	if (!reach(anvil)) {
		fn(fn_ctx, 0);
		return;
	}
	name = ident(anvil, service, user, remote);
	conn_printf(anvil->conn, "LOOKUP\t%s\n", name);
	mem_free(name);
	ask(anvil, false, fn, fn_ctx);
}

void anvil_penalty_add(struct anvil *anvil, const struct ip *remote,
		       uint32_t checksum)
{
	char text[IP_TEXT_MAX];

	if (remote->family != 0 && reach(anvil))
		conn_printf(anvil->conn, "PENALTY-INC\t%s\t%u\n",
			    ip_text(remote, text), checksum);
}

void anvil_penalty_clear(struct anvil *anvil, const struct ip *remote)
{
	char text[IP_TEXT_MAX];

	if (remote->family != 0 && reach(anvil))
		conn_printf(anvil->conn, "PENALTY-INC\t%s\t0\t0\n",
			    ip_text(remote, text));
}

void anvil_penalty_get(struct anvil *anvil, const struct ip *remote,
		       void (*fn)(void *ctx, unsigned seconds), void *fn_ctx)
{
	char text[IP_TEXT_MAX];

	if (remote->family == 0 || !reach(anvil)) {
		fn(fn_ctx, 0);
		return;
	}
	conn_printf(anvil->conn, "PENALTY-GET\t%s\n", ip_text(remote, text));
	ask(anvil, true, fn, fn_ctx);
}
