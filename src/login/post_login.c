/* SPDX-License-Identifier: MIT */
#include "login/post_login.h"

#include <uthash.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "net/sock.h"
#include "service/handover.h"

struct waiting {
	uint32_t id;
	post_login_fn *fn;
	void *ctx;
	UT_hash_handle hh;
};

struct post_login {
	struct loop *loop;
	char *socket_path;
	int fd;
	struct watch *watch;
	struct buf in;
	struct waiting *waiting;
	uint32_t next_id;
};

static void tell(struct post_login *post, struct waiting *waiting,
		 const struct handover_reply *reply)
{
	post_login_fn *fn = waiting->fn;
	void *ctx = waiting->ctx;

	HASH_DEL(post->waiting, waiting);
	mem_free(waiting);
	fn(ctx, reply);
}

static void disconnect(struct post_login *post)
{
	struct waiting *waiting, *tmp;

	watch_free(&post->watch);
	fd_close(&post->fd);
	buf_reset(&post->in);
	HASH_ITER (hh, post->waiting, waiting, tmp)
		tell(post, waiting, NULL);
}

static void readable(void *ctx, unsigned ready)
{
	struct post_login *post = ctx;
	struct handover_reply reply;
	struct waiting *waiting;
	int passed = -1, ret;
	struct err err;
	size_t len;

	(void)ready;
	while ((ret = frame_recv(post->fd, &post->in, &passed, &len, &err)) >
	       0) {
		fd_close(&passed); /* nobody passes one this way */
		if (!handover_reply_unpack(str_n(post->in.data + 4, len),
					   &reply)) {
			log_error("%s sent a broken answer", post->socket_path);
			disconnect(post);
			return;
		}
		HASH_FIND(hh, post->waiting, &reply.id, sizeof(reply.id),
			  waiting);
		if (waiting != NULL)
			tell(post, waiting, &reply);
		frame_done(&post->in, len);
	}
	fd_close(&passed);
	if (ret < 0)
		disconnect(post);
}

static int connect_if_needed(struct post_login *post, struct err *err)
{
	if (post->fd >= 0)
		return 0;
	post->fd = sock_connect_unix(post->socket_path, err);
	if (post->fd < 0)
		return -1;
	post->watch =
		watch_new(post->loop, post->fd, WATCH_READ, readable, post);
	return 0;
}

static int post_login_free(struct post_login *post)
{
	struct waiting *waiting, *tmp;

	HASH_ITER (hh, post->waiting, waiting, tmp)
		HASH_DEL(post->waiting, waiting);
	watch_free(&post->watch);
	fd_close(&post->fd);
	buf_free(&post->in);
	return 0;
}

struct post_login *post_login_new(const void *ctx, struct loop *loop,
				  const char *socket_path)
{
	struct post_login *post = mem_new(ctx, struct post_login);

	post->loop = loop;
	post->socket_path = mem_strdup(post, socket_path);
	post->fd = -1;
	post->in = buf_init(FRAME_MAX + 4);
	talloc_set_destructor(post, post_login_free);
	return post;
}

static int send_now(struct post_login *post, const struct buf *frame, int fd,
		    struct err *err)
{
	if (connect_if_needed(post, err) < 0)
		return -1;
	return frame_send(post->fd, frame->data, frame->len, fd, err);
}

uint32_t post_login_send(struct post_login *post, struct handover *handover,
			 int fd, post_login_fn *fn, void *fn_ctx)
{
	CLEANUP(buf_free) struct buf frame = buf_init(FRAME_MAX);
	struct waiting *waiting;
	struct err err;

	if (++post->next_id == 0)
		post->next_id = 1;
	handover->id = post->next_id;
	handover_pack(handover, &frame);
	if (frame.overflow)
		err_set(&err, ERR_LIMIT, "too much input before login");
	if (frame.overflow || (send_now(post, &frame, fd, &err) < 0 &&
			       (disconnect(post), /* it may have restarted */
				send_now(post, &frame, fd, &err) < 0))) {
		log_error("%s: %s", post->socket_path, err.text);
		return 0;
	}
	waiting = mem_new(post, struct waiting);
	waiting->id = handover->id;
	waiting->fn = fn;
	waiting->ctx = fn_ctx;
	HASH_ADD(hh, post->waiting, id, sizeof(waiting->id), waiting);
	return waiting->id;
}

void post_login_forget(struct post_login *post, uint32_t id)
{
	struct waiting *waiting;

	HASH_FIND(hh, post->waiting, &id, sizeof(id), waiting);
	if (waiting == NULL)
		return;
	HASH_DEL(post->waiting, waiting);
	mem_free(waiting);
}
