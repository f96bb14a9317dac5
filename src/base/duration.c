/* SPDX-License-Identifier: MIT */
#include "base/duration.h"

static uint64_t clock_us(clockid_t id)
{
	struct timespec now;

	/* Can't fail: both clocks exist on every Linux. */
	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_monotonic_ms(void)
{
	return clock_us(CLOCK_MONOTONIC) / 1000;
}

uint64_t clock_monotonic_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

uint64_t clock_real_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

const char *clock_local(char *out, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	if (strftime(out, size, "%Y-%m-%d %H:%M:%S",
		     localtime_r(&now, &tm)) == 0)
		out[0] = '\0';
	return out;
}
