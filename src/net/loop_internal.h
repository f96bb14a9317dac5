/* SPDX-License-Identifier: MIT */
/*
 * net/loop_internal.h - what the files of net/ share of the loop.
 */
#ifndef NET_LOOP_INTERNAL_H
#define NET_LOOP_INTERNAL_H
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>

#include "net/loop.h"

/* Reads pass through one buffer of the process, so that an idle connection
 * keeps none. What was never read into costs no memory. */
enum { LOOP_SCRATCH = 64 * 1024 };
extern char loop_scratch[LOOP_SCRATCH];

struct inotify;

struct loop {
	struct event_base *base;
	bool stop;
	void (*outside)(void *ctx);
	void *outside_ctx;
	struct inotify *inotify;
	uint64_t turn_ms; /* since when somebody has his turn; 0: nobody */
};

/* Somebody is called: his turn begins. */
void loop_turn(struct loop *loop);
/* Whether it has lasted so long that others should have theirs. */
bool loop_turn_over(const struct loop *loop);

struct timeval timeval_of(struct duration span);
/* The loop is in a new process: what was watched is to be watched here too. */
void inotify_reinit(struct loop *loop);

#endif
