/* SPDX-License-Identifier: MIT */
#include "net/loop_internal.h"

#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"

enum {
	TURNS_US = 5000, /* before it is looked who else is there */
	TURN_MS = 20,    /* of one, if he asks */
};

struct watch {
	struct loop *loop;
	struct event event;
	void (*on_ready)(void *ctx, unsigned events);
	void (*on_signal)(void *ctx, unsigned signal);
	void *ctx;
};

struct timer {
	struct loop *loop;
	struct event event;
	void (*fn)(void *ctx);
	void *ctx;
};

static int loop_destroy(struct loop *loop)
{
	/* Watches and timers that somebody forgot leave the base first. */
	talloc_free_children(loop);
	event_base_free(loop->base);
	return 0;
}

/* The changelist of libevent is not for us: a descriptor that was passed to
 * another process must have left epoll before it is closed here. And a
 * connection whose next turn is due at once, as more has come than it has room
 * for, must not keep epoll from telling of others. */
static struct event_base *base_new(void)
{
	static const struct timeval turns = {0, TURNS_US};
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config != NULL) {
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
		event_config_set_max_dispatch_interval(config, &turns, -1, 0);
		base = event_base_new_with_config(config);
		event_config_free(config);
	}
	if (base == NULL)
		log_fatal(EXIT_FAILURE, "Can't create an event loop");
	return base;
}

char loop_scratch[LOOP_SCRATCH];

/* Some ms more or less don't matter, but it is asked for each mail. */
static uint64_t coarse_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void loop_turn(struct loop *loop)
{
	loop->turn_ms = coarse_ms();
}

bool loop_turn_over(const struct loop *loop)
{
	return loop->turn_ms != 0 && coarse_ms() - loop->turn_ms >= TURN_MS;
}

struct loop *loop_new(void)
{
	struct loop *loop = mem_new(NULL, struct loop);

	loop->base = base_new();
	talloc_set_destructor(loop, loop_destroy);
	return loop;
}

void loop_free(struct loop **loop)
{
	mem_free(*loop);
	*loop = NULL;
}

void loop_run(struct loop *loop)
{
	while (!loop->stop) {
		void (*outside)(void *ctx) = loop->outside;

		if (outside != NULL) {
			loop->outside = NULL;
			outside(loop->outside_ctx);
			continue;
		}
		if (event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0)
			log_fatal(EXIT_FAILURE, "The event loop failed");
		loop->turn_ms = 0;
	}
	loop->stop = false;
}

void loop_stop(struct loop *loop)
{
	loop->stop = true;
	event_base_loopbreak(loop->base);
}

void loop_outside(struct loop *loop, void (*fn)(void *ctx), void *ctx)
{
	loop->outside = fn;
	loop->outside_ctx = ctx;
	event_base_loopbreak(loop->base);
}

void loop_reinit(struct loop *loop)
{
	if (event_reinit(loop->base) < 0)
		log_fatal(EXIT_FAILURE,
			  "The event loop can't go on after fork()");
	inotify_reinit(loop);
}

/* descriptors and signals */

static int watch_destroy(struct watch *watch)
{
	event_del(&watch->event);
	return 0;
}

static void ready(evutil_socket_t, short what, void *ctx)
{
	struct watch *watch = ctx;
	unsigned events = 0;

	if ((what & EV_READ) != 0)
		events |= WATCH_READ;
	if ((what & EV_WRITE) != 0)
		events |= WATCH_WRITE;
	loop_turn(watch->loop);
	watch->on_ready(watch->ctx, events);
}

struct watch *watch_new(struct loop *loop, int fd, unsigned events,
			void (*fn)(void *ctx, unsigned events), void *ctx)
{
	struct watch *watch = mem_new(loop, struct watch);
	short what = EV_PERSIST;

	if ((events & WATCH_READ) != 0)
		what |= EV_READ;
	if ((events & WATCH_WRITE) != 0)
		what |= EV_WRITE;
	watch->loop = loop;
	watch->on_ready = fn;
	watch->ctx = ctx;
	event_assign(&watch->event, loop->base, fd, what, ready, watch);
	event_add(&watch->event, NULL);
	talloc_set_destructor(watch, watch_destroy);
	return watch;
}

void watch_free(struct watch **watch)
{
	mem_free(*watch);
	*watch = NULL;
}

static void signalled(evutil_socket_t signal, short, void *ctx)
{
	struct watch *watch = ctx;

	loop_turn(watch->loop);
	watch->on_signal(watch->ctx, (unsigned)signal);
}

struct watch *watch_signal(struct loop *loop, int signal,
			   void (*fn)(void *ctx, unsigned signal), void *ctx)
{
	struct watch *watch = mem_new(loop, struct watch);

	watch->loop = loop;
	watch->on_signal = fn;
	watch->ctx = ctx;
	event_assign(&watch->event, loop->base, signal, EV_SIGNAL | EV_PERSIST,
		     signalled, watch);
	event_add(&watch->event, NULL);
	talloc_set_destructor(watch, watch_destroy);
	return watch;
}

/* timers */

struct timeval timeval_of(struct duration span)
{
	return (struct timeval){
		.tv_sec = (time_t)(span.ms / 1000),
		.tv_usec = (suseconds_t)(span.ms % 1000 * 1000),
	};
}

static int timer_destroy(struct timer *timer)
{
	event_del(&timer->event);
	return 0;
}

static void expired(evutil_socket_t, short, void *ctx)
{
	struct timer *timer = ctx;

	loop_turn(timer->loop);
	timer->fn(timer->ctx);
}

struct timer *timer_new(struct loop *loop, struct duration after,
			void (*fn)(void *ctx), void *ctx)
{
	struct timer *timer = mem_new(loop, struct timer);

	timer->loop = loop;
	timer->fn = fn;
	timer->ctx = ctx;
	event_assign(&timer->event, loop->base, -1, 0, expired, timer);
	talloc_set_destructor(timer, timer_destroy);
	timer_reset(timer, after);
	return timer;
}

void timer_reset(struct timer *timer, struct duration after)
{
	struct timeval span = timeval_of(after);

	event_add(&timer->event, &span);
}

void timer_free(struct timer **timer)
{
	mem_free(*timer);
	*timer = NULL;
}
