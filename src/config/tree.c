/* SPDX-License-Identifier: MIT */
#include "config/tree.h"

#include <string.h>

static const struct kind kinds[] = {
	{"service", "", 0},
	{"unix_listener", "service", 0},
	{"fifo_listener", "service", 0},
	{"inet_listener", "service", 0},
	{"namespace", "", 0},
	{"mailbox", "namespace", 0},
	{"passdb", "", KIND_LIST},
	{"userdb", "", KIND_LIST},
	{"plugin", "", KIND_FREE},
	{"dict", "", KIND_FREE},
	{"metric", "", 0},
	{"event_exporter", "", 0},
	{"protocol", "", KIND_FILTER},
	{"local", "", KIND_FILTER},
	{"local_name", "", KIND_FILTER},
	{"remote", "", KIND_FILTER},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

const struct kind *kind_find(const char *parent, const char *name)
{
	if (kind_is_filter(parent))
		parent = "";
	for (size_t i = 0; i < KINDS; i++) {
		if (strcmp(kinds[i].name, name) == 0 &&
		    strcmp(kinds[i].parent, parent) == 0)
			return &kinds[i];
	}
	return NULL;
}

const struct kind *kind_anywhere(const char *name)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	}
	return NULL;
}

bool kind_is_filter(const char *name)
{
	const struct kind *kind = kind_anywhere(name);

	return kind != NULL && (kind->flags & KIND_FILTER) != 0;
}

struct config *config_new(const void *ctx, const char *path)
{
	struct config *config = mem_new(ctx, struct config);

	config->path = mem_strdup(config, path);
	config->root = node_new(config, NULL, "", "");
	config->presets = node_new(config, NULL, "", "");
	return config;
}

struct node *node_new(const void *ctx, struct node *parent, const char *kind,
		      const char *name)
{
	struct node *node = mem_new(ctx, struct node);

	node->section.kind = mem_strdup(node, kind);
	node->section.name = mem_strdup(node, name);
	if (parent == NULL)
		return node;
	node->section.parent = &parent->section;
	if (parent->last_child == NULL) {
		parent->section.children = &node->section;
	} else {
		node->number = parent->last_child->number + 1;
		parent->last_child->section.next = &node->section;
	}
	parent->last_child = node;
	return node;
}

/* A block without a name adds a section; plugin and dict are one each. */
static bool is_single(const struct kind *kind, const char *name)
{
	if (kind == NULL || (kind->flags & KIND_LIST) != 0)
		return false;
	return (kind->flags & KIND_FREE) != 0 || name[0] != '\0';
}

struct node *node_find(const struct node *parent, const char *kind,
		       const char *name)
{
	const struct kind *found = kind_find(parent->section.kind, kind);
	bool by_name = found == NULL || (found->flags & KIND_FREE) == 0;

	if (!is_single(found, name))
		return NULL;
	for (struct config_section *at = parent->section.children; at != NULL;
	     at = at->next) {
		if (strcmp(at->kind, kind) == 0 &&
		    (!by_name || strcmp(at->name, name) == 0))
			return node_of(at);
	}
	return NULL;
}

/* Where `name` is in node->sorted, or belongs. */
static size_t entry_place(const struct node *node, const char *name,
			  bool *found_out)
{
	size_t low = 0, high = node->count;

	*found_out = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int diff = strcmp(node->sorted[middle]->value.name, name);

		if (diff == 0) {
			*found_out = true;
			return middle;
		}
		if (diff < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct entry *entry_find(const struct node *node, const char *name)
{
	bool found;
	size_t at = entry_place(node, name, &found);

	return found ? node->sorted[at] : NULL;
}

static struct entry *entry_insert(struct node *node, size_t at)
{
	struct entry *entry = mem_new(node, struct entry);

	if (node->count == node->cap) {
		node->cap = node->cap == 0 ? 8 : node->cap * 2;
		node->sorted = mem_resize(node, node->sorted, struct entry *,
					  node->cap);
	}
	memmove(node->sorted + at + 1, node->sorted + at,
		(node->count - at) * sizeof(*node->sorted));
	node->sorted[at] = entry;
	node->count++;
	/* The public list is in the same order. */
	if (at == 0) {
		entry->value.next = node->section.values;
		node->section.values = &entry->value;
	} else {
		entry->value.next = node->sorted[at - 1]->value.next;
		node->sorted[at - 1]->value.next = &entry->value;
	}
	return entry;
}

struct entry *entry_set(struct node *node, const char *name, const char *value)
{
	bool found;
	size_t at = entry_place(node, name, &found);
	struct entry *entry = found ? node->sorted[at] : entry_insert(node, at);

	if (!found)
		entry->value.name = name;
	entry->value.value = value;
	entry->value.file = NULL;
	entry->value.line = 0;
	entry->raw = NULL;
	entry->path = NULL;
	return entry;
}

struct node *node_scope(struct node *node)
{
	while (node->section.parent != NULL &&
	       !kind_is_filter(node->section.kind))
		node = node_of(node->section.parent);
	return node;
}
