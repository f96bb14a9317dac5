/* SPDX-License-Identifier: MIT */
/*
 * net/loop.h - the event loop of a process: descriptors, timers, signals, and
 * watched files. libevent is behind it and nowhere else.
 *
 * There is one loop per process. Callbacks may free their own watch or timer.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/duration.h"

struct err;
struct loop;
struct watch;
struct timer;
struct notify;

struct loop *loop_new(void);
void loop_free(struct loop **loop);
/* Returns when loop_stop() was called. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* Call `fn` from loop_run() itself, outside of any callback, as soon as the one
 * that runs returns. fork() is for there: the child may then run the loop on. A
 * second call before that replaces the first. */
void loop_outside(struct loop *loop, void (*fn)(void *ctx), void *ctx);
/* After fork(): the child's copy works on its own. */
void loop_reinit(struct loop *loop);

enum { WATCH_READ = 1, WATCH_WRITE = 2 };
/* Called whenever `fd` is ready, until freed. The fd stays the caller's. */
struct watch *watch_new(struct loop *loop, int fd, unsigned events,
			void (*fn)(void *ctx, unsigned events), void *ctx);
void watch_free(struct watch **watch);

/* Called once, in `after` from now; timer_reset() starts it again. */
struct timer *timer_new(struct loop *loop, struct duration after,
			void (*fn)(void *ctx), void *ctx);
void timer_reset(struct timer *timer, struct duration after);
void timer_free(struct timer **timer);

/* Called, from the loop, when the signal came. */
struct watch *watch_signal(struct loop *loop, int signal,
			   void (*fn)(void *ctx, unsigned signal), void *ctx);

/* Files and directories that change (inotify). One instance per process serves
 * all its watches. Called once for a burst of changes. */
struct notify *notify_new(struct loop *loop, const char *const *paths,
			  unsigned count, void (*fn)(void *ctx), void *ctx,
			  struct err *err);
void notify_free(struct notify **notify);

#endif
