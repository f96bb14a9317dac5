/* SPDX-License-Identifier: MIT */
/*
 * storage/dotlock.h - PATH.lock, as all programs know it that change mail: made
 * exclusively, with "pid:host" in it. For drivers.
 *
 * A lock whose process is gone, or that nobody touched for long, is broken.
 */
#ifndef STORAGE_DOTLOCK_H
#define STORAGE_DOTLOCK_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

struct dotlock_rules {
	mode_t mode;
	unsigned stale_seconds;
	/* The same for one without text; 0: who makes one writes none. */
	unsigned empty_seconds;
	/* What it locks changes while it is held: it is stale when neither did.
	 */
	bool watch;
	/* Where the directory is not ours (/var/mail), mail_privileged_group
	 * opens it. */
	bool group;
};

/* ERR_EXISTS if somebody has it; one that is stale is gone then, for the next
 * try. */
int dotlock_try(const char *path, const struct dotlock_rules *rules,
		struct err *err);
/* The rules for files that only mail servers know. Waits; ERR_IN_USE. */
int dotlock_get(const char *path, mode_t mode, struct err *err);
/* Likewise before dotlock_get(), while nothing else is held: until whoever has
 * it gave it back. `max_ms`: 0 is until it is stale. */
int dotlock_wait(const char *path, uint64_t max_ms, struct err *err);
/* False: it was not there any more. */
bool dotlock_release(const char *path);

#endif
