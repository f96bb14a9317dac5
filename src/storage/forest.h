/* SPDX-License-Identifier: MIT */
/*
 * storage/forest.h - who answers whom: nodes with parents, and never a loop.
 *
 * Hostile mail makes chains a million long, so that walking up to look for a
 * loop would take n * n; a link-cut tree (Sleator, Tarjan 1983) beside the
 * parents finds a node's root in log n.
 */
#ifndef STORAGE_FOREST_H
#define STORAGE_FOREST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FOREST_NONE = UINT32_MAX };

struct forest;

/* Child of ctx. */
struct forest *forest_new(const void *ctx);
/* Nodes up to `count` - 1 exist, without parents at first. */
void forest_grow(struct forest *forest, uint32_t count);
/* FOREST_NONE for a root. */
uint32_t forest_parent(const struct forest *forest, uint32_t node);
/* Nothing happens if `node` has a parent, or if it would make a loop. */
void forest_link(struct forest *forest, uint32_t node, uint32_t parent);
/* Make it a root. */
void forest_cut(struct forest *forest, uint32_t node);

#endif
