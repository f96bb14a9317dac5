/* SPDX-License-Identifier: MIT */
/*
 * lda/parting.h - processes of lmtp-worker that were let go. Who does not end
 * then is killed: his user may have stopped him, and he takes a place.
 */
#ifndef LDA_PARTING_H
#define LDA_PARTING_H

struct loop;
struct partings;

/* Child of ctx. */
struct partings *partings_new(const void *ctx, struct loop *loop);
/* Takes the pidfd, of a process that nobody talks to any more. */
void partings_add(struct partings *partings, int pidfd);
/* At the end of this process: wait a moment for all of them. */
void partings_end(struct partings *partings);
/* At once. */
void parting_kill(int pidfd);

#endif
