/* SPDX-License-Identifier: MIT */
/*
 * config/files.c - certificates and keys that were written as "<path", and
 * their files later on.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "config/setting.h"
#include "config/tree.h"

enum { TEXT_MAX = 1 << 20 };

struct change {
	struct entry *entry;
	const char *old;
	struct change *next;
};

struct config_renewal {
	struct config *config;
	struct change *changes;
};

static bool is_file(const struct entry *entry)
{
	const struct setting *row = setting_find("", entry->value.name);

	return row != NULL && row->kind == SETTING_FILE;
}

/* Call `fn` for the settings of kind SETTING_FILE; up to its first false. */
static bool each(const struct node *node,
		 bool (*fn)(void *ctx, struct entry *entry), void *ctx)
{
	for (size_t i = 0; i < node->count; i++) {
		if (is_file(node->sorted[i]) && !fn(ctx, node->sorted[i]))
			return false;
	}
	for (const struct config_section *at = node->section.children;
	     at != NULL; at = at->next) {
		if (kind_is_filter(at->kind) && !each(node_of(at), fn, ctx))
			return false;
	}
	return true;
}

struct asker {
	void (*fn)(void *ctx, const struct config_value *value,
		   const char *path);
	void *ctx;
};

static bool tell(void *ctx, struct entry *entry)
{
	const struct asker *asker = ctx;

	if (entry->path != NULL)
		asker->fn(asker->ctx, &entry->value, entry->path);
	return true;
}

void config_files_each(const struct config *config,
		       void (*fn)(void *ctx, const struct config_value *value,
				  const char *path),
		       void *ctx)
{
	struct asker asker = {fn, ctx};

	each(config->root, tell, &asker);
}

/* renewal */

struct work {
	struct config_renewal *renewal;
	const struct change *change;
	struct err *err;
};

static void put(struct config_renewal *renewal, struct entry *entry,
		const char *value)
{
	struct change *change = mem_new(renewal, struct change);

	change->entry = entry;
	change->old = entry->value.value;
	change->next = renewal->changes;
	renewal->changes = change;
	entry->value.value = value;
}

static bool renew(void *ctx, struct entry *entry)
{
	struct work *work = ctx;
	CLEANUP(buf_free) struct buf text = buf_init(TEXT_MAX);

	if (entry->path == NULL)
		return true;
	if (file_read(entry->path, &text, work->err) < 0) {
		err_wrap(work->err, "%s", entry->value.name);
		return false;
	}
	/* It is being written, and would switch TLS off. */
	if (text.len == 0 && *entry->value.value != '\0') {
		err_set(work->err, ERR_INVALID, "%s: File %s is empty",
			entry->value.name, entry->path);
		return false;
	}
	if (strlen(text.data) != text.len) {
		err_set(work->err, ERR_INVALID,
			"%s: File %s has NUL characters", entry->value.name,
			entry->path);
		return false;
	}
	if (strcmp(text.data, entry->value.value) != 0)
		put(work->renewal, entry,
		    mem_strndup(work->renewal->config, text.data, text.len));
	mem_wipe(text.data, text.len);
	return true;
}

/* "ssl_client_cert = $ssl_cert". */
static bool renew_copy(void *ctx, struct entry *entry)
{
	struct work *work = ctx;

	if (entry->path == NULL && entry->raw != NULL && entry->raw[0] == '$' &&
	    strcmp(entry->value.value, work->change->old) == 0)
		put(work->renewal, entry, work->change->entry->value.value);
	return true;
}

int config_files_renew(const void *ctx, struct config *config,
		       struct config_renewal **out, struct err *err)
{
	struct config_renewal *renewal = mem_new(ctx, struct config_renewal);
	struct work work = {.renewal = renewal, .err = err};

	renewal->config = config;
	if (!each(config->root, renew, &work)) {
		config_files_undo(&renewal);
		return -1;
	}
	for (work.change = renewal->changes; work.change != NULL;
	     work.change = work.change->next)
		each(config->root, renew_copy, &work);
	views_forget(config);
	if (renewal->changes == NULL) {
		mem_free(renewal);
		renewal = NULL;
	}
	*out = renewal;
	return 0;
}

/* Copies have the text of what they were copied from. */
static void end(struct config_renewal **renewal, bool undo)
{
	struct change *change = (*renewal)->changes;

	for (; change != NULL; change = change->next) {
		const char *gone = change->old;

		if (undo) {
			gone = change->entry->value.value;
			change->entry->value.value = change->old;
		}
		if (change->entry->path != NULL) {
			mem_wipe((char *)gone, strlen(gone));
			mem_free((char *)gone);
		}
	}
	views_forget((*renewal)->config);
	mem_free(*renewal);
	*renewal = NULL;
}

void config_files_undo(struct config_renewal **renewal)
{
	end(renewal, true);
}

void config_files_done(struct config_renewal **renewal)
{
	end(renewal, false);
}
