/* SPDX-License-Identifier: MIT */
/*
 * storage/thread_tree.c - trees of mails, and walking over them.
 */
#include "base/mem.h"
#include "storage/thread_core.h"

void tree_grow(struct tree *tree, const void *ctx, uint32_t count)
{
	if (count > tree->cap) {
		tree->cap = count + count / 2 + 16;
		tree->nodes = mem_resize(ctx, tree->nodes, struct tree_node,
					 tree->cap);
	}
	for (; tree->count < count; tree->count++)
		tree->nodes[tree->count] = (struct tree_node){
			NO_NODE, NO_NODE, NO_NODE, NO_NODE, NO_NODE, NO_NODE};
}

void tree_add_root(struct tree *tree, const void *ctx, uint32_t node)
{
	if (tree->root_count == tree->root_cap) {
		tree->root_cap = tree->root_cap == 0 ? 64 : tree->root_cap * 2;
		tree->roots =
			mem_resize(ctx, tree->roots, uint32_t, tree->root_cap);
	}
	tree->roots[tree->root_count++] = node;
}

void tree_add_child(struct tree *tree, uint32_t parent, uint32_t node)
{
	struct tree_node *above = &tree->nodes[parent];

	tree->nodes[node].parent = parent;
	if (above->first == NO_NODE)
		above->first = node;
	else
		tree->nodes[above->last].next = node;
	above->last = node;
}

/* walking */

/* Whether it stands in a row with its parent, not in parentheses of its own. */
static bool in_row(const struct tree *tree, uint32_t node)
{
	uint32_t parent = tree->nodes[node].parent;

	return parent != NO_NODE && tree->nodes[parent].mail != NO_NODE &&
	       tree->nodes[parent].first == tree->nodes[parent].last;
}

/* Parentheses that nest too deep are left out. */
static enum thread_step open_at(struct tree *tree, uint32_t node)
{
	tree->node = node;
	tree->step = THREAD_OPEN;
	return tree->depth++ < tree->depth_max ? THREAD_OPEN : THREAD_END;
}

static enum thread_step close(struct tree *tree)
{
	tree->step = THREAD_CLOSE;
	return --tree->depth < tree->depth_max ? THREAD_CLOSE : THREAD_END;
}

/* What follows the node itself: its children, or the end of its row. */
static enum thread_step below(struct tree *tree)
{
	uint32_t child = tree->nodes[tree->node].first;

	if (child == NO_NODE)
		return close(tree);
	if (!in_row(tree, child))
		return open_at(tree, child);
	tree->node = child;
	tree->step = THREAD_MAIL;
	return THREAD_MAIL;
}

/* A row has ended: what comes behind it. */
static enum thread_step behind(struct tree *tree)
{
	uint32_t node = tree->node;

	while (in_row(tree, node))
		node = tree->nodes[node].parent;
	if (tree->nodes[node].next != NO_NODE)
		return open_at(tree, tree->nodes[node].next);
	if (tree->nodes[node].parent != NO_NODE) {
		tree->node = tree->nodes[node].parent;
		return close(tree);
	}
	if (tree->root == tree->root_count) {
		tree->step = THREAD_END;
		return THREAD_END;
	}
	return open_at(tree, tree->roots[tree->root++]);
}

static enum thread_step start(struct tree *tree)
{
	if (tree->root == tree->root_count)
		return THREAD_END;
	return open_at(tree, tree->roots[tree->root++]);
}

static enum thread_step advance(struct tree *tree)
{
	switch (tree->step) {
	case THREAD_END:
		return start(tree);
	case THREAD_OPEN:
		tree->step = THREAD_MAIL;
		return tree->nodes[tree->node].mail == NO_NODE ? below(tree)
							       : THREAD_MAIL;
	case THREAD_MAIL:
		return below(tree);
	case THREAD_CLOSE:
		return behind(tree);
	}
	return THREAD_END;
}

enum thread_step thread_next(struct thread *thread, uint32_t *seq_out)
{
	struct tree *tree = &thread->tree;
	enum thread_step step;

	do {
		step = advance(tree);
	} while (step == THREAD_END && tree->step != THREAD_END);
	if (step == THREAD_MAIL)
		*seq_out = thread->mails[tree->nodes[tree->node].mail].seq;
	return step;
}
