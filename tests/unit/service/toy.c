/* SPDX-License-Identifier: MIT */
/*
 * A service that answers each line with what it knows of itself; for
 * tests/integration/test_processes.py.
 *
 *	pid, uid, root	of the process, and what "/" holds
 *	crash, exit	kill -9 itself, exit(1)
 *	open, exec	try what a sandbox forbids
 *	anything else	comes back
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "service/service.h"

enum { LINE_MAX_LEN = 1000 };

struct client {
	struct service_env *env;
	struct conn *conn;
	struct client *next;
};

static struct client *clients;

static void client_end(struct client *client)
{
	struct client **at = &clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	conn_free(&client->conn);
	service_client_end(client->env);
	mem_free(client);
}

static void answer(struct client *client, struct str line)
{
	char *const args[] = {"true", NULL};

	if (str_is(line, "pid"))
		conn_printf(client->conn, "%d\n", (int)getpid());
	else if (str_is(line, "uid"))
		conn_printf(client->conn, "%u\n", geteuid());
	else if (str_is(line, "root"))
		conn_printf(client->conn, "%s\n",
			    access("/etc/passwd", F_OK) == 0 ? "real"
							     : "changed");
	else if (str_is(line, "open"))
		conn_printf(client->conn, "%s\n",
			    open("/", O_RDONLY) < 0 ? strerror(errno) : "ok");
	else if (str_is(line, "exec"))
		execv("/bin/true", args);
	else if (str_is(line, "crash"))
		raise(SIGKILL);
	else if (str_is(line, "exit"))
		exit(1);
	else if (str_is(line, "log"))
		log_error("toy error");
	else
		conn_printf(client->conn, "%.*s\n", STR_FMT(line));
}

static void input(void *ctx)
{
	struct client *client = ctx;
	ptrdiff_t end;

	while ((end = str_find_char(conn_input(client->conn), '\n')) >= 0) {
		answer(client,
		       str_n(conn_input(client->conn).data, (size_t)end));
		conn_consume(client->conn, (size_t)end + 1);
	}
	if (conn_input(client->conn).len >= LINE_MAX_LEN)
		client_end(client);
}

static void closed(void *ctx, const char *why)
{
	(void)why;
	client_end(ctx);
}

static void drained(void *ctx)
{
	client_end(ctx);
}

static const struct conn_events events = {
	.input = input,
	.drained = drained,
	.closed = closed,
};

static void take_client(struct service_env *env,
			const struct service_client *from)
{
	struct client *client = mem_new(NULL, struct client);
	char text[IP_TEXT_MAX];

	client->env = env;
	client->next = clients;
	clients = client;
	client->conn = conn_new(client, service_loop(env), from->fd,
				LINE_MAX_LEN, &events, client);
	conn_printf(client->conn, "hello %s\n", ip_text(&from->remote, text));
}

static void stop(struct service_env *env, const char *reason)
{
	struct client *client;

	(void)env;
	for (client = clients; client != NULL; client = client->next) {
		conn_printf(client->conn, "%s\n", reason);
		conn_close_later(client->conn);
	}
}

static const struct service toy_service = {
	.name = "toy",
	.sandbox = 0,
	.accept = take_client,
	.stop = stop,
};

int main(int argc, char **argv)
{
	return service_run(&toy_service, argc, argv);
}
