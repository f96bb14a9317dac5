/* SPDX-License-Identifier: MIT */
/*
 * base/duration.h - spans of time, as settings and timers use them; clocks.
 */
#ifndef BASE_DURATION_H
#define BASE_DURATION_H
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct duration {
	uint64_t ms;
};

/* Never goes back; for time-outs and measuring. */
uint64_t clock_monotonic_ms(void);
uint64_t clock_monotonic_us(void);
/* Wall clock in microseconds since 1970. */
uint64_t clock_real_us(void);
/* "2026-02-28 13:14:15", the local time now; returns `out`. */
const char *clock_local(char *out, size_t size);

#endif
