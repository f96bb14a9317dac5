/* SPDX-License-Identifier: MIT */
/*
 * service/manager_wait.c - clients that wait for a worker while there are
 * process_limit of them, as long as Dovecot lets them.
 */
#include <utlist.h>

#include "base/duration.h"
#include "net/loop.h"
#include "service/manager.h"

enum { WAIT_MS = 10 * 1000 };

static void give_up(struct request *request)
{
	DL_DELETE(request->manager->queue, request);
	request_failed(request, "[UNAVAILABLE]",
		       "Too many sessions at this time. Try again later.");
}

static void watch_queue(struct manager *manager);

static void tick(void *ctx)
{
	struct manager *manager = ctx;
	uint64_t now = clock_monotonic_ms();
	struct request *one, *next;

	timer_free(&manager->queue_timer);
	DL_FOREACH_SAFE(manager->queue, one, next)
	{
		if (one->wait_until_ms <= now)
			give_up(one);
	}
	watch_queue(manager);
}

/* They stand in the order of their ends, but for those that were let in and
 * came too late: these are looked at with the next one. */
static void watch_queue(struct manager *manager)
{
	uint64_t now = clock_monotonic_ms(), until;

	if (manager->queue == NULL) {
		timer_free(&manager->queue_timer);
		return;
	}
	if (manager->queue_timer != NULL)
		return;
	until = manager->queue->wait_until_ms;
	manager->queue_timer =
		timer_new(manager->env->loop,
			  (struct duration){until > now ? until - now : 0},
			  tick, manager);
}

void wait_for_room(struct request *request)
{
	if (request->wait_until_ms == 0)
		request->wait_until_ms = clock_monotonic_ms() + WAIT_MS;
	DL_APPEND(request->manager->queue, request);
	watch_queue(request->manager);
}

void wait_is_over(struct manager *manager)
{
	struct request *first = manager->queue;

	if (first == NULL || !pool_can_take(first))
		return;
	DL_DELETE(manager->queue, first);
	watch_queue(manager);
	request_admit(first);
}

void wait_stop(struct manager *manager)
{
	struct request *one, *next;

	DL_FOREACH_SAFE(manager->queue, one, next)
	{
		give_up(one);
	}
	timer_free(&manager->queue_timer);
}
