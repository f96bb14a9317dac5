/* SPDX-License-Identifier: MIT */
/*
 * storage/thread_core.h - what the algorithms of THREAD share.
 *
 * Nothing here recurses: trees may be as deep as there are mails. And all of it
 * works in pieces of time: a function that takes a deadline returns false when
 * it wants to be called again.
 */
#ifndef STORAGE_THREAD_CORE_H
#define STORAGE_THREAD_CORE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/thread.h"

struct forest;
struct order;

enum { NO_NODE = UINT32_MAX };

/* A mail, or something that mails answer and that is not there: a dummy. */
struct tree_node {
	uint32_t mail; /* index of thread->mails; NO_NODE: a dummy */
	uint32_t parent;
	uint32_t first, last, next; /* children; the next of the parent's */
	uint32_t work;              /* the algorithm's */
};

struct tree {
	struct tree_node *nodes;
	uint32_t count, cap;
	uint32_t *roots; /* in their order */
	uint32_t root_count, root_cap;
	/* thread_next() */
	uint32_t root, node;
	unsigned depth, depth_max;
	enum thread_step step;
};

/* Nodes without anything up to `count` - 1. */
void tree_grow(struct tree *tree, const void *ctx, uint32_t count);
void tree_add_root(struct tree *tree, const void *ctx, uint32_t node);
/* At the end of the parent's children. */
void tree_add_child(struct tree *tree, uint32_t parent, uint32_t node);

struct thread_mail {
	uint32_t seq;
	uint32_t node;
	uint32_t subject; /* number of the base subject */
	bool reply;
	int64_t date;
};

struct thread {
	enum thread_kind kind;
	struct mailbox *box;
	struct search *search; /* NULL: it is done */
	struct mail_reader *reader;
	unsigned opened; /* mails that were not in the index */
	uint64_t memory_max;
	struct thread_mail *mails;
	uint32_t count, cap;
	struct intern *ids, *subjects;
	uint32_t subject_count, empty_subject;
	struct forest *forest;
	struct order *order;
	const uint32_t *sorted; /* order's result: indices of mails */
	enum { THREAD_READ, THREAD_SORT, THREAD_BUILD, THREAD_DONE } phase;
	/* of the algorithm */
	unsigned stage;
	uint32_t at;
	uint32_t *table; /* REFERENCES: roots by subject */
	struct order *roots_order;
	struct tree tree;
};

/* Whether it is time, asked with each `at`. */
bool thread_late(uint32_t at, uint64_t deadline);
bool thread_build_references(struct thread *thread, uint64_t deadline);
bool thread_build_ordered_subject(struct thread *thread, uint64_t deadline);

#endif
