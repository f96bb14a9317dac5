/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/layout.h - what the files that deal with mailbox names share.
 */
#ifndef STORAGE_MAILDIR_LAYOUT_H
#define STORAGE_MAILDIR_LAYOUT_H
#include <stdbool.h>

#include "base/str.h"

struct buf;
struct err;
struct location;

/* Dovecot's name for what is being removed. */
#define maildir_trash "..DOVECOT-TRASHED"

enum { MAILDIR_LEVELS_MAX = 64 };

bool maildir_is_inbox(const char *name);
/* INBOX has a place that no other name has: the root, or that of INBOX=. */
bool maildir_inbox_is_apart(const struct location *location, const char *name);
/* In layout fs: no mailbox may be called so. */
bool maildir_level_reserved(const struct location *location, struct str level,
			    bool first);
/* A name as on disk, below the root, without DIRNAME=; INBOX as if it were one
 * among others. */
int maildir_name_path(const struct location *location, const char *name,
		      struct buf *out, struct err *err);
/* Below the root, "" for the root itself; false if it is elsewhere (INBOX=). */
bool maildir_relative_path(const struct location *location, const char *name,
			   struct buf *out);
#endif
