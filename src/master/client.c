/* SPDX-License-Identifier: MIT */
/*
 * master/client.c - doveadm's questions (protocol.h).
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/pack.h"
#include "master/master.h"
#include "master/protocol.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/sock.h"
#include "service/wire.h"

enum {
	CLIENTS_MAX = 32,
	ANSWER_MS = 2000,
	IDLE_MS = 60 * 1000,
	REPORT_MAX = 256 * 1024,
	REASON_MAX = 2000
};

struct master_client {
	struct master *master;
	struct conn *conn;
	struct timer *timer;
	char *question; /* a status that waits for processes to answer */
	struct master_client *prev, *next;
};

static void client_free(struct master_client *client)
{
	DL_DELETE(client->master->clients, client);
	timer_free(&client->timer);
	conn_free(&client->conn);
	mem_free(client);
}

static bool selected(const char *question, const char *name)
{
	struct str rest = str_of(question), one;

	str_split(&rest, '\t', &one);
	if (rest.data == NULL || rest.len == 0)
		return true;
	while (str_split(&rest, '\t', &one)) {
		if (str_is(one, name))
			return true;
	}
	return false;
}

struct row {
	uint32_t pid, clients, limit, total;
	uint64_t idle;
};

static bool row_next(struct unpack *in, struct row *row)
{
	row->pid = unpack_u32(in);
	row->clients = unpack_u32(in);
	row->limit = unpack_u32(in);
	row->total = unpack_u32(in);
	row->idle = unpack_u64(in);
	return !in->bad;
}

static void count_rows(const struct unit *unit, unsigned *all, unsigned *avail)
{
	const struct process *one;

	*all = *avail = 0;
	DL_FOREACH (unit->master->processes, one) {
		struct unpack in = {.in = str_n(one->rows.data, one->rows.len)};
		struct row row;

		if (strcmp(one->name, unit->name) != 0)
			continue;
		while (row_next(&in, &row)) {
			(*all)++;
			*avail += !one->retired && row.clients < row.limit;
		}
	}
}

static void put_unit(struct conn *conn, const struct unit *unit)
{
	bool watched = false;
	const struct listener *one;
	unsigned all, avail;

	count_rows(unit, &all, &avail);
	DL_FOREACH (unit->listeners, one)
		watched |= one->watch != NULL;
	conn_printf(
		conn,
		"%s\t%u\t%u\t%u\t%u\t%llu\t%llu\t%u\t%llu\t%c\t%c\t%c\t"
		"%u\n",
		unit->name, all, avail, unit->process_limit, unit->client_limit,
		(unsigned long long)(backoff_left_ms(&unit->backoff) + 999) /
			1000,
		(unsigned long long)unit->last_failure, unit->failures,
		(unsigned long long)unit->last_drop,
		unit_pending(unit) ? 'y' : 'n', watched ? 'y' : 'n',
		unit->stopped ? 'y' : 'n', unit->total);
}

static void put_process(struct conn *conn, const struct process *process)
{
	struct unpack in = {.in = str_n(process->rows.data, process->rows.len)};
	struct row row;

	while (row_next(&in, &row)) {
		conn_printf(conn, "%s\t%u\t%u\t%u\t%llu\t%llu\t%llu\n",
			    process->name, row.pid,
			    row.limit > row.clients ? row.limit - row.clients
						    : 0,
			    row.total, (unsigned long long)row.idle,
			    (unsigned long long)process->told,
			    (unsigned long long)process->killed);
	}
}

static void answer(struct master_client *client)
{
	struct master *master = client->master;
	const struct process *process;
	const struct unit *unit;

	timer_free(&client->timer);
	if (strncmp(client->question, "SERVICE", 7) == 0) {
		DL_FOREACH (master->units, unit) {
			if (selected(client->question, unit->name))
				put_unit(client->conn, unit);
		}
	} else {
		DL_FOREACH (master->processes, process) {
			if (selected(client->question, process->name))
				put_process(client->conn, process);
		}
	}
	conn_write(client->conn, "\n", 1);
	mem_free(client->question);
	client->question = NULL;
	conn_resume(client->conn);
}

void master_clients_update(struct master *master)
{
	struct master_client *client, *next;
	const struct process *one;

	DL_FOREACH (master->processes, one) {
		if (one->asked && one->channel.watch != NULL)
			return;
	}
	DL_FOREACH_SAFE(master->clients, client, next)
	{
		if (client->question != NULL)
			answer(client);
	}
}

/* A process that hangs is shown as it was. */
static void late(void *ctx)
{
	answer(ctx);
}

static void ask_all(struct master_client *client, struct str question)
{
	struct master *master = client->master;
	struct process *one;

	client->question = str_dup(client, question);
	conn_pause(client->conn);
	client->timer = timer_new(master->loop, (struct duration){ANSWER_MS},
				  late, client);
	DL_FOREACH (master->processes, one)
		one->asked = channel_send_type(&one->channel, WIRE_ASK);
	master_clients_update(master);
}

static void stop_service(struct master_client *client, struct str name)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "stop");
	struct unit *unit =
		unit_find(client->master->units, str_dup(ctx, name));

	if (unit == NULL) {
		conn_printf(client->conn, "-\tunknown service\n");
	} else if (unit->lasting) {
		conn_printf(client->conn, "-\tthe others need it\n");
	} else {
		master_stop_unit(unit);
		conn_printf(client->conn, "+\n");
	}
}

static void reload(struct master_client *client)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "reload");
	CLEANUP(buf_free) struct buf errors = buf_init(REPORT_MAX);

	if (client->master->stopping) {
		buf_add(&errors, "The server is being stopped");
	} else if (master_reload(client->master, &errors)) {
		conn_printf(client->conn, "+\n");
		return;
	}
	/* The log has all of it. */
	buf_truncate(&errors, REASON_MAX);
	conn_printf(client->conn, "-\t%s\n",
		    str_tab_escape(ctx, str_n(errors.data, errors.len)));
}

static void line(struct master_client *client, struct str text)
{
	if (str_starts(text, "VERSION\t")) {
		if (!str_starts(text, "VERSION\tmaster-client\t1\t"))
			conn_close_later(client->conn);
	} else if (str_is(text, "SERVICE-STATUS") ||
		   str_starts(text, "SERVICE-STATUS\t") ||
		   str_is(text, "PROCESS-STATUS") ||
		   str_starts(text, "PROCESS-STATUS\t")) {
		ask_all(client, text);
	} else if (str_starts(text, "SERVICE-STOP\t")) {
		stop_service(client, str_from(text, 13));
	} else if (str_is(text, "RELOAD")) {
		reload(client);
	} else {
		conn_printf(client->conn, "-\tunknown command\n");
	}
}

static void input(void *ctx)
{
	struct master_client *client = ctx;

	while (client->question == NULL) {
		struct str in = conn_input(client->conn), text;
		ptrdiff_t end = str_find_char(in, '\n');

		if (end < 0 && in.len >= MASTER_LINE_MAX) {
			client_free(client);
			return;
		}
		if (end < 0)
			return;
		text = str_n(in.data, (size_t)end);
		line(client, text);
		conn_consume(client->conn, (size_t)end + 1);
	}
}

static void closed(void *ctx, const char *)
{
	client_free(ctx);
}

static void drained(void *)
{
}

static const struct conn_events events = {
	.input = input,
	.drained = drained,
	.closed = closed,
};

static void accepted(void *ctx, unsigned)
{
	struct master *master = ctx;
	struct master_client *client;
	struct ip local, remote;
	struct err err;
	int count, fd = sock_accept(master->control->fd, &local, &remote, &err);

	if (fd < 0)
		return;
	DL_COUNT(master->clients, client, count);
	if (count >= CLIENTS_MAX) {
		close(fd);
		return;
	}
	client = mem_new(master, struct master_client);
	client->master = master;
	client->conn = conn_new(client, master->loop, fd, MASTER_LINE_MAX,
				&events, client);
	conn_set_timeout(client->conn, (struct duration){IDLE_MS});
	conn_printf(client->conn, "%s\n", MASTER_VERSION);
	DL_APPEND(master->clients, client);
}

int clients_listen(struct master *master, struct err *err)
{
	struct listener *control = mem_new(master, struct listener);

	control->path = mem_printf(control, "%s/%s", master->base.base_dir,
				   MASTER_SOCKET);
	control->fd =
		sock_listen_unix(control->path, 0600, -1, -1, CLIENTS_MAX, err);
	if (control->fd < 0)
		return -1;
	control->watch = watch_new(master->loop, control->fd, WATCH_READ,
				   accepted, master);
	master->control = control;
	return 0;
}

void clients_close(struct master *master)
{
	while (master->clients != NULL)
		client_free(master->clients);
	if (master->control == NULL)
		return;
	watch_free(&master->control->watch);
	close(master->control->fd);
	unlink(master->control->path);
	master->control = NULL;
}
