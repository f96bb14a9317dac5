/* SPDX-License-Identifier: MIT */
#include "login/proxy_list.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "login/client.h"
#include "login/login.h"
#include "login/protocol.h"
#include "login/proxy.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/sock.h"

enum { INPUT_MAX = 1024, RECONNECT_MS = 1000 };

struct proxy_list {
	struct login *login;
	char *path;
	struct conn *conn; /* NULL: not connected */
	struct timer *timer;
	uint32_t last_id;
};

struct proxy_list *proxy_list_new(const void *ctx, struct login *login,
				  const char *socket_path)
{
	struct proxy_list *list = mem_new(ctx, struct proxy_list);

	list->login = login;
	list->path = mem_strdup(list, socket_path);
	return list;
}

static void tell(struct proxy_list *list, const struct client *client)
{
	char remote[IP_TEXT_MAX], there[IP_TEXT_MAX];
	char *user = str_tab_escape(NULL, str_of(client->user));

	conn_printf(list->conn, "PROXY\t%u\t%s\t%s\t%s\t%s\t%u%s\n",
		    client->to->id, user, client->protocol->name,
		    ip_text(&client->remote, remote),
		    ip_text(&client->to->ip, there), client->to->ip.port,
		    client->to->aliases.data);
	mem_free(user);
}

static void list_connect(void *ctx);

static void on_closed(void *ctx, const char *why)
{
	struct proxy_list *list = ctx;

	(void)why;
	conn_free(&list->conn);
	if (list->timer == NULL)
		list->timer = timer_new(list->login->loop,
					(struct duration){RECONNECT_MS},
					list_connect, list);
}

static struct client *find(const struct proxy_list *list, uint32_t id)
{
	struct client *client = list->login->clients;

	while (client != NULL && (client->to == NULL || client->to->id != id))
		client = client->next;
	return client;
}

/* "KICK <tab> id" */
static void on_input(void *ctx)
{
	struct proxy_list *list = ctx;
	ptrdiff_t end;

	while ((end = str_find_char(conn_input(list->conn), '\n')) >= 0) {
		struct str line =
			str_n(conn_input(list->conn).data, (size_t)end);
		struct client *client;
		struct str word;
		uint32_t id;

		if (str_split(&line, '\t', &word) && str_is(word, "KICK") &&
		    str_to_u32(line, &id)) {
			client = find(list, id);
			if (client != NULL)
				login_proxy_kick(client);
		}
		conn_consume(list->conn, (size_t)end + 1);
	}
	if (conn_input(list->conn).len >= INPUT_MAX)
		on_closed(list, "");
}

static const struct conn_events events = {
	.input = on_input,
	.closed = on_closed,
};

static void list_connect(void *ctx)
{
	struct proxy_list *list = ctx;
	const struct client *client;
	struct err err;
	int fd;

	timer_free(&list->timer);
	fd = sock_connect_unix(list->path, &err);
	if (fd < 0) {
		on_closed(list, err.text);
		return;
	}
	list->conn =
		conn_new(list, list->login->loop, fd, INPUT_MAX, &events, list);
	conn_printf(list->conn, "VERSION\tanvil\t1\t0\n");
	for (client = list->login->clients; client != NULL;
	     client = client->next) {
		if (client->to != NULL && client->to->id != 0)
			tell(list, client);
	}
}

void proxy_list_add(struct proxy_list *list, struct client *client)
{
	if (++list->last_id == 0)
		list->last_id = 1;
	client->to->id = list->last_id;
	if (list->conn != NULL)
		tell(list, client);
	else if (list->timer == NULL)
		list_connect(list);
}

void proxy_list_remove(struct proxy_list *list, struct client *client)
{
	if (list->conn != NULL && client->to->id != 0)
		conn_printf(list->conn, "PROXY-END\t%u\n", client->to->id);
}
