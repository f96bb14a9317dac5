/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>
#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "master/master.h"
#include "net/loop.h"
#include "net/sock.h"

enum { BACKLOG = 511, INHERIT_MAX = 64 };

/* Sockets of systemd's that no listener has claimed yet. */
static struct {
	int fds[INHERIT_MAX];
	int count;
} inherited;

void listeners_inherit(void)
{
#ifdef HAVE_SYSTEMD
	int count = sd_listen_fds(1);

	for (int i = 0; i < count && i < INHERIT_MAX; i++)
		inherited.fds[inherited.count++] = SD_LISTEN_FDS_START + i;
#endif
}

static bool same_address(const struct listener *a, const struct listener *b)
{
	if (a->path != NULL || b->path != NULL)
		return a->path != NULL && b->path != NULL &&
		       strcmp(a->path, b->path) == 0;
	return a->ip.port == b->ip.port && a->ip.family == b->ip.family &&
	       ip_equal(&a->ip, &b->ip);
}

static int take_inherited(const struct listener *listener)
{
	for (int i = 0; i < inherited.count; i++) {
		struct listener other = {0};
		char path[128];
		int fd = inherited.fds[i];

		if (fd < 0 || sock_name(fd, &other.ip, path, sizeof(path)) < 0)
			continue;
		other.path = path[0] != '\0' ? path : NULL;
		if (same_address(listener, &other)) {
			inherited.fds[i] = -1;
			fcntl(fd, F_SETFL, O_NONBLOCK);
			return fd;
		}
	}
	return -1;
}

static struct listener *find_same(struct unit *units,
				  const struct listener *wanted)
{
	struct unit *unit;
	struct listener *one;

	DL_FOREACH (units, unit) {
		DL_FOREACH (unit->listeners, one) {
			if (one->fd >= 0 && !one->taken &&
			    same_address(one, wanted))
				return one;
		}
	}
	return NULL;
}

static int bind_unix(struct listener *listener, struct err *err)
{
	char *dir = path_parent(listener, listener->path);

	if (dir_create(dir, 0755, err) < 0)
		return -1;
	return sock_listen_unix(listener->path, listener->mode, listener->uid,
				listener->gid, BACKLOG, err);
}

/* -1: failed; 0: bound, or left out because there is no such family. */
static int bind_one(struct listener *listener)
{
	char text[IP_TEXT_MAX];
	struct err err;

	listener->fd = take_inherited(listener);
	if (listener->fd >= 0)
		return 0;
	if (listener->path != NULL) {
		listener->fd = bind_unix(listener, &err);
		if (listener->fd >= 0)
			return 0;
		log_error("service(%s): %s", listener->unit->name, err.text);
		return -1;
	}
	listener->fd = sock_listen_ip(&listener->ip, BACKLOG,
				      listener->reuse_port, &err);
	if (listener->fd >= 0)
		return 0;
	if (listener->optional &&
	    (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL ||
	     errno == EPROTONOSUPPORT))
		return 0;
	log_error("%s", err.text);
	log_error("service(%s): listen(%s, %u) failed: %s",
		  listener->unit->name, ip_text(&listener->ip, text),
		  listener->ip.port, strerror(errno));
	return -1;
}

/* Undo: what was of `old` stays there, what is new goes. */
static void unbind(struct unit *units, struct unit *old)
{
	struct unit *unit;
	struct listener *one;

	DL_FOREACH (units, unit) {
		DL_FOREACH (unit->listeners, one) {
			if (one->fd >= 0 && !one->taken) {
				close(one->fd);
				if (one->path != NULL)
					unlink(one->path);
			}
			one->fd = -1;
		}
	}
	DL_FOREACH (old, unit) {
		DL_FOREACH (unit->listeners, one)
			one->taken = false;
	}
}

int listeners_bind(struct unit *units, struct unit *old)
{
	struct unit *unit;
	struct listener *one, *same;
	int ret = 0;

	DL_FOREACH (units, unit) {
		DL_FOREACH (unit->listeners, one) {
			same = find_same(old, one);
			if (same != NULL) {
				one->fd = same->fd;
				one->taken = true;
				same->taken = true;
			} else if (bind_one(one) < 0) {
				ret = -1;
			}
		}
	}
	if (ret < 0) {
		unbind(units, old);
		return -1;
	}
	DL_FOREACH (units, unit) {
		DL_FOREACH (unit->listeners, one)
			one->taken = false;
	}
	return 0;
}

void listeners_close(struct unit *units)
{
	struct unit *unit;
	struct listener *one;

	DL_FOREACH (units, unit) {
		unit_watch(unit, false);
		DL_FOREACH (unit->listeners, one) {
			if (one->fd < 0 || one->taken)
				continue;
			close(one->fd);
			one->fd = -1;
			if (one->path != NULL)
				unlink(one->path);
		}
	}
}

static void knock(void *ctx, unsigned)
{
	struct listener *listener = ctx;

	unit_start(listener->unit);
}

void unit_watch(struct unit *unit, bool on)
{
	struct listener *one;

	DL_FOREACH (unit->listeners, one) {
		if (!on)
			watch_free(&one->watch);
		else if (one->watch == NULL && one->fd >= 0)
			one->watch = watch_new(unit->master->loop, one->fd,
					       WATCH_READ, knock, one);
	}
}

bool unit_pending(const struct unit *unit)
{
	const struct listener *one;

	DL_FOREACH (unit->listeners, one) {
		struct pollfd ready = {.fd = one->fd, .events = POLLIN};

		if (one->fd >= 0 && poll(&ready, 1, 0) > 0)
			return true;
	}
	return false;
}
