/* SPDX-License-Identifier: MIT */
#include "lda/parting.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "net/sock.h"

enum { GRACE_MS = 10 * 1000, LAST_GRACE_MS = 3000 };

struct parting {
	struct partings *partings;
	int pidfd; /* can be read when it has ended */
	struct watch *watch;
	struct timer *timer;
	struct parting *prev, *next;
};

struct partings {
	struct loop *loop;
	struct parting *list;
};

void parting_kill(int pidfd)
{
	/* It may have ended by itself. */
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0 &&
	    errno != ESRCH)
		log_error("pidfd_send_signal(): %s", strerror(errno));
}

static int parting_free(struct parting *parting)
{
	DL_DELETE(parting->partings->list, parting);
	watch_free(&parting->watch);
	timer_free(&parting->timer);
	fd_close(&parting->pidfd);
	return 0;
}

static void ended(void *ctx, unsigned)
{
	struct parting *parting = ctx;

	mem_free(parting);
}

static void stays(void *ctx)
{
	struct parting *parting = ctx;

	parting_kill(parting->pidfd);
	mem_free(parting);
}

struct partings *partings_new(const void *ctx, struct loop *loop)
{
	struct partings *partings = mem_new(ctx, struct partings);

	partings->loop = loop;
	return partings;
}

void partings_add(struct partings *partings, int pidfd)
{
	struct parting *parting = mem_new(partings, struct parting);

	parting->partings = partings;
	parting->pidfd = pidfd;
	parting->watch =
		watch_new(partings->loop, pidfd, WATCH_READ, ended, parting);
	parting->timer = timer_new(partings->loop, (struct duration){GRACE_MS},
				   stays, parting);
	DL_APPEND(partings->list, parting);
	talloc_set_destructor(parting, parting_free);
}

void partings_end(struct partings *partings)
{
	uint64_t until = clock_monotonic_ms() + LAST_GRACE_MS;
	struct parting *one;
	struct err err;

	DL_FOREACH (partings->list, one) {
		if (sock_wait_any(&one->pidfd, 1, until, &err) < 0)
			parting_kill(one->pidfd);
	}
}
