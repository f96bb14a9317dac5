/* SPDX-License-Identifier: MIT */
/*
 * doveadm/client.c - blocking lines over a unix socket.
 */
#include "doveadm/client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/sock.h"

enum { LINE_MAX_LEN = 64 * 1024, WAIT_MS = 60 * 1000 };

struct client {
	int fd;
	const char *path;
	struct buf in;
	size_t used; /* of the line that was given out last */
};

static int client_destroy(struct client *client)
{
	fd_close(&client->fd);
	buf_free(&client->in);
	return 0;
}

int client_open(const void *ctx, const char *path, struct client **out,
		struct err *err)
{
	int fd = sock_connect_unix(path, err);
	struct client *client;

	if (fd < 0)
		return -1;
	client = mem_new(ctx, struct client);
	client->fd = fd;
	client->path = mem_strdup(client, path);
	client->in = buf_init(LINE_MAX_LEN);
	talloc_set_destructor(client, client_destroy);
	*out = client;
	return 0;
}

static int wait_for(struct client *client, short events, struct err *err)
{
	struct pollfd poll_fd = {.fd = client->fd, .events = events};
	int ready;

	do {
		ready = poll(&poll_fd, 1, WAIT_MS);
	} while (ready < 0 && errno == EINTR);
	if (ready < 0)
		return err_sys(err, "poll(%s)", client->path);
	if (ready == 0)
		return err_set(err, ERR_TIMEOUT, "%s does not answer",
			       client->path);
	return 0;
}

int client_send(struct client *client, const char *fmt, ...)
{
	CLEANUP(buf_free) struct buf out = buf_init(LINE_MAX_LEN);
	size_t sent = 0;
	struct err err;
	va_list args;
	int result = 0;

	va_start(args, fmt);
	buf_vprintf(&out, fmt, args);
	va_end(args);
	if (out.overflow)
		return -1;
	while (sent < out.len) {
		ssize_t len =
			write(client->fd, out.data + sent, out.len - sent);

		if (len > 0)
			sent += (size_t)len;
		else if (errno != EAGAIN && errno != EINTR)
			result = -1;
		else if (wait_for(client, POLLOUT, &err) < 0)
			result = -1;
		if (result < 0)
			break;
	}
	mem_wipe(out.data, out.len); /* there may be a password in it */
	return result;
}

int client_line(struct client *client, struct str *line_out, struct err *err)
{
	buf_shift(&client->in, client->used);
	client->used = 0;
	for (;;) {
		struct str in = str_n(client->in.data, client->in.len);
		ptrdiff_t end = str_find_char(in, '\n');
		char *room;
		ssize_t len;

		if (end >= 0) {
			*line_out = str_n(in.data, (size_t)end);
			client->used = (size_t)end + 1;
			return 0;
		}
		room = buf_space(&client->in, 1024);
		if (room == NULL)
			return err_set(err, ERR_LIMIT, "Line from %s too long",
				       client->path);
		if (wait_for(client, POLLIN, err) < 0)
			return -1;
		len = read(client->fd, room, 1024);
		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (len < 0)
			return err_sys(err, "read(%s)", client->path);
		if (len == 0)
			return err_set(err, ERR_CLOSED, "read(%s) failed: EOF",
				       client->path);
		buf_grew(&client->in, (size_t)len);
	}
}

int client_ask_anvil(struct client *client, const char *command,
		     int (*fn)(void *ctx, struct str line, struct err *err),
		     void *ctx, struct err *err)
{
	struct str line;

	if (client_send(client, "VERSION\tanvil\t1\t0\n%s\n", command) < 0)
		return err_sys(err, "write(anvil)");
	for (;;) {
		int ret = client_line(client, &line, err);

		if (ret == 0 && line.len == 0)
			return 0;
		if (ret == 0)
			ret = fn(ctx, line, err);
		if (ret != 0)
			return ret;
	}
}

char *line_word(const void *ctx, struct str line, unsigned n)
{
	struct str rest = line, word;

	for (unsigned i = 0; str_split(&rest, '\t', &word); i++) {
		if (i == n)
			return str_tab_unescape(ctx, word);
	}
	return mem_strdup(ctx, "");
}
