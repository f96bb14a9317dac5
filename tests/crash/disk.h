/* SPDX-License-Identifier: MIT */
/*
 * tests/crash/disk.h - what a disk would hold if the power went now.
 *
 * From the calls that change files (calls.h) it is known of every file below a
 * root what is surely on disk: its text at the last fsync(), and the names that
 * its directory had at the last fsync() of that. At a cut, what came later is
 * there, or not, or in part:
 *
 * - a change of a directory is there as a whole or not at all, a rename() in
 *   both of its directories; fsync() of one of them makes it durable;
 * - of a file, each 512 octets are the new or the old ones, or zeros where
 *   there were none, and the size is between the two;
 * - nothing is durable but by fsync(): not the name of a file that was synced,
 *   nor what lies in a directory whose own name is not.
 *
 * Real file systems promise more. Not seen is what goes through a memory map
 * for writing.
 */
#ifndef TESTS_CRASH_DISK_H
#define TESTS_CRASH_DISK_H

/* All that is below `root` now is durable; watch what changes. `event` is
 * called before each call that changes something, and may cut. */
void disk_begin(const char *root, void (*event)(void *ctx), void *ctx);
void disk_end(void);
/* Write to the directory `to`, which is not there yet, what is on disk. */
void disk_cut(const char *to, unsigned seed);

#endif
