/* SPDX-License-Identifier: MIT */
/*
 * storage/layout.h - mailbox names as names of files: what the formats share.
 * For drivers, beside storage/driver.h.
 */
#ifndef STORAGE_LAYOUT_H
#define STORAGE_LAYOUT_H
#include <dirent.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/str.h"

struct buf;
struct driver_entry;
struct err;
struct location;
struct rights;

enum {
	LAYOUT_COMPONENT_MAX = 255, /* octets, of the file system */
	LAYOUT_PATH_MAX = 4096,
};

bool layout_is_fs(const struct location *location);
/* Where control files lie: CONTROL=, or the root. */
const char *layout_control_root(const struct location *location);

/* INBOX is where the location has it, and a directory or file that is called so
 * is another mailbox, "./INBOX": only namespaces that are not INBOX's show it,
 * and as INBOX. The levels of a name without that mark. */
#define LAYOUT_PLAIN_INBOX "./INBOX"
struct str layout_levels(const char *name);
/* The storage name of levels that were found on disk. NULL: INBOX, which the
 * driver lists by itself. */
const char *layout_told(const struct location *location, const char *levels);

/* One level of a name as it is on disk, in modified UTF-7 or UTF-8, appended to
 * `out`. ERR_INVALID for what no file can be called. */
int layout_encode_level(const struct location *location, struct str level,
			struct buf *out, struct err *err);
/* The other way; false for what is no level of a name. */
bool layout_decode_level(const struct location *location, struct str level,
			 struct buf *out);

/* BROKENCHAR=: names of files, or levels of them, and what clients call them.
 * Decoding takes anything; encoding says false for what is no such spelling. */
void layout_broken_decode(const struct location *location, struct str raw,
			  struct buf *out);
bool layout_broken_encode(const struct location *location, struct str name,
			  struct buf *out);
/* The same files have the same names in both. */
bool layout_same_names(const struct location *a, const struct location *b);

/* maildir++: all levels are one name of a file, ".a.b", appended to `out`. No
 * level has a '.' in it: ERR_INVALID. */
int layout_plus_encode(const struct location *location, const char *name,
		       struct buf *out, struct err *err);
/* The other way; false for what is no mailbox's. */
bool layout_plus_decode(const struct location *location, const char *file,
			struct buf *out);

/* Say, once in this process, that a directory in `root` cannot be a mailbox
 * because of its name: mail of others' making might be missed. */
void layout_name_left_out(const char *root, const char *file);

/* Symbolic links are followed if an administrator made them (they are root's),
 * or who made them has what they point to: the rule of Apache's
 * SymLinksIfOwnerMatch. We may have more rights than the user, who must not be
 * able to lend them to himself by a link. */

/* An entry of the open directory `fd` is a directory (S_IFDIR) or file
 * (S_IFREG), also by such a link. */
bool layout_entry_is(int fd, const struct dirent *entry, mode_t type);
/* ERR_DENIED if `path` is a link that is not followed; 0 if it does not exist,
 * and 1 otherwise. */
int layout_check_link(const char *path, struct err *err);
/* ERR_DENIED if any part of `path` below `root`, with which it begins, is a
 * link that is not followed. What does not exist is fine. */
int layout_check_links(const char *root, const char *path, struct err *err);

/* Layout fs: a level that is no mailbox, but may have some below. Names as
 * drivers get them, and found fit by one. */
int layout_level_exists(const struct location *location, const char *name,
			struct err *err);
int layout_level_make(const struct location *location, const char *name,
		      struct err *err);
/* ERR_NOT_FOUND; ERR_INVALID while there is anything in it. */
int layout_level_remove(const struct location *location, const char *name,
			struct err *err);
/* NO-NOSELECT: levels above `name` that have nothing in them go. */
void layout_levels_tidy(const struct location *location, const char *name);

/* What driver.list() gives. */
enum { LAYOUT_ENTRIES_MAX = 1 << 20 };
struct layout_list {
	const void *ctx; /* of the entries */
	struct driver_entry *entries;
	size_t count, cap;
};
/* ERR_LIMIT beyond a million. */
int layout_list_add(struct layout_list *list, const char *name, bool selectable,
		    bool no_inferiors, struct err *err);

/* mkdir -p with the rights of the location; what was made is durable. */
int layout_make_path(const struct location *location, const char *path,
		     struct err *err);
/* What was made, renamed or removed in a directory, or in the one above, is
 * durable, unless mail_fsync = never. */
int layout_sync(const struct location *location, const char *path,
		struct err *err);
int layout_sync_parent(const struct location *location, const char *path,
		       struct err *err);
/* The same with the rights of a mailbox. */
int layout_make_path_as(const struct location *location,
			const struct rights *rights, const char *path,
			struct err *err);
/* mkdir: 1; a directory that exists is fine: 0. */
int layout_make_dir(const struct rights *rights, const char *path,
		    struct err *err);

#endif
