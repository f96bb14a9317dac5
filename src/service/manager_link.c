/* SPDX-License-Identifier: MIT */
/*
 * service/manager_link.c - connections from login processes. Whoever has taken
 * one of them over must not keep the others out.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pack.h"
#include "net/loop.h"
#include "net/sock.h"
#include "service/manager.h"
#include "service/peers.h"

enum {
	OUT_MAX = 1024 * 1024, /* answers that a process does not read */
	REST_MS = 1000,
	DROP_MS = 20,
};

/* answers */

static void flush(struct link *link);

static void writable(void *ctx, unsigned)
{
	flush(ctx);
}

static void flush(struct link *link)
{
	int fd = link->channel.fd;
	ssize_t done = send(fd, link->out.data, link->out.len,
			    MSG_DONTWAIT | MSG_NOSIGNAL);

	if (done > 0)
		buf_shift(&link->out, (size_t)done);
	else if (errno != EAGAIN && errno != EINTR) /* reading finds the end */
		buf_free(&link->out);
	if (link->out.len == 0) {
		buf_free(&link->out);
		watch_free(&link->writable);
	} else if (link->writable == NULL) {
		link->writable = watch_new(link->manager->env->loop, fd,
					   WATCH_WRITE, writable, link);
	}
}

void link_send(struct link *link, const struct buf *frame)
{
	pack_str(&link->out, str_n(frame->data, frame->len));
	if (!link->out.overflow) {
		flush(link);
		return;
	}
	log_error("Login process %d does not read its answers", link->pid);
	buf_free(&link->out);
	shutdown(link->channel.fd, SHUT_RDWR);
}

/* who waits for them */

static void leave_list(struct request *list, const struct link *link)
{
	struct request *one;

	DL_FOREACH (list, one) {
		if (one->link == link)
			one->link = NULL;
	}
}

static void link_free(struct link *link)
{
	struct manager *manager = link->manager;
	struct pool_worker *worker;

	leave_list(manager->requests, link);
	leave_list(manager->queue, link);
	DL_FOREACH (manager->workers, worker)
		leave_list(worker->waiting, link);
	DL_DELETE(manager->links, link);
	peers_leave(&manager->peers, link->pid);
	watch_free(&link->writable);
	buf_free(&link->out);
	channel_close(&link->channel);
	mem_free(link);
	manager_check_end(manager);
}

static bool is_in(const struct request *list, const struct link *link)
{
	const struct request *one;

	DL_FOREACH (list, one) {
		if (one->link == link)
			return true;
	}
	return false;
}

static bool link_waits(const struct link *link)
{
	const struct manager *manager = link->manager;
	const struct pool_worker *worker;

	DL_FOREACH (manager->workers, worker) {
		if (is_in(worker->waiting, link))
			return true;
	}
	return link->out.len > 0 || is_in(manager->requests, link) ||
	       is_in(manager->queue, link);
}

void links_drop(void *ctx)
{
	struct manager *manager = ctx;
	struct link *link, *next;

	timer_reset(manager->drop, (struct duration){DROP_MS});
	DL_FOREACH_SAFE(manager->links, link, next)
	{
		if (!link_waits(link))
			link_free(link);
	}
	if (manager->links == NULL)
		timer_free(&manager->drop);
}

/* what they say */

static void link_readable(void *ctx, unsigned)
{
	struct link *link = ctx;
	struct str frame;
	int fd, ret;

	ret = channel_next(&link->channel, &frame, &fd);
	if (ret == 0)
		return;
	if (ret > 0 && request_handed(link, frame, fd)) {
		channel_done(&link->channel, frame);
		return;
	}
	if (ret > 0)
		log_error("Malformed message from a login process");
	link_free(link);
}

static void link_add(struct manager *manager, int fd)
{
	struct link *link;
	struct err err;
	pid_t pid;

	if (peers_enter(&manager->peers, fd, &pid, &err) < 0) {
		log_error("%s", err.text);
		close(fd);
		return;
	}
	link = mem_new(manager, struct link);
	link->manager = manager;
	link->pid = pid;
	link->out = buf_init(OUT_MAX);
	channel_open(&link->channel, manager->env->loop, fd, link_readable,
		     link);
	DL_APPEND(manager->links, link);
}

static void listen_again(void *ctx)
{
	struct manager *manager = ctx;

	timer_free(&manager->rest);
	links_listen(manager);
}

/* Descriptors are used up: who comes may wait, others may go. */
static void rest(struct manager *manager)
{
	struct service_env *env = manager->env;

	for (unsigned i = 0; i < env->listener_count; i++)
		watch_free(&env->listeners[i].watch);
	manager->rest = timer_new(env->loop, (struct duration){REST_MS},
				  listen_again, manager);
}

static void link_accept(void *ctx, unsigned)
{
	struct served *one = ctx;
	struct manager *manager = one->env->role;
	struct ip local, remote;
	struct err err;
	int fd = sock_accept(one->fd, &local, &remote, &err);

	if (fd >= 0) {
		link_add(manager, fd);
	} else if (errno != EAGAIN && errno != ECONNABORTED) {
		log_error("%s", err.text);
		rest(manager);
	}
}

void links_listen(struct manager *manager)
{
	struct service_env *env = manager->env;

	for (unsigned i = 0; i < env->listener_count; i++) {
		struct served *one = &env->listeners[i];

		one->watch = watch_new(env->loop, one->fd, WATCH_READ,
				       link_accept, one);
	}
}
