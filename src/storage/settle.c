/* SPDX-License-Identifier: MIT */
#include "storage/settle.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/duration.h"
#include "index/index.h"
#include "net/loop.h"

enum { SETTLE_MS = 1000 };

static struct timer *timer; /* of this process, for good */
static bool running;

static void settle(void *ctx)
{
	struct duration again = index_settle(false);

	(void)ctx;
	running = again.ms != 0;
	if (running)
		timer_reset(timer, again);
}

static void settle_all(void)
{
	index_settle(true);
}

void storage_settle_at_end(void)
{
	index_settle_on_close();
}

void storage_settle_later(struct loop *loop)
{
	const struct duration after = {.ms = SETTLE_MS};

	if (running)
		return;
	running = true;
	if (timer != NULL) {
		timer_reset(timer, after);
		return;
	}
	timer = timer_new(loop, after, settle, NULL);
	atexit(settle_all);
}
