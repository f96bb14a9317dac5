/* SPDX-License-Identifier: MIT */
#include "doveadm/progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/duration.h"

enum { BAR = 30, EVERY_MS = 100, LINE_MAX_LEN = 128 };

static bool busy; /* one is being shown */

static unsigned draw_known(const struct progress *progress, char *line)
{
	char bar[BAR + 1];
	uint64_t done = progress->done;
	unsigned filled;

	if (done > progress->total)
		done = progress->total;
	filled = (unsigned)(done * BAR / progress->total);
	memset(bar, '.', BAR);
	memset(bar, '#', filled);
	bar[BAR] = '\0';
	return (unsigned)snprintf(
		line, LINE_MAX_LEN, "%.30s [%s] %3u%% %llu / %llu",
		progress->what, bar, (unsigned)(done * 100 / progress->total),
		(unsigned long long)progress->done,
		(unsigned long long)progress->total);
}

static void draw(struct progress *progress)
{
	char line[LINE_MAX_LEN];
	unsigned len;

	if (progress->total > 0)
		len = draw_known(progress, line);
	else
		len = (unsigned)snprintf(line, sizeof(line), "%.30s %llu",
					 progress->what,
					 (unsigned long long)progress->done);
	/* What stood there may have been longer. */
	fprintf(stderr, "\r%s%*s", line,
		progress->width > len ? (int)(progress->width - len) : 0, "");
	if (len > progress->width)
		progress->width = len;
	fflush(stderr);
}

void progress_begin(struct progress *progress, const char *what, uint64_t total)
{
	*progress = (struct progress){.what = what, .total = total};
	progress->shown = !busy && isatty(STDERR_FILENO) != 0;
	if (!progress->shown)
		return;
	busy = true;
	progress->drawn_ms = clock_monotonic_ms();
}

void progress_step(struct progress *progress)
{
	uint64_t now;

	progress->done++;
	if (!progress->shown)
		return;
	now = clock_monotonic_ms();
	if (now - progress->drawn_ms < EVERY_MS)
		return;
	progress->drawn_ms = now;
	draw(progress);
}

void progress_end(struct progress *progress)
{
	if (!progress->shown)
		return;
	if (progress->width > 0)
		fprintf(stderr, "\r%*s\r", (int)progress->width, "");
	progress->shown = false;
	busy = false;
}
