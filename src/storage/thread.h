/* SPDX-License-Identifier: MIT */
/*
 * storage/thread.h, part of storage/storage.h - THREAD (RFC 5256): the mails
 * that match, as trees.
 */
#ifndef STORAGE_THREAD_H
#define STORAGE_THREAD_H
#include <stdint.h>

struct err;
struct mailbox;
struct search_node;
struct thread;

enum thread_kind {
	THREAD_ORDEREDSUBJECT,
	THREAD_REFERENCES,
	/* As REFERENCES, but subjects don't matter, and the thread with the
	 * newest mail comes last (draft-ietf-morg-inthread-01). */
	THREAD_REFS,
};

/* `root` as for search_begin(). Child of ctx. */
struct thread *thread_begin(const void *ctx, struct mailbox *box,
			    const struct search_node *root,
			    enum thread_kind kind);
/* As search_run(): 1, 0 or -1. ERR_LIMIT beyond mail_sort_max_memory. */
int thread_run(struct thread *thread, unsigned ms, struct err *err);

/* The trees, step by step, as they are written: a thread is opened, has mails
 * each of which answers the one before it, then threads that answer the last of
 * them. Where they nest deeper than mail_thread_max_depth, what lies deeper is
 * one row of mails. */
enum thread_step { THREAD_END, THREAD_OPEN, THREAD_MAIL, THREAD_CLOSE };
/* *seq_out is set for THREAD_MAIL. */
enum thread_step thread_next(struct thread *thread, uint32_t *seq_out);

#endif
