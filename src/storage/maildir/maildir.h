/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/maildir.h - what the files of the Maildir driver share.
 *
 * What lies on disk is Dovecot's: cur/ new/ tmp/, `dovecot-uidlist` version 3,
 * `dovecot-keywords`, `dovecot-uidvalidity`, file names with S=, W= and flags.
 * A live Dovecot may work on the same mailbox; doc/formats.md tells how the two
 * keep out of each other's way.
 *
 * A record's driver data is one octet 'n' or 'c' for the directory, the file
 * name, and, if the uidlist has extension fields for the mail, a NUL and those
 * fields as they stand there.
 */
#ifndef STORAGE_MAILDIR_MAILDIR_H
#define STORAGE_MAILDIR_MAILDIR_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "storage/dotlock.h"
#include "storage/driver.h"

struct buf;

enum { MAILDIR_KEYWORDS = 26 };

/* filename.c */

struct file_name {
	struct str base;      /* up to the ':': what stays */
	uint8_t flags;        /* of ":2,"; MAIL_* */
	uint32_t keywords;    /* letters a-z as bits */
	uint64_t size, vsize; /* S= and W=, or UINT64_MAX */
};

void file_name_parse(struct str name, struct file_name *out);
/* A fresh base name, Dovecot's: time.MmicrosecondsPpid.host. Child of ctx. */
char *file_name_new(const void *ctx);
/* The name for those flags, to `room` of old.len + FILE_FLAGS_ROOM octets: what
 * is unknown to us in `old` stays. Returns its length, without the NUL. */
enum { FILE_FLAGS_ROOM = 64 };
size_t file_name_flags_put(char *room, struct str old, uint8_t flags,
			   uint32_t keywords);
/* The host as in names and locks. */
const char *maildir_host(void);

/* Parts of a record's driver data. False: not ours. */
struct record_name {
	char dir; /* 'n' or 'c' */
	struct str name, ext;
};
bool record_name_get(struct str driver, struct record_name *out);
/* To `room` of name.len + ext.len + 2 octets; returns how many it took. */
size_t record_name_put(char *room, char dir, struct str name, struct str ext);
/* Child of ctx. */
struct str record_name_make(const void *ctx, char dir, struct str name,
			    struct str ext);
/* The field `kind` of an ext text, which may be empty; data is NULL if it has
 * none. */
struct str ext_field(struct str ext, char kind);

/* state.c: what is remembered in index_box.driver */

struct file_time {
	int64_t sec;
	uint32_t nsec;
};

/* A control file as it was last read. */
struct file_mark {
	uint64_t ino, size;
	struct file_time mtime;
};

/* How far the uidlist was read. */
struct uidlist_mark {
	struct file_mark file;
	uint32_t lines;    /* in it, with those of expunged mails */
	uint32_t last_uid; /* of its last line; 0 if it has none */
};

struct maildir_state {
	bool valid;      /* false: nothing is known, look at everything */
	uint8_t pending; /* PENDING_*, of a batch that flush() ends */
	struct file_time new_time, cur_time;
	struct uidlist_mark uidlist;
	struct file_mark keywords;
	uint32_t first_new_uid; /* no mail below lies in new/ */
	uint32_t letters;       /* keywords that have a name on disk */
	uint32_t own_changes;   /* in cur/, since it was read as a whole */
	int64_t cur_read;       /* when that was, in seconds */
};

enum {
	PENDING_NEW = 1, /* a batch changes new/ */
	PENDING_CUR = 2,
	PENDING_BOTH = PENDING_NEW | PENDING_CUR,
	PENDING_OK = 4, /* times these: it was as remembered when it began */
};

void state_get(const struct index_box *box, struct maildir_state *out);
void state_put(struct index_box *box, const struct maildir_state *state);

struct dir_times {
	struct file_time new_time, cur_time;
};
/* ERR_NOT_FOUND if the directories are not there. */
int dir_times_get(struct driver_box *box, struct dir_times *out,
		  struct err *err);
struct file_time file_time_of(const struct stat *st);
bool file_time_same(struct file_time a, struct file_time b);
/* Whether a control file is as it was; a missing one has ino 0. */
int file_mark_get(const char *path, struct file_mark *out, struct err *err);
bool file_mark_same(const struct file_mark *a, const struct file_mark *b);

/* Around own changes in `dirs` (PENDING_NEW, PENDING_CUR): if a directory was as
 * remembered before them, its new time is remembered after them. The flags live
 * in index_box->driver, so that a transaction that is rolled back forgets them,
 * too. */
int batch_begin(struct driver_box *box, struct index_box *index_box,
		unsigned dirs, struct err *err);
/* Something was not as remembered: look again next time. */
void batch_spoil(struct index_box *index_box, unsigned dirs);
int batch_end(struct driver_box *box, struct index_box *index_box,
	      uint32_t changes, struct err *err);

/* layout.c */

/* dotlock_get() for a control file of that mailbox. Whoever made it elsewhere
 * may not have made their directory (CONTROL=). */
int maildir_lock(const struct driver_box *box, const char *path,
		 struct err *err);

/* uidlist.c */

struct uidlist_header {
	uint32_t uid_validity, uid_next;
	unsigned char guid[16];
	bool has_guid;
	bool whole; /* all lines were read, not only new ones */
};

struct uidlist_entry {
	uint32_t uid;
	struct str ext; /* extension fields, "" if none */
	struct str base;
};

/* Called for each line, in ascending order of UIDs. */
typedef void uidlist_fn(void *ctx, const struct uidlist_entry *entry);

char *uidlist_path(const void *ctx, const struct driver_box *box);
/* Read what was appended since *mark was made (tail), or all: also where the
 * file turns out to be another one. *mark becomes that of what was read.
 * ERR_NOT_FOUND, ERR_CORRUPT. */
int uidlist_read(const char *path, bool tail, struct uidlist_mark *mark,
		 struct uidlist_header *header, uidlist_fn *fn, void *ctx,
		 struct err *err);
/* Under the lock: append `count` lines (uidlist_line()), the last one with
 * `last_uid`. */
int uidlist_append(const char *path, struct str lines, uint32_t count,
		   uint32_t last_uid, bool sync, struct uidlist_mark *mark,
		   struct err *err);
/* Under the lock: write it anew from the index. */
int uidlist_rewrite(struct driver_box *box, struct index_txn *txn,
		    const struct index_box *index_box,
		    struct maildir_state *state, struct err *err);
void uidlist_line(struct buf *out, uint32_t uid, struct str ext,
		  struct str base);
/* A mailbox that has none yet. */
int uidlist_create(const char *path, const struct uidlist_header *header,
		   const struct rights *rights, struct err *err);

/* keywords.c */

struct keywords_news {
	bool renamed; /* a letter has another name than the index thought */
	bool lacking; /* the index has names that the file lacks */
};

/* Take over names from dovecot-keywords if it changed. */
int keywords_read(struct driver_box *box, struct index_txn *txn,
		  struct maildir_state *state, struct keywords_news *out,
		  struct err *err);
/* Letters that file names have, and nobody a name for, become "unknown-N", as
 * with Dovecot: else the next keyword would get one, and with it their mails.
 */
int keywords_name(struct driver_box *box, struct index_txn *txn,
		  uint32_t letters, struct err *err);
/* Write the index's names there unless it has those of `letters`. It takes the
 * lock of the uidlist, as Dovecot does, if the caller has not `locked` it. */
int keywords_ensure(struct driver_box *box, struct index_txn *txn,
		    struct index_box *index_box, uint32_t letters, bool locked,
		    struct err *err);
int keywords_write(struct driver_box *box, struct index_txn *txn,
		   struct maildir_state *state, bool locked, struct err *err);

/* scan.c: what is in the directories */

struct scan_entry {
	struct str name;
	uint32_t base_len;
	uint32_t uid;   /* from the uidlist; 0 if it has none */
	struct str ext; /* from there */
	char dir;
	bool known; /* the index has it */
};

struct scan;
/* Read new/, and cur/ if told; duplicates are dealt with. Child of ctx. */
int scan_read(const void *ctx, struct driver_box *box, bool cur,
	      struct scan **out, struct err *err);
/* A file that was found later. */
struct scan_entry *scan_add(struct scan *scan, char dir, struct str name);
struct scan_entry *scan_find(struct scan *scan, struct str base);
struct scan_entry *scan_entries(struct scan *scan, size_t *count_out);
char *scan_keep(struct scan *scan, struct str text);

/* Nothing but reading is possible: flags are written by renaming in cur/. */
bool maildir_readonly(const struct driver_box *box);
/* sync.c */

int maildir_sync(struct driver_box *box, bool full, struct err *err);
/* driver->lock(): holds nothing, but waits for who holds dovecot-uidlist.lock
 * for long, which else would be done with the index in hand. */
int maildir_wait(struct driver_box *box, bool flags, struct err *err);
bool maildir_unchanged(const struct location *location, int root,
		       const char *name, const struct index_box *row);
/* In a write transaction under the uidlist's lock: bring in what others put
 * there. */
int sync_within(struct driver_box *box, struct index_txn *txn,
		struct index_box *index_box, struct err *err);
/* mail_fsync. */
/* A descriptor of new/ ('n'), cur/ ('c') or tmp/ ('t'), kept for as long as the
 * box is open: to walk a path costs as much as what is done at its end. Whoever
 * finds a name missing there forgets them first, for the directory itself may
 * be another one now; and the next sync reads it. */
int maildir_dir_fd(struct driver_box *box, char dir, struct err *err);
int maildir_dir_fsync(struct driver_box *box, char dir, struct err *err);
void maildir_dirs_forget(struct driver_box *box);
/* ERR_EXPUNGED for a mail whose file, `base` in the index, is nowhere; or
 * ERR_CORRUPT: the uidlist knows its UID by another name. */
int maildir_gone(struct driver_box *box, uint32_t uid, struct str base,
		 struct err *err);
/* The file of a mail, wherever it is now. 1 with its directory and name
 * (child of ctx); 0 if it is nowhere. */
int maildir_find(const void *ctx, struct driver_box *box, struct str base,
		 char *dir_out, char **name_out, struct err *err);
bool maildir_fsync_never(const struct location *location);
bool maildir_fsync_always(const struct location *location);

/* save.c, mail.c, layout.c: functions of the table */

int maildir_save_begin(const void *ctx, struct driver_box *box,
		       struct driver_save **out, struct err *err);
int maildir_save_complete(struct driver_save *save, struct err *err);
int maildir_save_link(const void *ctx, struct driver_box *box,
		      struct driver_box *from,
		      const struct index_record *record,
		      struct driver_save **out, struct err *err);
int maildir_save_publish(const void *ctx, struct index_txn *txn,
			 struct index_box *index_box,
			 struct driver_save **saves, size_t count,
			 struct str *driver_data_out, struct err *err);
void maildir_save_end(struct driver_save *save);

/* What stat() of its file says of a mail. */
void maildir_looked(const struct driver_box *box, const struct stat *st,
		    struct index_record *record);
int maildir_look(struct driver_box *box, struct index_record *record,
		 struct err *err);
int maildir_open_mail(struct driver_box *box, struct index_record *record,
		      struct driver_mail_file *out, struct err *err);
char *maildir_guid(const void *ctx, const struct index_record *record);
/* pop3.c */
char *maildir_special(const void *ctx, const struct index_record *record,
		      enum mail_special what);
int maildir_save_uidls(struct index_txn *txn, struct driver_box *box,
		       struct index_box *index_box,
		       const struct mail_uidl *uidls, size_t count,
		       struct err *err);
int maildir_write_flags(const void *ctx, struct index_txn *txn,
			struct driver_box *box, struct index_box *index_box,
			struct index_record *record, struct err *err);
int maildir_remove_mail(struct index_txn *txn, struct driver_box *box,
			struct index_box *index_box,
			const struct index_record *record, struct err *err);
int maildir_flush(struct index_txn *txn, struct driver_box *box,
		  struct index_box *index_box, bool keywords_changed,
		  struct err *err);

int maildir_paths(const void *ctx, const struct location *location,
		  const char *name, char **path_out, char **control_out,
		  struct err *err);
int maildir_list(const void *ctx, const struct location *location,
		 struct driver_entry **out, size_t *count_out, struct err *err);
int maildir_exists(const struct location *location, const char *name,
		   struct err *err);
/* update.c */
int maildir_update(struct index_txn *txn, struct driver_box *box,
		   struct index_box *index_box, struct err *err);

int maildir_create(const struct location *location, const char *name,
		   struct err *err);
int maildir_remove(const struct location *location, const char *name,
		   struct err *err);
int maildir_rename(const struct location *location, const char *from,
		   const char *to, struct err *err);
int maildir_move(const struct location *location, const char *from,
		 const struct location *to_location, const char *to,
		 struct err *err);
/* cur/, new/ and tmp/ of a mailbox where they are missing. */
int maildir_make_dirs(const struct location *location,
		      const struct rights *rights, const char *path,
		      struct err *err);

#endif
