/* SPDX-License-Identifier: MIT */
/*
 * storage/list.h, part of storage/storage.h - the tree of mailbox names:
 * listing, making, deleting, renaming, subscriptions.
 *
 * Names are UTF-8 as clients see them (decoded from modified UTF-7): with the
 * namespace's prefix and separator; INBOX in any case means INBOX.
 */
#ifndef STORAGE_LIST_H
#define STORAGE_LIST_H
#include <stdbool.h>
#include <stddef.h>

struct err;
struct user;

enum {
	/* Which (RFC 5258 section 3.1). */
	LIST_SELECT_SUBSCRIBED = 1 << 0,
	LIST_SELECT_SPECIAL_USE = 1 << 1,
	LIST_RECURSIVE_MATCH = 1 << 2,
	/* LSUB's rule for % (RFC 3501 section 6.3.9). */
	LIST_LSUB = 1 << 3,
	/* What to tell. */
	LIST_RETURN_SUBSCRIBED = 1 << 4,
	LIST_RETURN_CHILDREN = 1 << 5,
	LIST_RETURN_SPECIAL_USE = 1 << 6,
};

enum {
	ENTRY_NOSELECT = 1 << 0,
	ENTRY_NONEXISTENT = 1 << 1,
	ENTRY_NOINFERIORS = 1 << 2,
	ENTRY_HAS_CHILDREN = 1 << 3,
	ENTRY_HAS_NO_CHILDREN = 1 << 4,
	ENTRY_SUBSCRIBED = 1 << 5,
	ENTRY_CHILD_SUBSCRIBED = 1 << 6, /* CHILDINFO ("SUBSCRIBED") */
	ENTRY_MARKED = 1 << 7,
	ENTRY_UNMARKED = 1 << 8,
};

struct list_entry {
	const char *name;
	char separator;
	unsigned flags;
	const char *special_use; /* "\\Sent \\Archive", NULL if none */
};

/* All mailboxes that match any of the patterns (with * and %, NULL at the
 * end), sorted by name with INBOX first. *out is a child of ctx. */
int mailbox_list(const void *ctx, struct user *user,
		 const char *const *patterns, unsigned flags,
		 struct list_entry **out, size_t *count_out, struct err *err);
/* Whether LIST's pattern takes that name of that namespace. */
bool mailbox_name_match(const char *pattern, const char *name, char separator);
/* Create; a name that ends with the separator makes only a parent for others.
 * `special_use` may be NULL (RFC 6154). Parents are made as needed. */
int mailbox_create(struct user *user, const char *name, const char *special_use,
		   struct err *err);
/* ERR_INVALID for INBOX. One with children stays as \NoSelect. */
int mailbox_delete(struct user *user, const char *name, struct err *err);
/* With its children. INBOX: its mails move (RFC 3501 section 6.3.5). */
int mailbox_rename(struct user *user, const char *from, const char *to,
		   struct err *err);
/* Subscribing to what does not exist is allowed (RFC 3501 section 6.3.6). */
int mailbox_subscribe(struct user *user, const char *name, bool on,
		      struct err *err);
/* Exists and can be opened: 0; ERR_NOT_FOUND. */
int mailbox_exists(struct user *user, const char *name, struct err *err);
/* Exists, perhaps only as a level that has mailboxes below it (layout fs), or
 * as the root of a namespace; ERR_NOT_FOUND. */
int mailbox_level_exists(struct user *user, const char *name, struct err *err);

#endif
