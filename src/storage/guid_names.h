/* SPDX-License-Identifier: MIT */
/*
 * storage/guid_names.h - LAYOUT=index: mailboxes lie in directories that are
 * called as their GUIDs, and one file tells their names.
 *
 * Dovecot keeps these names in its binary dovecot.list.index, which nobody
 * else reads; ours are text, `dovetail.names` beside `subscriptions`. What was
 * read of it is kept until the file is another one.
 */
#ifndef STORAGE_GUID_NAMES_H
#define STORAGE_GUID_NAMES_H
#include <stdbool.h>
#include <stddef.h>

struct err;
struct guid_names;
struct location;

enum { GUID_HEX_LEN = 32 };

/* Nothing is read yet; a child of ctx. */
struct guid_names *guid_names_new(const void *ctx);
/* Directory of a mailbox (valid up to the next call). ERR_NOT_FOUND;
 * ERR_TEMPORARY where only Dovecot's names are there. */
int guid_names_find(const struct location *location, const char *name,
		    const char **guid_out, struct err *err);
/* All names, as of now: *names_out belongs to the location and is valid up to
 * the next call. */
int guid_names_all(const struct location *location,
		   const char *const **names_out, size_t *count_out,
		   struct err *err);
/* On disk when they return. ERR_EXISTS. */
int guid_names_add(const struct location *location, const char *name,
		   const char *guid, struct err *err);
int guid_names_remove(const struct location *location, const char *name,
		      struct err *err);
/* With those below it, at once. ERR_NOT_FOUND if there is none, ERR_EXISTS if
 * one would be there already. */
int guid_names_rename(const struct location *location, const char *from,
		      const char *to, struct err *err);

#endif
