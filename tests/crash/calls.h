/* SPDX-License-Identifier: MIT */
/*
 * tests/crash/calls.h - the C library's calls that change files, replaced in
 * the program that links this, also for LMDB: a test may look at each one, let
 * it fail, or end.
 */
#ifndef TESTS_CRASH_CALLS_H
#define TESTS_CRASH_CALLS_H
#include <sys/stat.h>

struct calls {
	/* Before a call; `path` is NULL where there is only a descriptor.
	 * Returns 0, or the errno that the call fails with. */
	int (*before)(void *ctx, const char *call, const char *path);
	/* What was done; NULL: of no interest. */
	void (*made)(int dir_fd, const char *path);
	void (*renamed)(int from_fd, const char *from, int to_fd,
			const char *to, const struct stat *what);
	void (*removed)(int dir_fd, const char *path);
	void (*synced)(int fd);
};

/* From now on; NULL: no more. Calls that the functions make are not watched. */
void calls_watch(const struct calls *calls, void *ctx);
/* From now on fsync() does nothing: for tests where no power goes. */
void calls_skip_sync(void);

#endif
