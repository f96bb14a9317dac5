/* SPDX-License-Identifier: MIT */
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "net/loop.h"
#include "net/sock.h"
#include "service/env.h"

void channel_open(struct channel *channel, struct loop *loop, int fd,
		  void (*fn)(void *ctx, unsigned events), void *ctx)
{
	channel->fd = fd;
	channel->passed = -1;
	channel->in = buf_init(FRAME_MAX + 4);
	channel->watch = watch_new(loop, fd, WATCH_READ, fn, ctx);
}

void channel_close(struct channel *channel)
{
	if (channel->watch == NULL)
		return;
	watch_free(&channel->watch);
	fd_close(&channel->passed);
	close(channel->fd);
	channel->fd = -1;
	buf_free(&channel->in);
}

int channel_next(struct channel *channel, struct str *frame, int *fd_out)
{
	struct err err;
	size_t len;
	int ret;

	*fd_out = -1;
	ret = frame_recv(channel->fd, &channel->in, &channel->passed, &len,
			 &err);
	if (ret > 0) {
		*frame = str_n(channel->in.data + 4, len);
		*fd_out = channel->passed;
		channel->passed = -1;
	} else if (ret < 0 && err.code != ERR_CLOSED) {
		log_error("%s", err.text);
	}
	return ret;
}

void channel_done(struct channel *channel, struct str frame)
{
	frame_done(&channel->in, frame.len);
	if (channel->in.len == 0)
		buf_free(&channel->in);
}

bool channel_send(struct channel *channel, const struct buf *frame, int fd)
{
	struct err err;

	if (channel->watch == NULL)
		return false;
	if (frame_send(channel->fd, frame->data, frame->len, fd, &err) == 0)
		return true;
	if (err.code != ERR_CLOSED)
		log_error("%s", err.text);
	return false;
}

bool channel_send_type(struct channel *channel, unsigned char type)
{
	struct buf frame = {.data = (char *)&type, .len = 1, .cap = 0};

	return channel_send(channel, &frame, -1);
}
