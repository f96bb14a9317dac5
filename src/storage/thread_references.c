/* SPDX-License-Identifier: MIT */
/*
 * storage/thread_references.c - REFERENCES (RFC 5256 section 3) and REFS, from
 * step 2 on.
 *
 * The RFC sorts sets of siblings again and again. Here all mails are sorted
 * once; whatever takes them in that order makes lists that are sorted.
 */
#include "base/mem.h"
#include "storage/forest.h"
#include "storage/thread_core.h"

enum stage {
	LIFT,      /* each mail below the next mail above it: step 3 */
	DISSOLVE,  /* dummies with one child: step 3 */
	LIST,      /* threads in their order: step 4 */
	TABULATE,  /* step 5.B */
	MERGE,     /* step 5.C */
	PLACE,     /* sorted siblings: step 6 */
	BACKWARDS, /* REFS: threads by their newest mail */
	BUILT,
};

static bool is_dummy(const struct thread *thread, uint32_t node)
{
	return thread->tree.nodes[node].mail == NO_NODE;
}

static struct tree_node *node_at(struct thread *thread, uint32_t node)
{
	return &thread->tree.nodes[node];
}

static uint32_t node_of_sorted(const struct thread *thread, uint32_t at)
{
	return thread->mails[thread->sorted[at]].node;
}

/* step 3 */

/* What mails below a dummy answer: the next mail above, or the topmost dummy.
 * Written into all dummies on the way, so that all of them together take linear
 * time. */
static uint32_t lift(struct thread *thread, uint32_t dummy)
{
	uint32_t top = dummy, at, up;

	while (is_dummy(thread, top) &&
	       node_at(thread, top)->parent == NO_NODE) {
		up = forest_parent(thread->forest, top);
		if (up == FOREST_NONE)
			break;
		top = up;
	}
	if (is_dummy(thread, top) && node_at(thread, top)->parent != NO_NODE)
		top = node_at(thread, top)->parent;
	for (at = dummy; at != top; at = up) {
		up = forest_parent(thread->forest, at);
		if (node_at(thread, at)->parent != NO_NODE)
			break;
		node_at(thread, at)->parent = top;
	}
	return top;
}

static void lift_mail(struct thread *thread, uint32_t node)
{
	uint32_t up = forest_parent(thread->forest, node);

	if (up == FOREST_NONE)
		return;
	if (is_dummy(thread, up)) {
		up = lift(thread, up);
		/* Counts its mails: NO_NODE is none, 0 one. */
		if (is_dummy(thread, up))
			node_at(thread, up)->work++;
	}
	node_at(thread, node)->parent = up;
}

/* A dummy at the top stays when it holds two together. */
static void dissolve(struct thread *thread, uint32_t node)
{
	struct tree_node *at = node_at(thread, node);

	if (at->parent != NO_NODE && is_dummy(thread, at->parent) &&
	    node_at(thread, at->parent)->work == 0)
		at->parent = NO_NODE;
}

/* step 4 */

/* A dummy stands where its first child would. */
static void list(struct thread *thread, uint32_t node)
{
	uint32_t parent = node_at(thread, node)->parent;

	if (parent == NO_NODE) {
		tree_add_root(&thread->tree, thread, node);
	} else if (is_dummy(thread, parent) &&
		   node_at(thread, parent)->first == NO_NODE) {
		node_at(thread, parent)->first = node;
		tree_add_root(&thread->tree, thread, parent);
	}
}

/* step 5 */

/* The mail whose subject is the thread's. */
static const struct thread_mail *subject_mail(const struct thread *thread,
					      uint32_t root)
{
	const struct tree_node *nodes = thread->tree.nodes;

	if (nodes[root].mail == NO_NODE)
		root = nodes[root].first;
	return &thread->mails[nodes[root].mail];
}

static bool is_reply(const struct thread *thread, uint32_t node)
{
	return !is_dummy(thread, node) && subject_mail(thread, node)->reply;
}

static void tabulate(struct thread *thread, uint32_t root)
{
	uint32_t subject = subject_mail(thread, root)->subject;
	uint32_t *known = &thread->table[subject];

	if (subject == thread->empty_subject)
		return;
	if (*known == NO_NODE ||
	    (!is_dummy(thread, *known) &&
	     (is_dummy(thread, root) ||
	      (is_reply(thread, *known) && !is_reply(thread, root)))))
		*known = root;
}

/* A dummy that has both below it. */
static uint32_t join(struct thread *thread, uint32_t a, uint32_t b)
{
	uint32_t dummy = thread->tree.count;

	tree_grow(&thread->tree, thread, dummy + 1);
	node_at(thread, a)->parent = dummy;
	node_at(thread, b)->parent = dummy;
	return dummy;
}

static void merge(struct thread *thread, uint32_t root)
{
	uint32_t subject = subject_mail(thread, root)->subject;
	uint32_t *known = &thread->table[subject];

	if (subject == thread->empty_subject || *known == root)
		return;
	/* A dummy's parent: its children go there instead. */
	if (is_dummy(thread, *known) ||
	    (is_reply(thread, root) && !is_reply(thread, *known)))
		node_at(thread, root)->parent = *known;
	else
		*known = join(thread, *known, root);
}

/* step 6 */

static uint32_t final_parent(struct thread *thread, uint32_t node)
{
	uint32_t parent = node_at(thread, node)->parent;

	if (parent != NO_NODE && is_dummy(thread, parent) &&
	    node_at(thread, parent)->parent != NO_NODE)
		parent = node_at(thread, parent)->parent;
	return parent;
}

static void place(struct thread *thread, uint32_t node)
{
	uint32_t parent = final_parent(thread, node);

	if (parent == NO_NODE) {
		tree_add_root(&thread->tree, thread, node);
		return;
	}
	if (is_dummy(thread, parent) &&
	    node_at(thread, parent)->first == NO_NODE)
		tree_add_root(&thread->tree, thread, parent);
	tree_add_child(&thread->tree, parent, node);
}

/* REFS */

/* The root of a node's thread; kept in `work` of all on the way. */
static uint32_t top_of(struct thread *thread, uint32_t node)
{
	uint32_t top = node, at, up;

	while (node_at(thread, top)->work == NO_NODE &&
	       node_at(thread, top)->parent != NO_NODE)
		top = node_at(thread, top)->parent;
	if (node_at(thread, top)->work != NO_NODE)
		top = node_at(thread, top)->work;
	for (at = node; at != top && node_at(thread, at)->work == NO_NODE;
	     at = up) {
		up = node_at(thread, at)->parent;
		node_at(thread, at)->work = top;
	}
	return top;
}

/* From the newest mail on: each thread when it is met first. A root that was
 * met has itself in `work`. */
static void list_backwards(struct thread *thread, uint32_t node)
{
	struct tree *tree = &thread->tree;
	uint32_t top = top_of(thread, node);

	if (tree->nodes[top].work == top)
		return;
	tree->nodes[top].work = top;
	tree->roots[--tree->root] = top;
}

/* stages */

static void to_stage(struct thread *thread, enum stage stage)
{
	struct tree *tree = &thread->tree;

	thread->stage = stage;
	thread->at = 0;
	switch (stage) {
	case LIST:
	case PLACE:
		for (uint32_t i = 0; i < tree->root_count; i++)
			tree->nodes[tree->roots[i]].first = NO_NODE;
		tree->root_count = 0;
		break;
	case TABULATE:
		thread->table =
			mem_array(thread, uint32_t, thread->subject_count);
		for (uint32_t i = 0; i < thread->subject_count; i++)
			thread->table[i] = NO_NODE;
		break;
	case BACKWARDS:
		for (uint32_t i = 0; i < tree->count; i++)
			tree->nodes[i].work = NO_NODE;
		tree->root = tree->root_count;
		break;
	case LIFT:
	case DISSOLVE:
	case MERGE:
	case BUILT:
		break;
	}
}

static uint32_t items(const struct thread *thread)
{
	return thread->stage == TABULATE || thread->stage == MERGE
		       ? thread->tree.root_count
		       : thread->count;
}

static void do_item(struct thread *thread, uint32_t at)
{
	switch ((enum stage)thread->stage) {
	case LIFT:
		lift_mail(thread, thread->mails[at].node);
		break;
	case DISSOLVE:
		dissolve(thread, thread->mails[at].node);
		break;
	case LIST:
		list(thread, node_of_sorted(thread, at));
		break;
	case TABULATE:
		tabulate(thread, thread->tree.roots[at]);
		break;
	case MERGE:
		merge(thread, thread->tree.roots[at]);
		break;
	case PLACE:
		place(thread, node_of_sorted(thread, at));
		break;
	case BACKWARDS:
		list_backwards(thread,
			       node_of_sorted(thread, thread->count - 1 - at));
		break;
	case BUILT:
		break;
	}
}

static enum stage next_stage(const struct thread *thread)
{
	bool refs = thread->kind == THREAD_REFS;

	switch ((enum stage)thread->stage) {
	case LIFT:
		return DISSOLVE;
	case DISSOLVE:
		return refs ? PLACE : LIST;
	case LIST:
		return TABULATE;
	case TABULATE:
		return MERGE;
	case MERGE:
		return PLACE;
	case PLACE:
		return refs ? BACKWARDS : BUILT;
	case BACKWARDS:
	case BUILT:
		break;
	}
	return BUILT;
}

bool thread_build_references(struct thread *thread, uint64_t deadline)
{
	while (thread->stage != BUILT) {
		while (thread->at < items(thread)) {
			do_item(thread, thread->at++);
			if (thread_late(thread->at, deadline))
				return false;
		}
		to_stage(thread, next_stage(thread));
	}
	return true;
}
