/* SPDX-License-Identifier: MIT */
/*
 * config/filter.c - which protocol, local and remote blocks apply, and the
 * sections that result.
 */
#include <string.h>

#include "base/str.h"
#include "config/tree.h"

static bool protocol_matches(const char *wanted, const char *protocol)
{
	if (protocol == NULL)
		return false;
	if (wanted[0] == '!')
		return strcmp(wanted + 1, protocol) != 0;
	return strcmp(wanted, protocol) == 0;
}

/* "*.example.org" stands for one label; more names may stand side by side. */
static bool host_matches(const char *wanted, const char *host)
{
	struct str rest = str_of(wanted), name;
	struct str given;

	if (host == NULL)
		return false;
	while (str_word(&rest, &name)) {
		given = str_of(host);
		if (str_starts(name, "*.")) {
			ptrdiff_t dot = str_find_char(given, '.');

			if (dot <= 0)
				continue;
			name = str_from(name, 1);
			given = str_from(given, (size_t)dot);
		}
		if (str_case_equal(name, given))
			return true;
	}
	return false;
}

static bool address_matches(const struct config_section *block,
			    const struct ip *ip)
{
	const char *networks = node_of(block)->networks;

	return ip->family != 0 &&
	       ip_in_networks(ip, networks != NULL ? networks : block->name);
}

static bool block_matches(const struct config_section *block,
			  const struct config_filter *filter)
{
	for (const struct config_section *at = filter->block; at != NULL;
	     at = at->parent) {
		if (at == block)
			return true;
	}
	if (strcmp(block->kind, "protocol") == 0)
		return protocol_matches(block->name, filter->protocol);
	if (strcmp(block->kind, "local_name") == 0)
		return host_matches(block->name, filter->local_name);
	if (strcmp(block->kind, "local") == 0)
		return address_matches(block, &filter->local);
	if (strcmp(block->kind, "remote") == 0)
		return address_matches(block, &filter->remote);
	return false;
}

bool filter_allows(const struct config_filter *filter,
		   const struct config_section *block)
{
	bool asked = strcmp(block->kind, "protocol") == 0
			     ? filter->protocol != NULL
		     : strcmp(block->kind, "local_name") == 0
			     ? filter->local_name != NULL
		     : strcmp(block->kind, "local") == 0
			     ? filter->local.family != 0
			     : filter->remote.family != 0;

	return !asked || block_matches(block, filter);
}

/* The more it says about the connection, the later it is applied; the narrower
 * of two networks wins. */
static unsigned block_weight(const struct config_section *block)
{
	unsigned weight = 0, bits;

	for (; block->parent != NULL; block = block->parent) {
		const char *slash = strchr(block->name, '/');

		if (strcmp(block->kind, "protocol") == 0) {
			weight += 1000;
			continue;
		}
		weight += 2000;
		if (slash != NULL &&
		    str_to_unsigned(str_of(slash + 1), &bits) && bits <= 128)
			weight += bits;
		else
			weight += 129;
	}
	return weight;
}

struct matches {
	const struct node **blocks;
	unsigned weight[BLOCKS_MAX];
	size_t count;
};

static void match_add(struct matches *matches, const struct node *block)
{
	unsigned weight = block_weight(&block->section);
	size_t at = matches->count;

	if (at == BLOCKS_MAX)
		return;
	for (; at > 0 && matches->weight[at - 1] > weight; at--) {
		matches->weight[at] = matches->weight[at - 1];
		matches->blocks[at] = matches->blocks[at - 1];
	}
	matches->weight[at] = weight;
	matches->blocks[at] = block;
	matches->count++;
}

/* As deep as blocks may nest: local, remote, protocol. */
static void match_below(const struct config_section *parent,
			const struct config_filter *filter,
			struct matches *matches)
{
	for (const struct config_section *at = parent->children; at != NULL;
	     at = at->next) {
		if (!kind_is_filter(at->kind) || !block_matches(at, filter))
			continue;
		match_add(matches, node_of(at));
		match_below(at, filter, matches);
	}
}

size_t filter_match(const struct config *config,
		    const struct config_filter *filter,
		    const struct node *blocks[BLOCKS_MAX])
{
	struct matches matches = {.blocks = blocks};

	if (filter != NULL)
		match_below(&config->root->section, filter, &matches);
	return matches.count;
}

void config_filter_key(const struct config *config,
		       const struct config_filter *filter, struct buf *out)
{
	const struct node *blocks[BLOCKS_MAX];
	size_t count = filter_match(config, filter, blocks);

	buf_append(out, blocks, count * sizeof(blocks[0]));
}

static const struct config_section *
filter_of(const struct config_section *first)
{
	while (first != NULL && !kind_is_filter(first->kind))
		first = first->next;
	return first;
}

const struct config_section *config_block_next(const struct config *config,
					       const struct config_section *at)
{
	const struct config_section *next;

	if (at == NULL)
		return filter_of(config->root->section.children);
	next = filter_of(at->children);
	while (next == NULL && at->parent != NULL) {
		next = filter_of(at->next);
		at = at->parent;
	}
	return next;
}

/* merged sections */

struct view {
	const struct node **blocks; /* that made it */
	size_t count;
	struct node *root;
	struct view *next;
};

static void merge_values(struct node *into, const struct node *from)
{
	for (size_t i = 0; i < from->count; i++) {
		const struct entry *entry = from->sorted[i];
		struct entry *copy =
			entry_set(into, entry->value.name, entry->value.value);
		struct config_value *next = copy->value.next;

		*copy = *entry;
		copy->value.next = next;
	}
}

static void merge_sections(struct node *into, const struct node *from)
{
	for (const struct config_section *at = from->section.children;
	     at != NULL; at = at->next) {
		if (!kind_is_filter(at->kind))
			node_merge_section(into, at);
	}
}

void node_merge_section(struct node *into, const struct config_section *from)
{
	struct node *child = node_find(into, from->kind, from->name);

	if (child == NULL) {
		child = node_new(into, into, from->kind, from->name);
		child->foreign = node_of(from)->foreign;
	}
	if (from->file != NULL) {
		child->section.file = from->file;
		child->section.line = from->line;
	}
	merge_values(child, node_of(from));
	merge_sections(child, node_of(from));
}

void node_merge(struct node *into, const struct node *from)
{
	merge_values(into, from);
	merge_sections(into, from);
}

static bool has_sections(const struct node *block)
{
	for (const struct config_section *at = block->section.children;
	     at != NULL; at = at->next) {
		if (!kind_is_filter(at->kind))
			return true;
	}
	return false;
}

/* Sections that only the block has come before those of the whole: so passdbs
 * and userdbs of a protocol are asked first, as in Dovecot. */
static void merge_in_front(struct node *into, const struct node *block)
{
	struct config_section *first = into->section.children;
	struct node *last = into->last_child;

	merge_sections(into, block);
	if (last == NULL || last == into->last_child)
		return;
	into->section.children = last->section.next;
	into->last_child->section.next = first;
	last->section.next = NULL;
	into->last_child = last;
}

void node_merge_block(struct node *into, const struct node *block)
{
	merge_values(into, block);
	merge_in_front(into, block);
}

static struct view *view_new(struct config *config, const struct node **blocks,
			     size_t count)
{
	struct view *view = mem_new(config, struct view);

	view->blocks = mem_memdup(view, blocks, count * sizeof(blocks[0]));
	view->count = count;
	view->root = node_new(view, NULL, "", "");
	merge_sections(view->root, config->presets);
	merge_sections(view->root, config->root);
	for (size_t i = 0; i < count; i++)
		merge_in_front(view->root, blocks[i]);
	view->next = config->views;
	config->views = view;
	return view;
}

void views_forget(struct config *config)
{
	while (config->views != NULL) {
		struct view *view = config->views;

		config->views = view->next;
		mem_free(view);
	}
}

/* The number of views is bound by the blocks of the configuration that have
 * sections in them, not by the connections that ask. */
const struct node *view_get(const struct config *config,
			    const struct config_filter *filter)
{
	const struct node *blocks[BLOCKS_MAX];
	size_t all = filter_match(config, filter, blocks), count = 0;

	for (size_t i = 0; i < all; i++) {
		if (has_sections(blocks[i]))
			blocks[count++] = blocks[i];
	}
	for (struct view *view = config->views; view != NULL;
	     view = view->next) {
		if (view->count == count &&
		    memcmp(view->blocks, blocks, count * sizeof(blocks[0])) ==
			    0)
			return view->root;
	}
	/* A view is a cache: the configuration stays what it was. */
	return view_new((struct config *)config, blocks, count)->root;
}
