/* SPDX-License-Identifier: MIT */
/*
 * doveadm/progress.h - how far long work is: one line on a terminal, drawn
 * again and again; nothing where stderr is none.
 */
#ifndef DOVEADM_PROGRESS_H
#define DOVEADM_PROGRESS_H
#include <stdint.h>

/* Begin work of `total` steps; 0: nobody knows how many. `what` must live as
 * long as the work. One inside another is not shown. */
struct progress {
	const char *what;
	uint64_t done, total;
	uint64_t drawn_ms; /* when it was drawn last; 0: not shown */
	int shown;         /* on a terminal, and the outermost */
	unsigned width;    /* octets of the line that stands there */
};

void progress_begin(struct progress *progress, const char *what,
		    uint64_t total);
/* One more step is done. */
void progress_step(struct progress *progress);
/* Take the line away. */
void progress_end(struct progress *progress);

#endif
