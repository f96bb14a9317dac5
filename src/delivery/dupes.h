/* SPDX-License-Identifier: MIT */
/*
 * delivery/dupes.h - what a user's deliveries did before: who was sent a
 * vacation message, which mails were redirected, ids of the Sieve test
 * `duplicate`.
 *
 * One file per user, of hashes with the time until which they count; see
 * doc/formats.md. It is locked only while it is read or written, never while
 * mail is sent: what has to wait for another delivery that has the same id
 * holds that (dupes_hold()).
 */
#ifndef DELIVERY_DUPES_H
#define DELIVERY_DUPES_H
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct err;

/* What an entry is about, so that ids of different kinds never meet. */
enum dupe_kind {
	DUPE_VACATION,
	DUPE_REDIRECT,
	DUPE_SCRIPT, /* the Sieve test `duplicate` */
	DUPE_STORED, /* saved or sent, by a delivery that failed after that */
};

struct dupes_hold;

/* Child of ctx. What it holds is let go when it is freed, or its process ends.
 */
struct dupes_hold *dupes_hold_new(const void *ctx, const char *path);
/* Of all deliveries that hold this id one goes on, the others wait, for a
 * minute: then they fail, ERR_TEMPORARY. Where there can be no lock nobody
 * waits; dupes_mark() tells what is wrong. */
int dupes_hold(struct dupes_hold *hold, enum dupe_kind kind, struct str id,
	       struct err *err);
/* Before its end, so that others need not wait for all of the delivery. */
void dupes_let_go(struct dupes_hold *hold, enum dupe_kind kind, struct str id);
/* Whether `id` was marked and still counts. A missing file has nothing. */
int dupes_has(const char *path, enum dupe_kind kind, struct str id,
	      bool *has_out, struct err *err);
/* Mark it for `seconds` from now; the directory is made, too. */
int dupes_mark(const char *path, enum dupe_kind kind, struct str id,
	       uint64_t seconds, struct err *err);
/* It was not done after all. */
int dupes_forget(const char *path, enum dupe_kind kind, struct str id,
		 struct err *err);

#endif
