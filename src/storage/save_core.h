/* SPDX-License-Identifier: MIT */
/*
 * storage/save_core.h - what saving and copying share.
 */
#ifndef STORAGE_SAVE_CORE_H
#define STORAGE_SAVE_CORE_H
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "index/index.h"

struct buf;
struct err;
struct mailbox;
struct mime_message;
struct range_set;
struct save;
struct save_options;

/* Add a copy of a mail by hard link, which save_commit() makes. `txn` is a read
 * transaction of `from`. ERR_UNSUPPORTED, of either: copy its text. */
int save_add_link(struct save *save, struct mailbox *from,
		  struct index_txn *txn, const struct index_record *record,
		  const struct save_options *options, struct err *err);
/* Add what will be put into a mailbox by the transactions under way. */
void saves_pending(const struct mailbox *box, uint64_t *bytes,
		   uint32_t *messages);
/* So many copies will be added, with a transaction open meanwhile; if they leave
 * `moves_from`, now or later, nothing more counts for quotas. ERR_QUOTA. */
int save_copies(struct save *save, unsigned mails, struct mailbox *moves_from,
		struct err *err);
/* Remove those mails of `from`, which has the same index, in the transaction
 * that adds the copies. */
void save_expunge_from(struct save *save, struct mailbox *from,
		       const struct range_set *uids);

/* what the index remembers of a mail */

/* Longer texts are made anew whenever somebody asks. */
enum { CACHE_VALUE_MAX = 262144, CACHE_HEADERS_MAX = 65536 };

/* As stored, by field; data NULL where there is none. */
struct cached {
	struct str value[INDEX_BASE + 1];
};

/* From the parsed mail with its header texts; all but those of
 * sorting, which can be made of INDEX_HEADERS when somebody wants it. Children of ctx. */
void cached_make(const void *ctx, const struct mime_message *message,
		 struct cached *out);
/* Copies of what is in the index; children of ctx. */
void cached_read(const void *ctx, struct index_txn *txn, uint32_t box,
		 uint32_t uid, struct cached *out);
/* All octets of it. */
size_t cached_size(const struct cached *cached);
/* What mail_cache_record_max_size allows, and is asked for. */
int cached_write(struct index_txn *txn, struct mailbox *box,
		 uint32_t box_id, uint32_t uid, const struct cached *cached,
		 struct err *err);

/* Fill in those, from INDEX_HEADERS if that is there. */
void cached_sort_make(const void *ctx, struct str header, struct cached *out);

/* INDEX_HEADERS: a list of lower-case names with blanks around each, NUL, then
 * those fields with CRLF, without the empty line. */
void cached_headers_make(struct str header, const char *names, struct buf *out);
/* The text part if `names_in` has all of those wanted; false otherwise. */
bool cached_headers_get(struct str value, const char *const *wanted,
			struct str *text_out);
/* Whether '+' has it. */
bool cached_headers_is_usual(const char *name);
/* The same for all usual fields ('+'). */
bool cached_headers_usual(struct str value, struct str *text_out);
/* The names of `value` with those wanted; child of ctx. NULL when they would
 * become too many. */
char *cached_headers_names(const void *ctx, struct str value,
			   const char *const *wanted);

#endif
