/* SPDX-License-Identifier: MIT */
#include "storage/forest.h"

#include "base/mem.h"

enum { LEFT, RIGHT };

/* `up` is the parent in the splay tree, or, for its root, the node above the
 * path that the splay tree holds. */
struct node {
	uint32_t parent; /* in the forest */
	uint32_t up, child[2];
};

struct forest {
	struct node *nodes;
	uint32_t count, cap;
};

struct forest *forest_new(const void *ctx)
{
	return mem_new(ctx, struct forest);
}

void forest_grow(struct forest *forest, uint32_t count)
{
	if (count > forest->cap) {
		forest->cap = count < 256 ? 256 : count * 2;
		forest->nodes = mem_resize(forest, forest->nodes, struct node,
					   forest->cap);
	}
	for (; forest->count < count; forest->count++)
		forest->nodes[forest->count] = (struct node){
			FOREST_NONE, FOREST_NONE, {FOREST_NONE, FOREST_NONE}};
}

uint32_t forest_parent(const struct forest *forest, uint32_t node)
{
	return forest->nodes[node].parent;
}

/* the splay trees */

/* LEFT or RIGHT of its parent there; -1 for a root. */
static int side(const struct node *n, uint32_t x)
{
	uint32_t up = n[x].up;

	if (up == FOREST_NONE)
		return -1;
	if (n[up].child[LEFT] == x)
		return LEFT;
	return n[up].child[RIGHT] == x ? RIGHT : -1;
}

static void rotate(struct node *n, uint32_t x)
{
	uint32_t p = n[x].up, g = n[p].up;
	int s = side(n, x), above = side(n, p);
	uint32_t inner = n[x].child[!s];

	if (above >= 0)
		n[g].child[above] = x;
	n[p].child[s] = inner;
	if (inner != FOREST_NONE)
		n[inner].up = p;
	n[x].child[!s] = p;
	n[p].up = x;
	n[x].up = g;
}

static void splay(struct node *n, uint32_t x)
{
	int s, above;

	while ((s = side(n, x)) >= 0) {
		above = side(n, n[x].up);
		if (above >= 0)
			rotate(n, above == s ? n[x].up : x);
		rotate(n, x);
	}
}

/* The path from x to its root becomes one splay tree, with x at its top. */
static void expose(struct node *n, uint32_t x)
{
	uint32_t last = FOREST_NONE;

	for (uint32_t at = x; at != FOREST_NONE; at = n[at].up) {
		splay(n, at);
		n[at].child[RIGHT] = last;
		last = at;
	}
	splay(n, x);
}

static uint32_t root_of(struct node *n, uint32_t x)
{
	expose(n, x);
	while (n[x].child[LEFT] != FOREST_NONE)
		x = n[x].child[LEFT];
	splay(n, x);
	return x;
}

void forest_link(struct forest *forest, uint32_t node, uint32_t parent)
{
	struct node *n = forest->nodes;

	if (n[node].parent != FOREST_NONE || node == parent ||
	    root_of(n, parent) == node)
		return;
	expose(n, node);
	n[node].up = parent;
	n[node].parent = parent;
}

void forest_cut(struct forest *forest, uint32_t node)
{
	struct node *n = forest->nodes;
	uint32_t above;

	if (n[node].parent == FOREST_NONE)
		return;
	expose(n, node);
	above = n[node].child[LEFT];
	n[node].child[LEFT] = FOREST_NONE;
	if (above != FOREST_NONE)
		n[above].up = FOREST_NONE;
	n[node].parent = FOREST_NONE;
}
