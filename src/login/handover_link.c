/* SPDX-License-Identifier: MIT */
#include "login/handover_link.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "login/auth_link.h"
#include "login/client.h"
#include "login/login.h"
#include "login/protocol.h"
#include "net/conn.h"
#include "net/loop.h"
#include "net/sock.h"
#include "service/handover.h"

static const char internal_error[] =
	"Internal error occurred. Refer to server log for more information.";

struct handover_link {
	struct login *login;
	char *path;
	int fd;
	struct watch *watch;
	struct buf in;
	uint32_t last_id;
	struct client *waiting; /* by handover_id */
};

void handover_link_close(struct handover_link *link)
{
	watch_free(&link->watch);
	fd_close(&link->fd);
}

static int link_destroy(struct handover_link *link)
{
	handover_link_close(link);
	buf_free(&link->in);
	return 0;
}

struct handover_link *handover_link_new(const void *ctx, struct login *login,
					const char *socket_path)
{
	struct handover_link *link = mem_new(ctx, struct handover_link);

	link->login = login;
	link->path = mem_strdup(link, socket_path);
	link->fd = -1;
	link->in = buf_init(FRAME_MAX + 4);
	talloc_set_destructor(link, link_destroy);
	return link;
}

void handover_link_forget(struct handover_link *link, struct client *client)
{
	if (client->handover_id == 0)
		return;
	HASH_DELETE(hh_handover, link->waiting, client);
	client->handover_id = 0;
}

/* the client's way on */

static void proxy_done(void *ctx, uint64_t to_client, uint64_t to_session,
		       const char *why)
{
	(void)to_client;
	(void)to_session;
	(void)why;
	client_free(ctx);
}

static const struct conn_events no_events = {NULL, NULL, NULL, NULL};

/* A session has it; in TLS this process stays between. */
static void taken_over(struct client *client, uint32_t pid)
{
	client_log(client, pid, "Login");
	client->auth_id = 0; /* the token is used up */
	if (!client->tls) {
		client_free(client);
		return;
	}
	client->proxy = conn_new(client, client->login->loop, client->proxy_fd,
				 CLIENT_INPUT_MAX, &no_events, client);
	client->proxy_fd = -1;
	client->state = CLIENT_PROXY;
	client->login->proxies++;
	login_counted(client->login);
	mem_free(client->data);
	client->data = NULL;
	conn_join(client->conn, client->proxy, proxy_done, client);
}

static void not_taken(struct client *client, struct str code, struct str text)
{
	char *reason = str_sanitize(client, text, 512);

	fd_close(&client->proxy_fd);
	client->state = CLIENT_HANDOVER;
	client->protocol->no_session(client, code, str_of(reason));
	client_disconnect(client, "", reason);
}

static void lost(struct handover_link *link, const char *why)
{
	struct client *client, *next;

	watch_free(&link->watch);
	fd_close(&link->fd);
	buf_reset(&link->in);
	HASH_ITER (hh_handover, link->waiting, client, next) {
		log_error("%s: %s", link->path, why);
		handover_link_forget(link, client);
		not_taken(client, STR("[UNAVAILABLE]"), str_of(internal_error));
	}
}

static void answered(struct handover_link *link, struct str frame)
{
	struct handover_reply reply;
	struct client *client;

	if (!handover_reply_unpack(frame, &reply)) {
		lost(link, "its answer makes no sense");
		return;
	}
	HASH_FIND(hh_handover, link->waiting, &reply.id, sizeof(reply.id),
		  client);
	if (client == NULL)
		return;
	handover_link_forget(link, client);
	if (reply.ok)
		taken_over(client, reply.pid);
	else
		not_taken(client, reply.code, reply.message);
}

static void on_readable(void *ctx, unsigned events)
{
	struct handover_link *link = ctx;
	struct err err;
	size_t len;
	int fd = -1, ret;

	(void)events;
	while (link->fd >= 0 &&
	       (ret = frame_recv(link->fd, &link->in, &fd, &len, &err)) != 0) {
		fd_close(&fd);
		if (ret < 0) {
			lost(link, err.text);
			return;
		}
		answered(link, str_n(link->in.data + 4, len));
		if (link->fd >= 0)
			frame_done(&link->in, len);
	}
}

static int link_open(struct handover_link *link, struct err *err)
{
	if (link->fd >= 0)
		return 0;
	link->fd = sock_connect_unix(link->path, err);
	if (link->fd < 0)
		return -1;
	link->watch = watch_new(link->login->loop, link->fd, WATCH_READ,
				on_readable, link);
	return 0;
}

static void fill(const struct client *client, struct handover *out)
{
	const char *cookie = auth_link_cookie(client->login->auth);

	memset(out, 0, sizeof(*out));
	out->id = client->handover_id;
	out->token.client_pid = (uint32_t)getpid();
	out->token.request_id = client->auth_id;
	memcpy(out->token.cookie, cookie, strlen(cookie) + 1);
	out->local = client->local;
	out->remote = client->remote;
	out->flags = (client->secured ? HANDOVER_SECURED : 0) |
		     (client->tls ? HANDOVER_TLS : 0);
	out->session_id = str_of(client->session_id);
	out->tag = str_of(client->tag == NULL ? "" : client->tag);
	out->input = conn_input(client->conn);
	if (out->input.len == 0)
		out->input = STR("");
}

/* The descriptor for the session: the client's, or the other end of a pair
 * for what we decrypt. *close_out: ours to close after it was sent. */
static int session_fd(struct client *client, int *close_out, struct err *err)
{
	int pair[2];

	*close_out = -1;
	if (!client->tls)
		return conn_fd(client->conn);
	if (sock_pair(pair, err) < 0)
		return -1;
	client->proxy_fd = pair[0];
	*close_out = pair[1];
	return pair[1];
}

static int send_client(struct handover_link *link, struct client *client,
		       struct err *err)
{
	CLEANUP(buf_free) struct buf frame = buf_init(FRAME_MAX);
	CLEANUP(fd_close) int to_close = -1;
	struct handover handover;
	int fd;

	if (link_open(link, err) < 0)
		return -1;
	fd = session_fd(client, &to_close, err);
	if (fd < 0)
		return -1;
	fill(client, &handover);
	handover_pack(&handover, &frame);
	if (frame.overflow)
		return err_set(err, ERR_LIMIT, "too much input at once");
	return frame_send(link->fd, frame.data, frame.len, fd, err);
}

/* A service that ended has closed the connection, which nobody saw yet: its
 * successor listens on the same socket. */
static int send_again(struct handover_link *link, struct client *client,
		      struct err *err)
{
	fd_close(&client->proxy_fd);
	watch_free(&link->watch);
	fd_close(&link->fd);
	buf_reset(&link->in);
	return send_client(link, client, err);
}

void client_hand_over(struct client *client)
{
	struct handover_link *link = client->login->handover;
	struct err err;

	client->state = CLIENT_HANDOVER;
	if (++link->last_id == 0)
		link->last_id = 1;
	client->handover_id = link->last_id;
	HASH_ADD(hh_handover, link->waiting, handover_id,
		 sizeof(client->handover_id), client);
	if (send_client(link, client, &err) < 0 &&
	    (HASH_CNT(hh_handover, link->waiting) > 1 ||
	     send_again(link, client, &err) < 0)) {
		log_error("%s: %s", link->path, err.text);
		handover_link_forget(link, client);
		not_taken(client, STR("[UNAVAILABLE]"), str_of(internal_error));
		return;
	}
	/* What was read went along; behind TLS it must not come twice. */
	if (client->tls)
		conn_consume(client->conn, conn_input(client->conn).len);
}
