/* SPDX-License-Identifier: MIT */
/*
 * storage/settle.h, part of storage/storage.h - indexes are put on disk in
 * quiet times (index_settle()), so that they are good after the machine went
 * down.
 */
#ifndef STORAGE_SETTLE_H
#define STORAGE_SETTLE_H

struct loop;

/* After whatever may have changed an index: it is seen to a second later and
 * when it was quiet for a minute, between other things, and when this process
 * ends. Costs nothing where that is under way. */
void storage_settle_later(struct loop *loop);
/* For a process without a loop, before it opens a user: each index is put on
 * disk when it was written to and nobody uses it any more. */
void storage_settle_at_end(void);

#endif
