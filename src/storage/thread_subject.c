/* SPDX-License-Identifier: MIT */
/*
 * storage/thread_subject.c - ORDEREDSUBJECT (RFC 5256 section 3): mails of one
 * base subject are a thread, all of them below the oldest.
 */
#include "base/mem.h"
#include "storage/order.h"
#include "storage/thread_core.h"

enum { SPLIT, SORT_ROOTS, LIST_ROOTS };

static void begin_thread(struct thread *thread, uint32_t mail)
{
	/* They come in the order of subjects (RFC 5256 section 2.2). It has no
	 * more numbers than thread->order had. */
	order_add_numbers(thread->roots_order, mail, thread->mails[mail].date,
			  mail);
	thread->table[0] = mail;
}

/* thread->table[0] is the root at hand. */
static void split(struct thread *thread, uint32_t mail)
{
	const struct thread_mail *mails = thread->mails;
	uint32_t root = thread->table[0];

	if (root == NO_NODE || mails[root].subject != mails[mail].subject)
		begin_thread(thread, mail);
	else
		tree_add_child(&thread->tree, mails[root].node,
			       mails[mail].node);
}

static bool split_all(struct thread *thread, uint64_t deadline)
{
	if (thread->table == NULL) {
		thread->table = mem_array(thread, uint32_t, 1);
		thread->table[0] = NO_NODE;
		thread->roots_order = order_new(thread, UINT64_MAX);
	}
	while (thread->at < thread->count) {
		split(thread, thread->sorted[thread->at++]);
		if (thread_late(thread->at, deadline))
			return false;
	}
	thread->stage = SORT_ROOTS;
	return true;
}

static void list_roots(struct thread *thread)
{
	size_t count;
	const uint32_t *mails = order_result(thread->roots_order, &count);

	for (size_t i = 0; i < count; i++)
		tree_add_root(&thread->tree, thread,
			      thread->mails[mails[i]].node);
	thread->stage = LIST_ROOTS;
}

bool thread_build_ordered_subject(struct thread *thread, uint64_t deadline)
{
	if (thread->stage == SPLIT && !split_all(thread, deadline))
		return false;
	if (thread->stage == SORT_ROOTS) {
		if (!order_run(thread->roots_order, deadline))
			return false;
		list_roots(thread);
	}
	return true;
}
