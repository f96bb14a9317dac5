/* SPDX-License-Identifier: MIT */
/*
 * log/errors.c - the last errors, for `doveadm log errors`.
 */
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "log/log.h"
#include "log/protocol.h"
#include "net/conn.h"
#include "service/service.h"

enum { LINE_MAX_OUT = 2 * LOG_LINE_MAX, SEND_MS = 10 * 1000 };

struct errors {
	char *lines[LOG_KEEP]; /* a ring */
	size_t next;
};

struct errors *errors_new(const void *ctx)
{
	return mem_new(ctx, struct errors);
}

void errors_add(struct errors *errors, const struct entry *entry)
{
	static const char *const names[] = {"debug", "info",  "warning",
					    "error", "fatal", "panic"};
	char **line = &errors->lines[errors->next];
	char *prefix, *text;

	if (entry->level < LOG_LEVEL_WARNING)
		return;
	mem_free(*line);
	prefix = str_tab_escape(errors, entry->prefix);
	text = str_tab_escape(errors, entry->text);
	*line = mem_printf(errors, "%s\t%lld\t%s: \t%s\n", names[entry->level],
			   (long long)time(NULL), prefix, text);
	mem_free(prefix);
	mem_free(text);
	errors->next = (errors->next + 1) % LOG_KEEP;
}

/* a reader */

struct reader {
	struct service_env *env;
	struct conn *conn;
};

static void done(struct reader *reader)
{
	service_client_end(reader->env);
	conn_free(&reader->conn);
	mem_free(reader);
}

static void sent(void *ctx)
{
	done(ctx);
}

static void closed(void *ctx, const char *)
{
	done(ctx);
}

/* Nothing that a reader says means anything. */
static void ignored(void *ctx)
{
	struct reader *reader = ctx;

	conn_consume(reader->conn, conn_input(reader->conn).len);
}

static const struct conn_events events = {
	.input = ignored,
	.drained = sent,
	.closed = closed,
};

void errors_serve(struct errors *errors, struct service_env *env,
		  const struct service_client *client)
{
	struct reader *reader = mem_new(errors, struct reader);

	reader->env = env;
	reader->conn = conn_new(reader, service_loop(env), client->fd,
				LINE_MAX_OUT, &events, reader);
	conn_set_timeout(reader->conn, (struct duration){SEND_MS});
	for (size_t i = 0; i < LOG_KEEP; i++) {
		const char *line = errors->lines[(errors->next + i) % LOG_KEEP];

		if (line != NULL)
			conn_printf(reader->conn, "%s", line);
	}
	conn_close_later(reader->conn);
}
