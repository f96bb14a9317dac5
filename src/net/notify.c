/* SPDX-License-Identifier: MIT */
/*
 * net/notify.c - files and directories that change.
 *
 * Two watches of one directory get the same number from the kernel, so a
 * number has a list of those who wait for it, and inotify forgets it with the
 * last of them.
 */
#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <utlist.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/loop_internal.h"

enum {
	/* Of what is in a directory, the end of writing is enough: a log that
	 * lies beside a certificate is written to all the time. */
	DIR_CHANGES = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
		      IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF,
	/* Of one that somebody has open, the links change when it goes. */
	FILE_CHANGES = IN_MODIFY | IN_CLOSE_WRITE | IN_DELETE_SELF |
		       IN_MOVE_SELF | IN_ATTRIB,
};

struct notify {
	struct loop *loop;
	int *numbers; /* of inotify; -1 where it forgot the file itself */
	const char **paths;
	unsigned count;
	bool changed;
	void (*fn)(void *ctx);
	void *ctx;
	struct notify *prev, *next;
};

struct inotify {
	struct loop *loop;
	int fd;
	struct watch *watch;
	struct notify *all;
};

static bool number_used(const struct inotify *inotify, int number)
{
	for (const struct notify *one = inotify->all; one != NULL;
	     one = one->next) {
		for (unsigned i = 0; i < one->count; i++) {
			if (one->numbers[i] == number)
				return true;
		}
	}
	return false;
}

static void mark(struct inotify *inotify, const struct inotify_event *event)
{
	struct notify *one;

	DL_FOREACH (inotify->all, one) {
		for (unsigned i = 0; i < one->count; i++) {
			/* After an overflow anything may have changed. */
			if (one->numbers[i] == event->wd || event->wd < 0)
				one->changed = true;
			if (one->numbers[i] == event->wd &&
			    (event->mask & IN_IGNORED) != 0)
				one->numbers[i] = -1;
		}
	}
}

static void call_marked(struct inotify *inotify)
{
	struct notify *one;

	/* A callback may free any of them: start over after each. */
again:
	DL_FOREACH (inotify->all, one) {
		if (one->changed) {
			one->changed = false;
			one->fn(one->ctx);
			goto again;
		}
	}
}

static void inotify_read(void *ctx, unsigned)
{
	struct inotify *inotify = ctx;
	_Alignas(struct inotify_event) char data[4096];
	ssize_t got;

	while ((got = read(inotify->fd, data, sizeof(data))) > 0) {
		for (ssize_t at = 0; at < got;) {
			const struct inotify_event *event =
				(const void *)(data + at);

			mark(inotify, event);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
	call_marked(inotify);
}

static int inotify_destroy(struct inotify *inotify)
{
	watch_free(&inotify->watch);
	close(inotify->fd);
	inotify->loop->inotify = NULL;
	return 0;
}

static int inotify_get(struct loop *loop, struct inotify **out, struct err *err)
{
	int fd;

	if (loop->inotify == NULL) {
		fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		if (fd < 0)
			return err_sys(err, "inotify_init()");
		loop->inotify = mem_new(loop, struct inotify);
		loop->inotify->loop = loop;
		loop->inotify->fd = fd;
		loop->inotify->watch = watch_new(loop, fd, WATCH_READ,
						 inotify_read, loop->inotify);
		mem_steal(loop->inotify, loop->inotify->watch);
		talloc_set_destructor(loop->inotify, inotify_destroy);
	}
	*out = loop->inotify;
	return 0;
}

static int notify_destroy(struct notify *notify)
{
	struct inotify *inotify = notify->loop->inotify;

	if (inotify == NULL)
		return 0;
	DL_DELETE(inotify->all, notify);
	for (unsigned i = 0; i < notify->count; i++) {
		if (notify->numbers[i] >= 0 &&
		    !number_used(inotify, notify->numbers[i]))
			inotify_rm_watch(inotify->fd, notify->numbers[i]);
	}
	return 0;
}

static int watch_add(const struct inotify *inotify, const char *path)
{
	int number = inotify_add_watch(inotify->fd, path,
				       DIR_CHANGES | IN_ONLYDIR);

	if (number < 0 && errno == ENOTDIR)
		number = inotify_add_watch(inotify->fd, path, FILE_CHANGES);
	return number;
}

static int add_paths(struct inotify *inotify, struct notify *notify,
		     struct err *err)
{
	for (unsigned i = 0; i < notify->count; i++) {
		notify->numbers[i] = watch_add(inotify, notify->paths[i]);
		/* A mailbox may lack one of its directories; what else fails
		 * is a limit of the kernel. */
		if (notify->numbers[i] < 0 && errno != ENOENT)
			return err_sys(err, "inotify_add_watch(%s)",
				       notify->paths[i]);
	}
	return 0;
}

struct notify *notify_new(struct loop *loop, const char *const *paths,
			  unsigned count, void (*fn)(void *ctx), void *ctx,
			  struct err *err)
{
	struct inotify *inotify = NULL;
	struct notify *notify;

	if (inotify_get(loop, &inotify, err) < 0)
		return NULL;
	notify = mem_new(loop, struct notify);
	notify->loop = loop;
	notify->count = count;
	notify->numbers = mem_array(notify, int, count);
	notify->paths = mem_array(notify, const char *, count);
	for (unsigned i = 0; i < count; i++) {
		notify->numbers[i] = -1;
		notify->paths[i] = mem_strdup(notify, paths[i]);
	}
	notify->fn = fn;
	notify->ctx = ctx;
	DL_APPEND(inotify->all, notify);
	talloc_set_destructor(notify, notify_destroy);
	if (add_paths(inotify, notify, err) < 0)
		notify_free(&notify);
	return notify;
}

void notify_free(struct notify **notify)
{
	mem_free(*notify);
	*notify = NULL;
}

void inotify_reinit(struct loop *loop)
{
	struct inotify *inotify = loop->inotify;
	struct notify *one;
	struct err err;

	if (inotify == NULL)
		return;
	/* The instance is shared with the parent, who reads it too. */
	watch_free(&inotify->watch);
	close(inotify->fd);
	inotify->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	inotify->watch =
		watch_new(loop, inotify->fd, WATCH_READ, inotify_read, inotify);
	DL_FOREACH (inotify->all, one) {
		if (add_paths(inotify, one, &err) < 0)
			one->changed = true;
	}
}
