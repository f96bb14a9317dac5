/* SPDX-License-Identifier: MIT */
/*
 * index/index.c - the environments that a process has open.
 */
#include "index/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "index/env.h"
#include "index/walk.h"

static struct index *registry;
static unsigned keep_open = 4;
static bool settle_on_close;

static void registry_remove(struct index *index)
{
	for (struct index **at = &registry; *at != NULL; at = &(*at)->next) {
		if (*at == index) {
			*at = index->next;
			return;
		}
	}
}

/* Damage that was met in the middle of it may not be seen when it is opened
 * again: who does that must find a new one. */
static void handle_free(struct index *index)
{
	bool move = index->damaged && !index->memory && !index->look &&
		    !index_gone(index);
	struct err ignored;

	registry_remove(index);
	env_close(index);
	if (move)
		env_move_damaged(index, &ignored);
	mem_free(index);
}

/* Close the handles that were idle for longest, down to `max`. */
static void trim(unsigned max)
{
	for (;;) {
		struct index *oldest = NULL;
		unsigned idle = 0;

		for (struct index *at = registry; at != NULL; at = at->next) {
			if (at->users > 0)
				continue;
			idle++;
			if (oldest == NULL ||
			    at->idle_since < oldest->idle_since)
				oldest = at;
		}
		if (idle <= max)
			return;
		handle_free(oldest);
	}
}

static struct index *find_open(const char *dir)
{
	for (struct index *at = registry; at != NULL; at = at->next) {
		if (!at->memory && at->env != NULL && strcmp(at->dir, dir) == 0)
			return at;
	}
	return NULL;
}

static struct index *handle_new(const char *dir, mode_t mode)
{
	struct index *index = mem_new(NULL, struct index);

	lmdb_guard_install();
	index->dir = mem_strdup(index, dir);
	index->data_path = mem_printf(index, "%s/data.mdb", dir);
	index->damaged_path = mem_printf(index, "%s.damaged", index->data_path);
	index->suspect_path = mem_printf(index, "%s/suspect", dir);
	index->wait_note = mem_printf(
		index,
		"index %s: still waiting for another process that "
		"writes to it; `fuser %s/lock.mdb` shows who has it open\n",
		dir, dir);
	index->damaged_note = mem_printf(
		index, "index %s is damaged; its file is moved to %s\n", dir,
		index->damaged_path);
	index->mode = mode & 0666;
	return index;
}

int index_open(const char *dir, mode_t mode, struct index **out,
	       struct err *err)
{
	struct index *index = find_open(dir);

	if (index != NULL && index->users == 0 &&
	    (index->damaged || index_gone(index))) {
		handle_free(index);
		index = NULL;
	}
	if (index == NULL) {
		index = handle_new(dir, mode);
		if (env_open_any(index, err) < 0) {
			mem_free(index);
			return -1;
		}
		index->next = registry;
		registry = index;
	}
	index->users++;
	*out = index;
	return 0;
}

int index_open_look(const char *dir, struct index **out, struct err *err)
{
	struct index *index = handle_new(dir, 0600);

	index->look = true;
	if (env_open_look(index, err) < 0) {
		env_close(index);
		mem_free(index);
		return -1;
	}
	index->users++;
	*out = index;
	return 0;
}

int index_open_memory(const char *temp_dir, struct index **out, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "memory");
	char *dir = mem_printf(ctx, "%s/dovetail.XXXXXX", temp_dir);
	struct index *index;
	struct err ignored;
	int ret;

	if (mkdtemp(dir) == NULL)
		return err_sys(err, "mkdtemp(%s)", dir);
	index = handle_new(dir, 0600);
	index->memory = true;
	ret = env_open(index, err);
	dir_remove(dir, &ignored);
	if (ret < 0) {
		env_close(index);
		mem_free(index);
		return -1;
	}
	index->next = registry;
	registry = index;
	index->users = 1;
	*out = index;
	return 0;
}

void index_close(struct index **index)
{
	struct index *old = *index;

	if (old == NULL)
		return;
	*index = NULL;
	old->users--;
	if (old->users > 0)
		return;
	if (settle_on_close)
		clean_settle(old, true);
	if (old->memory || old->look || old->damaged || old->txns > 0) {
		handle_free(old);
		return;
	}
	old->idle_since = clock_monotonic_us();
	trim(keep_open);
}

void index_settle_on_close(void)
{
	settle_on_close = true;
	index_keep_open(0);
}

void index_keep_open(unsigned max)
{
	keep_open = max;
	trim(max);
}

struct duration index_settle(bool now)
{
	uint64_t soonest = 0;

	for (struct index *index = registry; index != NULL;
	     index = index->next) {
		uint64_t ms = clean_settle(index, now);

		if (ms != 0 && (soonest == 0 || ms < soonest))
			soonest = ms;
	}
	return (struct duration){.ms = soonest};
}

void index_rest(void)
{
	/* The kernel maps sixteen pages for each that is touched; a new
	 * mapping of the same size has none. */
	for (struct index *index = registry; index != NULL;
	     index = index->next) {
		if (index->txns == 0 && !index->damaged)
			lmdb_env_rest(index);
	}
}

void index_after_fork(void)
{
	/* LMDB's handles are of the process that opened them. Closing them here
	 * would free reader slots of the parent. */
	registry = NULL;
}

uint64_t index_generation(struct index *index)
{
	return lmdb_last_txn(index);
}

uint64_t index_txn_generation(struct index_txn *txn)
{
	return lmdb_txn_id(txn);
}

uint64_t index_size(struct index *index)
{
	return lmdb_used(index);
}
