/* SPDX-License-Identifier: MIT */
/*
 * index/index.h - the database that sessions read: one LMDB environment per
 * mail location, holding all its mailboxes. It knows no file format and no
 * path of mail.
 *
 * Tables (doc/formats.md has the bytes):
 *   boxes     id -> struct index_box, its names and driver state
 *   names     name -> id
 *   records   (box, uid) -> struct index_record + driver data
 *   changes   (box, modseq, uid) -> UIDs: a resync walks what changed
 *   expunges  (box, modseq, uid) -> UIDs
 *   cache     (box, uid, field) -> envelope, body structure, headers...
 *
 * Rules: one handle per environment and process, shared by its sessions and
 * counted; none held across fork(); no read transaction outlives a command.
 * Commits do not fsync: the environment carries the kernel's boot id and a
 * clean mark, and one that a power cut may have torn is rebuilt (clean.c). A
 * damaged one (MDB_CORRUPTED, bad magic, SIGBUS) is moved aside and made anew:
 * ERR_CORRUPT tells the caller to try again, from index_box_find() on. The ids
 * of mailboxes are other ones then: an old one gives ERR_NOT_FOUND.
 */
#ifndef INDEX_INDEX_H
#define INDEX_INDEX_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/duration.h"
#include "base/range.h"
#include "base/str.h"

struct buf;
struct err;
struct index;
struct index_txn;

/* the environment */

/* Open (made if missing) the environment in directory `dir`; index_close()
 * gives it back. The same dir gives the same handle within a process. */
int index_open(const char *dir, mode_t mode, struct index **out,
	       struct err *err);
/* In memory only, for INDEX=MEMORY: an unlinked temporary one. */
int index_open_memory(const char *temp_dir, struct index **out,
		      struct err *err);
void index_close(struct index **index);
/* Handles that nobody uses stay open for the next session, up to `max`. */
void index_keep_open(unsigned max);
/* Put everything on disk and note that, so that the index is good after the
 * machine went down. Waits for the disk. */
int index_sync(struct index *index, struct err *err);
/* index_sync() for all that this process has open and nobody changed for a
 * minute (`now`: all that it wrote to). For the time between commands, and
 * before the end of a process. Returns when to call it again; 0: not before
 * something was done with an index. Problems are logged. */
struct duration index_settle(bool now);
/* Likewise whenever one is closed, and none stays open: for a process that does
 * one thing and ends. */
void index_settle_on_close(void);
/* For tests. In what steps maps grow, in octets; 0: as usual. */
void index_map_step_set(uint64_t step);
/* As if another kernel ran: 36 octets, that stay. */
void index_boot_id_set(const char *boot_id);
/* A process that will be idle gives back memory; nothing is closed. */
void index_rest(void);
/* In a child after fork(): forget all handles without touching the files. */
void index_after_fork(void);

/* Many readers, one writer at a time per environment (the writer's lock is
 * also the lock of all that belongs to it on disk: uidlist, keywords). */
enum index_mode { INDEX_READ, INDEX_WRITE };
int index_begin(struct index *index, enum index_mode mode,
		struct index_txn **out, struct err *err);
/* *txn becomes NULL, also on failure. */
int index_commit(struct index_txn **txn, struct err *err);
void index_rollback(struct index_txn **txn); /* for CLEANUP too */
/* After a walk: whether it ended because it met damage. 0, or -1 with
 * ERR_CORRUPT. */
int index_check(struct index_txn *txn, struct err *err);
/* What was read from it cannot be, whoever found that out: it is as damaged as
 * one that LMDB can't read. */
void index_distrust(struct index *index);
/* Make room for `bytes` more in the next write transaction. index_begin() sees
 * to a few MB; this is for whoever is about to write more at once. */
void index_reserve(struct index *index, uint64_t bytes);
/* Octets of the file that are in use, or were. Costs no system call. */
uint64_t index_size(struct index *index);
/* A number that changes with every commit of any process: two equal ones mean
 * that nothing changed. Costs no system call. */
uint64_t index_generation(struct index *index);
/* What a read transaction sees. */
uint64_t index_txn_generation(struct index_txn *txn);

/* mailboxes */

enum { INDEX_KEYWORDS_MAX = 256 };

struct index_counts {
	uint32_t messages, recent, unseen, deleted;
	uint64_t size; /* sum of virtual sizes, of those that are known */
	uint32_t size_unknown; /* mails whose virtual size is not known yet */
};

struct index_box {
	uint32_t id;
	unsigned char guid[16];
	uint32_t uid_validity;
	uint32_t uid_next;
	uint32_t first_recent_uid; /* all from here on are \Recent to the next
				      session that opens it for reading */
	uint64_t highest_modseq;
	struct index_counts counts; /* kept by the record functions */
	/* What the driver wants to remember (mtimes, sizes, offsets). */
	unsigned char driver[128];
};

/* Children of ctx where there is something to own. ERR_NOT_FOUND if missing. By
 * name: all of its row, or the id alone. */
int index_box_read(struct index_txn *txn, const char *name,
		   struct index_box *out, struct err *err);
int index_box_find(struct index_txn *txn, const char *name, uint32_t *id_out,
		   struct err *err);
int index_box_get(struct index_txn *txn, uint32_t id, struct index_box *out,
		  struct err *err);
/* Make one: uid_validity, guid as given, id is new. */
int index_box_create(struct index_txn *txn, const char *name,
		     struct index_box *box, struct err *err);
/* Write uid_validity, guid, first_recent_uid and driver. uid_next only grows;
 * counts and highest_modseq are those of the database, whatever *box says. */
int index_box_put(struct index_txn *txn, const struct index_box *box,
		  struct err *err);
int index_box_rename(struct index_txn *txn, uint32_t id, const char *name,
		     struct err *err);
/* All that is known of a mailbox in another environment, under another name
 * that none has there. It stays in the old one. */
int index_box_copy(struct index_txn *from, uint32_t id, struct index_txn *to,
		   const char *name, uint32_t *id_out, struct err *err);
/* With all its records, changes, cache. */
int index_box_delete(struct index_txn *txn, uint32_t id, struct err *err);
/* Walk all names in order; `at` is "" to start and is filled. */
bool index_box_next(struct index_txn *txn, const void *ctx, char **at,
		    struct index_box *out);
/* Keyword names by bit; "" for a bit without a name. */
int index_keywords_get(struct index_txn *txn, const void *ctx, uint32_t box,
		       const char ***names_out, unsigned *count_out,
		       struct err *err);
int index_keywords_put(struct index_txn *txn, uint32_t box,
		       const char *const *names, unsigned count,
		       struct err *err);

/* records */

enum {
	MAIL_SEEN = 1 << 0,
	MAIL_ANSWERED = 1 << 1,
	MAIL_FLAGGED = 1 << 2,
	MAIL_DELETED = 1 << 3,
	MAIL_DRAFT = 1 << 4,
	MAIL_RECENT = 1 << 5, /* in answers only, never stored */
};

struct keywords {
	uint64_t bits[INDEX_KEYWORDS_MAX / 64];
};

/* received and saved of a mail that was only seen in its directory: whoever
 * asks for them looks at the file (storage/mail.h). */
#define INDEX_TIME_UNKNOWN INT64_MIN

struct index_record {
	uint32_t uid;
	uint8_t flags;
	struct keywords keywords;
	uint64_t modseq;
	int64_t received; /* INTERNALDATE, seconds; or INDEX_TIME_UNKNOWN */
	int64_t saved;    /* SAVEDATE, seconds; 0 if not known */
	uint64_t size_physical, size_virtual; /* UINT64_MAX: not known */
	uint8_t mark; /* bits that are set in the first octet of: */
	/* How the driver finds it (Maildir: the file name; mbox: offset). In a
	 * read record it points into the transaction, up to its next write. */
	struct str driver;
	bool flags_apart; /* where index_record_flag() put them */
};

int index_record_get(struct index_txn *txn, uint32_t box, uint32_t uid,
		     struct index_record *out, struct err *err);
/* Walk upwards: the first record with a uid >= `uid`. False at the end. A walk
 * keeps its place: the next one costs O(1). */
bool index_record_next(struct index_txn *txn, uint32_t box, uint32_t uid,
		       struct index_record *out);
/* All UIDs of a mailbox as ranges. */
void index_record_uids(struct index_txn *txn, uint32_t box,
		       struct range_set *out);
/* Add at the end: uid must be >= box->uid_next, which grows, as do the counts
 * and highest_modseq, in *box and in the database. record->modseq is set. */
int index_record_append(struct index_txn *txn, struct index_box *box,
			struct index_record *record, struct err *err);
/* Change flags, keywords, dates, sizes or driver data; a change of flags or
 * keywords gets a new modseq (all changes of one transaction to one box share
 * one). */
int index_record_put(struct index_txn *txn, struct index_box *box,
		     struct index_record *record, struct err *err);
/* Likewise where it was read as *old in this transaction, and nobody changed it
 * since; quickly if it is the one behind the one before. */
int index_record_change(struct index_txn *txn, struct index_box *box,
			const struct index_record *old,
			struct index_record *record, struct err *err);
/* Likewise where nothing else changes: flags, keywords and bits of the mark, put
 * apart from the record with those of its neighbours, which costs a tenth when
 * they all change. They go back with its next change. *record is as it was
 * read, and follows. */
int index_record_flag(struct index_txn *txn, struct index_box *box,
		      struct index_record *record, uint8_t flags,
		      const struct keywords *keywords, uint8_t mark,
		      struct err *err);
/* What is there of one whose flags stand apart, for that function, and modseq;
 * nothing else. False: read the record. */
bool index_record_apart(struct index_txn *txn, uint32_t box, uint32_t uid,
			struct index_record *out);
/* Remove with its cache; leaves an expunge at a new modseq. */
int index_record_expunge(struct index_txn *txn, struct index_box *box,
			 uint32_t uid, struct err *err);

/* What happened after `modseq`: UIDs of mails whose flags or keywords changed
 * or that are new, and UIDs expunged. False: the history does not reach that
 * far back (rebuilt, or pruned): all may have changed. Costs what changed, or,
 * where many thousands of changes lie between, a walk of the records. */
bool index_changes_since(struct index_txn *txn, uint32_t box, uint64_t modseq,
			 struct range_set *changed, struct range_set *expunged);

/* cache */

enum index_field {
	INDEX_ENVELOPE = 1,   /* mime_envelope()'s text */
	INDEX_BODY_STRUCTURE, /* mime_body_structure()'s, extended */
	INDEX_PARTS,          /* mime_pack()'s */
	INDEX_HEADERS, /* the fields that clients ask for, as they stand */
	INDEX_PREVIEW,
	INDEX_SORT,     /* sort and thread keys, but for: */
	INDEX_UNSEEN,   /* of uid 0, the mailbox: where unseen mails begin */
	INDEX_RENAMED,  /* of uid 0: when the mailbox got another name */
	INDEX_POLICY,   /* of uid 0: which fields are asked for */
	INDEX_COMPLETE, /* of uid 0 of no mailbox (0): all mailboxes were in
			   the index once */
	/* Packed, so that those of many mails are read at once; up to 2,048
	 * octets: */
	INDEX_SUBJECT, /* what SEARCH compares */
	INDEX_BASE,    /* and SORT */
	INDEX_FLAGS,   /* of a record; not for the functions below */
};

/* Points into the transaction, up to its next write; false if it is not
 * there. */
bool index_cache_get(struct index_txn *txn, uint32_t box, uint32_t uid,
		     enum index_field field, struct str *out);
int index_cache_put(struct index_txn *txn, uint32_t box, uint32_t uid,
		    enum index_field field, struct str value, struct err *err);
/* Take over the cache of a message that was copied. */
int index_cache_copy(struct index_txn *txn, uint32_t from_box,
		     uint32_t from_uid, uint32_t to_box, uint32_t to_uid,
		     struct err *err);

/* Remove one value, if it is there. */
int index_cache_drop(struct index_txn *txn, uint32_t box, uint32_t uid,
		     enum index_field field, struct err *err);
/* Forget what was learnt of a message. */
int index_cache_remove(struct index_txn *txn, uint32_t box, uint32_t uid,
		       struct err *err);
/* And of those that are gone, should there be any; how many those were. */
int index_cache_purge(struct index_txn *txn, uint32_t box, unsigned *purged_out,
		      struct err *err);

/* Let the next change's modseq be higher than this one, if it would not be. */
int index_box_raise_modseq(struct index_txn *txn, uint32_t box, uint64_t modseq,
			   struct err *err);

/* mending */

/* For whoever meets a mail that the index should know and does not: 0 if all
 * UIDs have their records, for then it was expunged; or ERR_CORRUPT. Reads them
 * all. */
int index_box_whole(struct index_txn *txn, uint32_t box, struct err *err);

/* Count the records of a mailbox, and write its counts if they were others. */
int index_box_recount(struct index_txn *txn, uint32_t box, bool *changed_out,
		      struct err *err);

#endif
