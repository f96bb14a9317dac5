/* SPDX-License-Identifier: MIT */
/*
 * storage/reader.h - what reading mails, streams and searching share.
 */
#ifndef STORAGE_READER_H
#define STORAGE_READER_H
#include <stdbool.h>
#include <stdint.h>
#include <talloc.h>

#include "base/buf.h"
#include "base/range.h"
#include "base/str.h"
#include "index/index.h"
#include "mime/parse.h"
#include "storage/mail.h"
#include "storage/save_core.h"
#include "storage/sort_value.h"

struct err;
struct mailbox;

/* the text of one mail, in memory or as a file */

/* Mails up to this size are read at once. */
enum { TEXT_MEMORY_MAX = 131072 };

/* Counted: a reader and the streams made from it share it. */
struct text {
	unsigned users;
	int fd;          /* -1 when all of it is in `buf` */
	uint64_t offset; /* in the file */
	uint64_t len;
	struct buf buf;
};

void text_unref(struct text **text);
/* Nobody reads for now: keep no large memory for the next mail. */
void text_rest(struct mailbox *box);
/* Up to `len` octets from `at`, to *out, which is valid up to the next call;
 * `buf` holds what is not in memory. Fewer only at the end. */
int text_get(struct text *text, uint64_t at, size_t len, struct buf *buf,
	     struct str *out, struct err *err);

/* readers */

/* Of one mail, to be written when the reader ends. */
struct learnt {
	struct learnt *prev, *next;
	uint32_t uid;
	struct cached cached; /* children of learnt_ctx */
	bool looked;          /* what its file told of the record: */
	uint64_t physical, virtual;
	int64_t received, saved;
};

struct mail_reader {
	struct mail_reader *prev, *next; /* of the mailbox */
	struct mailbox *box;             /* NULL once it was closed */
	struct range_set seqs;
	size_t range; /* the one that `next_seq` is in */
	uint32_t next_seq;
	bool bare; /* mails have numbers only, their records are not read */
	bool flags_only;
	unsigned gone;
	struct index_txn *txn;
	uint32_t box_id;
	bool current; /* the transaction sees what the view has */
	/* The mail at hand. */
	struct mail mail;
	struct index_record record;
	bool record_valid; /* record.driver points into txn */
	struct text *text;
	TALLOC_CTX *mail_ctx;               /* what belongs to it */
	const struct mime_message *message; /* NULL until it is needed */
	bool parsed;                        /* it has its header texts */
	bool parses;                        /* one before it was parsed */
	struct buf out;                     /* what was made for the caller */
	/* For the cache. */
	const char *noted; /* the first header field that was asked for last */
	TALLOC_CTX *learnt_ctx;
	struct learnt *learnt; /* its `prev` is the last one */
	size_t learnt_bytes;
};

/* The transaction, again after a pause. */
int reader_begin(struct mail_reader *reader, struct err *err);
/* And the record of the mail at hand. */
int reader_record(struct mail_reader *reader, struct err *err);
/* The field as it was learnt or from the cache; *out is valid up to the next
 * pause. */
bool reader_cached(struct mail_reader *reader, enum index_field field,
		   struct str *out);
/* The cached header fields, to *value_out if there are any; true if those wanted
 * are among them. Notes that they were asked for. */
bool reader_cached_fields(struct mail_reader *reader, const char *const *fields,
			  struct str *value_out, struct str *header_out);
/* To be written to the cache when the reader ends. */
/* What was learnt of the mail at hand: it answers from now on, and is written
 * to the cache when the reader ends. */
struct learnt *reader_learnt(struct mail_reader *reader);
void reader_learn(struct mail_reader *reader, enum index_field field,
		  struct str value);
/* Open the mail if it is not open yet; a small one is in memory then. */
int reader_text(struct mail_reader *reader, struct err *err);
/* Likewise if no more than its first `len` octets may be wanted: text_get()
 * reads these, from one that is longer. */
int reader_head(struct mail_reader *reader, size_t len, struct err *err);
/* Parse it; fills the cache with what comes of it. */
int reader_parse(struct mail_reader *reader, struct err *err);
/* Its tree, from the cache if it is there; header texts may be missing. */
int reader_parts(struct mail_reader *reader, const struct mime_message **out,
		 struct err *err);
/* Parts (1 << sort_part) of what SORT needs of it: 1 and *out, which is valid up to the next call on the
 * reader; 0 when that takes the file and `may_open` is false; -1. */
int reader_sort_value(struct mail_reader *reader, unsigned parts,
		      bool may_open, struct sort_value *out, struct err *err);
/* Its header block as stored, cut at mail_max_header_size. */
int reader_header(struct mail_reader *reader, struct str *out, struct err *err);
/* What the mail's sizes really are. */
void reader_sizes(struct mail_reader *reader, uint64_t physical,
		  uint64_t virtual);
/* See to it that the record has its times. */
int reader_times(struct mail_reader *reader, struct err *err);

#endif
