/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/mbox.h - what the files of the mbox driver share.
 *
 * A mailbox is one file: mails one after another, each behind a line "From
 * sender date". UIDs, flags and keywords lie in header fields that clients do
 * not see. doc/formats.md has the form; what is there is Dovecot's.
 *
 * The index says where each mail lies. While both agree, the mails cover the
 * file without gaps; a gap is a mail that was expunged from the index and is to
 * be taken out of the file by the next write.
 *
 * Lock order: the file's lock, then the index's write transaction. Others may
 * hold the file for minutes: nobody waits for it while others wait for the
 * index.
 */
#ifndef STORAGE_MBOX_MBOX_H
#define STORAGE_MBOX_MBOX_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <talloc.h>

#include "base/buf.h"
#include "base/str.h"
#include "storage/driver.h"

struct digest;

/* from.c: the line in front of a mail */

/* The longest one that is believed. */
enum { FROM_LINE_MAX = 1024 };

/* Whether `line`, without its end, is one: "From ", a sender, a date as any of
 * the usual programs write it: local time, if no number says how far it is from
 * UTC. *time_out is UTC. */
bool mbox_from_parse(struct str line, int64_t *time_out);
/* The sender in such a line, as it stands there. */
struct str mbox_from_sender(struct str line);
/* "From sender  Sat Nov 28 20:15:24 2026\n", in local time. */
void mbox_from_write(const char *sender, int64_t time, struct buf *out);

/* header.c: the fields that are ours */

/* What a header block says. Texts point into it. */
struct mbox_header {
	bool has_base, pseudo; /* X-IMAPbase:, or X-IMAP: of the pseudo mail */
	uint32_t uid_validity, last_uid;
	struct str base_keywords;
	size_t last_uid_at, last_uid_len; /* its digits in the block */
	uint32_t uid;                     /* X-UID:, 0 if there is none */
	uint8_t flags;
	bool old; /* O: it was \Recent to somebody already */
	bool has_keywords;
	struct str keywords;
	bool has_content_length;
	uint64_t content_length;
	unsigned char md5[16];  /* of the fields that mbox_md5 names */
	uint64_t size, virtual; /* of what clients see of it, with CRLF */
};

/* `md5` is of digest_new("md5"), used again and again, or NULL; `all`: mbox_md5
 * = all. */
void mbox_header_parse(struct str block, struct digest *md5, bool all,
		       struct mbox_header *out);
/* The next word of such a value, which may be folded; see str_word(). */
bool mbox_header_word(struct str *value, struct str *word_out);
/* What clients see of it. */
void mbox_header_visible(struct str block, struct buf *out);

/* What is to be in a header. */
struct mbox_fields {
	bool base; /* X-IMAPbase: */
	uint32_t uid_validity, last_uid;
	const char *const *names; /* all keywords of the mailbox by bit */
	unsigned name_count;
	uint32_t uid;
	uint8_t flags;
	bool old;
	const struct keywords *keywords;
	/* UINT64_MAX: the field stays as it is. */
	uint64_t content_length;
};

/* The block with those fields. It gets the length of the old one if that is
 * enough, and room for later changes otherwise. */
void mbox_header_compose(struct str block, const struct mbox_fields *fields,
			 struct buf *out);
/* Where the ten digits of the last UID are in what these two made. */
size_t mbox_base_digits(struct str text);
/* The mail that keeps the UIDs of an empty mailbox. */
void mbox_pseudo_write(const struct mbox_fields *fields, int64_t time,
		       struct buf *out);

/* state.c: what the index remembers */

/* A bit of the first octet of: */
enum { MBOX_DIRTY = 1 };

/* Driver data of a record. */
struct mbox_record {
	bool dirty;      /* the index knows better than the file */
	uint64_t offset; /* of the "From " line */
	uint32_t from_len, header_len;
	uint64_t body_len;
	uint32_t end_len; /* the line end behind it: 0, 1, 2 */
	unsigned char md5[16];
};

bool mbox_record_get(const struct index_record *record,
		     struct mbox_record *out);
/* Child of ctx. */
struct str mbox_record_make(const void *ctx, const struct mbox_record *data);
/* That for a record. */
void mbox_record_put(const void *ctx, const struct mbox_record *data,
		     struct index_record *record);
uint64_t mbox_record_end(const struct mbox_record *record);

/* index_box.driver */
struct mbox_state {
	bool valid;
	bool tail_only; /* only what was new was read since the last full look
			 */
	uint32_t tail_uid; /* that is, from this UID on */
	bool gaps;         /* there is garbage between mails */
	uint64_t ino, size;
	int64_t mtime_sec;
	uint32_t mtime_nsec;
	uint64_t
		first; /* where the first real mail lies: behind a pseudo one */
	uint64_t base_at;    /* of the 10 digits of the last UID; 0: none */
	uint32_t base_uid;   /* what they say */
	uint32_t base_names; /* keywords that are named there */
	uint32_t messages;   /* in the file */
	uint32_t dirty_first, dirty_last; /* UIDs; none if first > last */
	uint32_t old_below; /* mails below are marked as old in the file */
};

void mbox_state_get(const struct index_box *box, struct mbox_state *out);
void mbox_state_put(struct index_box *box, const struct mbox_state *state);
/* Both, and mbox_state_dirty() between them. */
void mbox_state_put_dirty(struct index_box *box, uint32_t uid);
void mbox_state_dirty(struct mbox_state *state, uint32_t uid);
bool mbox_state_same_file(const struct mbox_state *state,
			  const struct stat *st);
/* Remember the file as it is. `own`: we changed it just now, so that its time
 * must differ from what others do to it within the same tick of the clock. */
int mbox_state_take_file(struct mbox_state *state, int fd, bool own,
			 struct err *err);

/* lock.c */

enum mbox_lock_kind { MBOX_READ, MBOX_WRITE };

struct mbox_lock {
	int fd; /* -1: not locked */
	bool dotlock, fcntl, flock;
	const char *path;
	const struct location *location;
	const struct driver_box *box; /* of mbox_hold() */
};

/* Lock in the order of mbox_read_locks or mbox_write_locks; `fd` is the open
 * file. ERR_IN_USE after mbox_lock_timeout. */
int mbox_lock(struct driver_box *box, int fd, enum mbox_lock_kind kind,
	      struct mbox_lock *out, struct err *err);
/* Without waiting, in a write transaction. */
int mbox_lock_now(struct driver_box *box, int fd, enum mbox_lock_kind kind,
		  struct mbox_lock *out, struct err *err);
void mbox_unlock(struct mbox_lock *lock); /* for CLEANUP too */
/* The driver's lock() and unlock(): the functions above find the file locked
 * already, for whichever driver_box, and leave it so. */
int mbox_hold(struct driver_box *box, bool flags, struct err *err);
void mbox_unhold(struct driver_box *box);
/* Whether flags go to the file at once. */
bool mbox_writes_now(const struct location *location);

/* file.c */

/* What a mailbox that is open remembers. */
struct mbox_box {
	int fd; /* of the file, or -1 */
	bool writable;
	uint64_t ino;
	struct driver_known known; /* the next two */
	struct mbox_state state;
	uint32_t first_recent_uid;
	bool looked;    /* at all */
	bool selected;  /* a full look was taken after it was opened */
	bool changed;   /* flags, through this one */
	bool names_due; /* of keywords that mails were saved with */
	struct range_set expunging; /* of the batch that flush() ends */
	uint64_t gap_at;            /* where the first of them was */
	uint64_t gap_len;           /* how long they are in all */
	int64_t shift;              /* of the last mail that others had moved */
	struct stat searched;       /* the file that was searched for one */
	struct mbox_places *places; /* NULL: not needed yet */
	/* The last large mail, as clients see it, in a temporary file. */
	uint32_t large_uid, large_box;
	int large_fd;
	uint64_t large_at, large_size;
	struct mbox_spool *spool; /* of the next mail to be saved; or NULL */
};

struct mbox_box *mbox_box_get(struct driver_box *box);
/* It is the same file, with nothing written in between. */
bool mbox_same_time(const struct stat *a, const struct stat *b);
/* The file, opened anew if another one has its name now. ERR_NOT_FOUND. */
int mbox_file(struct driver_box *box, struct mbox_box **out,
	      struct stat *st_out, struct err *err);
/* Read exactly `len` octets; ERR_TEMPORARY if the file is shorter. */
int mbox_read_at(const struct driver_box *box, int fd, void *data, size_t len,
		 uint64_t at, struct err *err);
int mbox_write_at(const struct driver_box *box, int fd, const void *data,
		  size_t len, uint64_t at, struct err *err);
int mbox_fsync(const struct driver_box *box, int fd, struct err *err);
bool mbox_all_synced(const struct location *location); /* mail_fsync = always */
bool mbox_md5_all(const struct location *location);

/* scan.c: the mails of a file */

struct mbox_mail {
	struct mbox_record record;
	struct mbox_header header; /* its texts are valid in the callback */
	struct str block;          /* the header */
	int64_t received;
	uint64_t size, virtual; /* as clients see it */
};

/* Called for each mail in its order; 1 ends the scan. */
typedef int mbox_mail_fn(void *ctx, const struct mbox_mail *mail,
			 struct err *err);

struct mbox_scan {
	struct driver_box *box;
	int fd;
	uint64_t at, end; /* begin here, and where the file ends */
	size_t max_header;
	bool header_only; /* where bodies end does not matter: for one mail */
	mbox_mail_fn *fn;
	void *ctx;
};

/* ERR_INVALID if there is no "From " line at `at`. */
int mbox_scan(struct mbox_scan *scan, struct err *err);
/* Whether a mail begins with `text`, up to FROM_LINE_MAX octets; or the file
 * ends in front of it. `all`: it ends behind it. */
bool mbox_starts_mail(struct str text, bool all);
/* 1 if a "From " line, or the end, is there. */
int mbox_mail_starts(const struct driver_box *box, int fd, uint64_t at,
		     uint64_t end, struct err *err);

/* sync.c, apply.c */

/* What one look at the file brings into the index. */
struct mbox_sync {
	TALLOC_CTX *ctx;
	struct driver_box *box;
	struct index_txn *txn;
	struct index_box *row;
	struct mbox_state state;
	int fd;
	bool writable;  /* it is locked for writing */
	bool created;   /* the row is new */
	bool urgent;    /* mails without UID in the file were found */
	bool recovered; /* after a crash: the file is not what the index knows
			 */
	uint64_t size;  /* of the file, under the lock */
	/* UIDs whose records were removed just now, while their mails are still
	 * in the file; may be NULL. */
	const struct range_set *expunging;
	uint64_t gap_at;    /* of the first of them; UINT64_MAX: not known */
	uint64_t gap_len;   /* of all of them */
	const char **names; /* keywords */
	unsigned name_count;
};

int mbox_sync_box(struct driver_box *box, bool full, struct err *err);
/* Lock the file for writing, unless it is held, in a write transaction and make
 * sure that the index is equal to it. ERR_IN_USE at once if others have it. */
int mbox_update_begin(const void *ctx, struct driver_box *box,
		      struct index_txn *txn, struct index_box *row,
		      const struct range_set *expunging,
		      struct mbox_sync *sync_out, struct mbox_lock *lock_out,
		      struct err *err);
/* In a write transaction and under a lock: make the index equal to the file;
 * `full` reads all of it. The row is made if it is missing (row->id is 0). */
int mbox_apply(struct mbox_sync *sync, bool full, struct err *err);

/* rewrite.c, journal.c */

/* How many of sync->names have a name: state.base_names of them are in the
 * file. */
unsigned mbox_named(const struct mbox_sync *sync);

/* Under the write lock, when index and file agree but for dirty records and
 * gaps: write all that, and remember the file. */
int mbox_write(struct mbox_sync *sync, struct err *err);
/* Write the ten digits of the last UID at `at`, where those of `old` are. */
int mbox_put_last_uid(const struct mbox_sync *sync, uint64_t at, uint32_t old,
		      uint32_t uid, struct err *err);

/* What a disk writes as a whole, or not at all. */
enum { MBOX_SECTOR = 512 };

/* Writes that survive a kill or a power cut at any moment: what is going to be
 * done goes to a file of its own first. */
enum mbox_journal_kind {
	MBOX_JOURNAL_TEXT,   /* the file ends with the text, from `start` on */
	MBOX_JOURNAL_APPEND, /* mails come at its end, the last a line end */
	MBOX_JOURNAL_PATCH,  /* octets change where they are */
	/* As TEXT without room on the disk: what is kept moves to the front at
	 * once, and nothing that is added may be longer than what it comes in
	 * place of. No way back. */
	MBOX_JOURNAL_SHIFT,
};

struct mbox_journal {
	struct driver_box *box;
	enum mbox_journal_kind kind;
	int fd, target;
	uint64_t start, len; /* of the text so far */
	uint64_t filed;      /* what is in `buf` comes there in the journal */
	struct buf buf;
	struct digest *sum;
	bool armed; /* on disk: it will be done, by us or by the next one */
	/* APPEND: `filed` octets are in the file. */
	bool thorough;     /* done on disk, too, before anybody hears of it */
	uint64_t expected; /* octets in all */
	/* SHIFT: what is in `buf` comes at `start`; all in front of `from` is
	 * in it, written or dropped; what is from `safe` on must stay. */
	uint64_t from, safe, old_size;
};

/* Child of ctx. `fd` is the mailbox's file, which must stay open; SHIFT: mails
 * are kept from `from` on. */
int mbox_journal_begin(const void *ctx, struct driver_box *box,
		       enum mbox_journal_kind kind, int fd, uint64_t start,
		       uint64_t from, struct mbox_journal **out,
		       struct err *err);
/* Where what is added next will lie in the file. */
uint64_t mbox_journal_at(const struct mbox_journal *journal);
int mbox_journal_add(struct mbox_journal *journal, const void *data, size_t len,
		     struct err *err);
/* APPEND: so many octets in all, before the first one is added. */
void mbox_journal_expect(struct mbox_journal *journal, uint64_t len);
/* A part of the file; each one lies behind the one before. */
int mbox_journal_copy(struct mbox_journal *journal, uint64_t at, uint64_t len,
		      struct err *err);
/* What was added came in place of all in front of `from`. */
void mbox_journal_skip(struct mbox_journal *journal, uint64_t from);
/* Whether `len` octets may be added in place of what ends at `from`. */
bool mbox_journal_fits(const struct mbox_journal *journal, uint64_t from,
		       uint64_t len);
int mbox_journal_patch(struct mbox_journal *journal, uint64_t at,
		       struct str old, struct str new, struct err *err);
/* It is time to commit the patches. */
bool mbox_journal_is_full(const struct mbox_journal *journal);
/* Put it in place. */
int mbox_journal_commit(struct mbox_journal *journal, struct err *err);
/* Finish what was interrupted; under the write lock. 1 if there was anything.
 */
int mbox_journal_recover(struct driver_box *box, int fd, struct err *err);
bool mbox_journal_exists(const struct driver_box *box);

/* spool.c: texts on their way into a mailbox */

struct mbox_spool;

/* A file without a name in mail_temp_dir. */
int mbox_temp_file(const struct location *location, struct err *err);
/* The next mail begins at *at_out of the spool that it goes to, one at a time:
 * give it back with mbox_spool_end(). */
struct mbox_spool *mbox_spool_begin(struct driver_box *box, uint64_t *at_out);
int mbox_spool_write(struct mbox_spool *spool, const void *data, size_t len,
		     struct err *err);
/* It ends where is returned. */
uint64_t mbox_spool_complete(struct mbox_spool *spool);
/* *out is in the spool's own memory, or in `space`, until either changes. */
int mbox_spool_read(const struct mbox_spool *spool, uint64_t at, size_t len,
		    struct buf *space, struct str *out, struct err *err);
void mbox_spool_end(struct driver_box *box, struct mbox_spool *spool,
		    bool complete);

/* places.c */

enum {
	MBOX_PLACES_GONE,    /* it is not in the file */
	MBOX_PLACES_FOUND,   /* where, in *record */
	MBOX_PLACES_UNKNOWN, /* it must be searched for */
};
/* Where the mail with that UID is in the file as *st has it. Reads all of the
 * file once. */
int mbox_places_find(struct driver_box *box, struct mbox_box *own,
		     const struct stat *st, uint32_t uid,
		     struct mbox_record *record, struct err *err);
void mbox_places_forget(struct mbox_box *own);

/* layout.c: for list.c */

/* Mails are in the file DIRNAME= of a directory. */
bool mbox_has_dirname(const struct location *location);
/* A file beside mail that is none. */
bool mbox_file_reserved(const struct location *location, struct str file);
/* Child of ctx. */
char *mbox_inbox_path(const void *ctx, const struct location *location);

/* save.c, mail.c, layout.c, list.c: functions of the table */

int mbox_save_begin(const void *ctx, struct driver_box *box,
		    struct driver_save **out, struct err *err);
int mbox_save_write(struct driver_save *save, const void *data, size_t len,
		    struct err *err);
int mbox_save_complete(struct driver_save *save, struct err *err);
int mbox_save_link(const void *ctx, struct driver_box *box,
		   struct driver_box *from, const struct index_record *record,
		   struct driver_save **out, struct err *err);
int mbox_save_publish(const void *ctx, struct index_txn *txn,
		      struct index_box *index_box, struct driver_save **saves,
		      size_t count, struct str *driver_data_out,
		      struct err *err);
void mbox_save_end(struct driver_save *save);

int mbox_open_mail(struct driver_box *box, struct index_record *record,
		   struct driver_mail_file *out, struct err *err);
int mbox_look(struct driver_box *box, struct index_record *record,
	      struct err *err);
char *mbox_guid(const void *ctx, const struct index_record *record);
char *mbox_special(const void *ctx, const struct index_record *record,
		   enum mail_special what);
int mbox_write_flags(const void *ctx, struct index_txn *txn,
		     struct driver_box *box, struct index_box *index_box,
		     struct index_record *record, struct err *err);
void mbox_note_flags(struct driver_box *box, struct index_box *index_box,
		     uint32_t uid);
int mbox_remove_mail(struct index_txn *txn, struct driver_box *box,
		     struct index_box *index_box,
		     const struct index_record *record, struct err *err);
int mbox_flush(struct index_txn *txn, struct driver_box *box,
	       struct index_box *index_box, bool keywords_changed,
	       struct err *err);
int mbox_write_late(struct driver_box *box, struct err *err);
void mbox_close(struct driver_box *box);

int mbox_paths(const void *ctx, const struct location *location,
	       const char *name, char **path_out, char **control_out,
	       struct err *err);
int mbox_list(const void *ctx, const struct location *location,
	      struct driver_entry **out, size_t *count_out, struct err *err);
int mbox_exists(const struct location *location, const char *name,
		struct err *err);
int mbox_create(const struct location *location, const char *name,
		struct err *err);
int mbox_remove(const struct location *location, const char *name,
		struct err *err);
int mbox_rename(const struct location *location, const char *from,
		const char *to, struct err *err);
int mbox_move(const struct location *location, const char *from,
	      const struct location *to_location, const char *to,
	      struct err *err);
int mbox_update(struct index_txn *txn, struct driver_box *box,
		struct index_box *index_box, struct err *err);

#endif
