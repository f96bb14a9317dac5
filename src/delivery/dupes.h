/* SPDX-License-Identifier: MIT */
/*
 * delivery/dupes.h - what a user's deliveries did before: who was sent a
 * vacation message, which mails were redirected, ids of the Sieve test
 * `duplicate`.
 *
 * One file per user, of hashes with the time until which they count; see
 * doc/formats.md. It is locked only while it is read or written, never while
 * mail is sent.
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
