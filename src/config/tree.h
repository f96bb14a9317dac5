/* SPDX-License-Identifier: MIT */
/*
 * config/tree.h - what struct config is made of; for the files of config/ and
 * for doveconf.
 */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H
#include "base/mem.h"
#include "config/config.h"

/* A value and how it was written. */
struct entry {
	struct config_value value; /* first, so that one is the other */
	/* As doveconf shows it without -x: variables of other settings and
	 * "<path" are left; NULL if it is value.value. */
	const char *raw;
	const char *path; /* of "<path"; not in a snapshot */
};

/* A section and the order of its values by name. */
struct node {
	struct config_section section; /* first */
	struct entry **sorted;
	size_t count, cap;
	struct node *last_child;
	/* Of a local or remote block that has a host's name: its addresses. */
	const char *networks;
	unsigned number; /* among its parent's children */
	bool foreign;    /* a preset of CONFIG_FOREIGN */
};

struct view;

struct config {
	char *path;
	struct node *root;    /* what the files say */
	struct node *presets; /* the default services */
	struct view *views;   /* merged sections, made when first needed */
	bool has_filters;
};

static inline struct node *node_of(const struct config_section *section)
{
	return (struct node *)section;
}

/* kinds of sections */

enum {
	KIND_LIST = 1 << 0,   /* each block is a new one: passdb */
	KIND_FREE = 1 << 1,   /* any name may be set in it: plugin */
	KIND_FILTER = 1 << 2, /* its settings are those of the parent */
};

struct kind {
	const char *name, *parent;
	unsigned flags;
};

/* NULL if `name` is no section that may stand in one of kind `parent`. */
const struct kind *kind_find(const char *parent, const char *name);
bool kind_is_filter(const char *name);
/* A kind with that name in whatever parent, for suggestions. */
const struct kind *kind_anywhere(const char *name);

/* nodes */

struct config *config_new(const void *ctx, const char *path);
/* A new section below `parent` (NULL: a root); kind and name are copied. */
struct node *node_new(const void *ctx, struct node *parent, const char *kind,
		      const char *name);
/* The child of that kind and name, or NULL; unnamed sections of a list are
 * never found. */
struct node *node_find(const struct node *parent, const char *kind,
		       const char *name);
struct entry *entry_find(const struct node *node, const char *name);
/* Set a value; one of that name is overwritten. Texts are not copied. */
struct entry *entry_set(struct node *node, const char *name, const char *value);
/* The nearest section up from `node`, itself included, that is the root or a
 * filter: where the top-level settings are. */
struct node *node_scope(struct node *node);

/* Put the values and sections (filters left out) of `from` over those of
 * `into`. Texts are shared. */
void node_merge(struct node *into, const struct node *from);
/* The same with a protocol, local or remote block that applies. */
void node_merge_block(struct node *into, const struct node *block);
void node_merge_section(struct node *into, const struct config_section *from);

/* presets */

/* Fill config->presets from CONFIG_PRESETs. */
void presets_load(struct config *config);
/* Put the final values into presets such as "$default_internal_user". */
void presets_expand(struct config *config);

/* filters */

enum { BLOCKS_MAX = 256 };

/* The filter blocks that match, the most special last; returns how many. */
size_t filter_match(const struct config *config,
		    const struct config_filter *filter,
		    const struct node *blocks[BLOCKS_MAX]);

/* Whether a block may match, as far as the filter says anything. */
bool filter_allows(const struct config_filter *filter,
		   const struct config_section *block);

/* Sections of presets, root and matching blocks merged. */
const struct node *view_get(const struct config *config,
			    const struct config_filter *filter);
/* After a change. */
void views_forget(struct config *config);

#endif
