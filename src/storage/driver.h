/* SPDX-License-Identifier: MIT */
/*
 * storage/driver.h - the one const table of functions that a mail format
 * implements. Drivers include this and index/, never each other, and nothing
 * above storage sees it.
 *
 * The storage core owns names, views and transactions; a driver owns files. It
 * keeps the index equal to the disk: sync() looks whether anything outside
 * changed (O(1) when nothing did) and brings it in.
 */
#ifndef STORAGE_DRIVER_H
#define STORAGE_DRIVER_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"
#include "index/index.h"
#include "storage/mail.h"
#include "storage/rights.h"

struct buf;
struct err;
struct guid_names;
struct mail_settings;
struct mail_uidl;

/* "maildir:~/Maildir:INDEX=...:CONTROL=...:LAYOUT=fs", taken apart; absolute
 * paths, %-variables expanded. */
struct location {
	const struct driver *driver;
	const char *root;
	const char *inbox;   /* INBOX=; NULL: the driver's own place */
	const char *index;   /* INDEX=; locks of sessions */
	bool index_memory;   /* INDEX=MEMORY */
	const char *environment; /* directory of the index itself */
	const char *control; /* CONTROL=; uidlist, keywords, subscriptions */
	const char *layout;  /* "maildir++", "fs", "index" */
	const char *subscriptions; /* file name; "subscriptions" */
	const char *volatile_dir;  /* VOLATILEDIR=; NULL: none */
	const char *dirname;       /* DIRNAME= and FULLDIRNAME= */
	bool full_dirname;         /* for control files, too */
	bool utf8;                 /* folder names on disk in UTF-8 */
	char broken_char;          /* BROKENCHAR=; 0: none */
	bool no_noselect;          /* NO-NOSELECT: no levels without mail */
	struct guid_names *names;  /* LAYOUT=index: which mailbox is where */
	const struct mail_settings *settings;
	struct rights rights; /* of the root */
};

/* One mailbox on disk. `name` is the storage name: UTF-8, '/' between levels,
 * without the namespace's prefix; "INBOX" for the INBOX. */
struct driver_box {
	const struct location *location;
	struct index *index;
	const char *name;
	const char *path;    /* directory or file of its mail */
	const char *control; /* directory of its control files */
	uint32_t id;         /* of the index; 0 until known. Gone with the index
				when that is rebuilt: ask sync(), not the caller */
	/* The session takes \Recent away (SELECT, not EXAMINE, STATUS or a
	 * delivery): sync() moves mails from new/ to cur/. */
	bool take_recent;
	bool session;   /* SELECT or EXAMINE: worth a closer look at the disk */
	bool durable;   /* mailbox_wait_for_disk() */
	unsigned coming; /* mails that are about to change, as far as known */
	/* Set by flush() when it brought changes of others into the index, in
	 * the same transaction; who wants to know clears it before. */
	bool others;
	void *driver;   /* the driver's own, child of the box */
	struct rights rights; /* rights_of_box() */
	unsigned epoch; /* the core's: of which index `id` is */
};

/* A mail being saved: the core parses and writes, the driver says where. */
struct driver_save {
	struct driver_box *box;
	int fd;           /* of the temporary file, opened by save_begin(); -1
			     from save_complete() on, or if there is a
			     save_write() */
	const char *temp; /* its path */
	int64_t received; /* before save_complete() */
	/* Known when the text is complete: */
	uint64_t size_physical, size_virtual;
	uint8_t flags;
	struct keywords keywords;
	const char *guid; /* the base name it wants, or NULL */
	const char *sender; /* of the mail it is a copy of; or NULL */
	uint32_t uid;     /* set by save_publish() */
	bool failed;      /* undo in save_end() what was published */
	void *driver;
};

/* What a driver tells of one mail on disk: where its text lies in a file, which
 * the caller closes; or, where that is the caller's, all of it in `text`, and
 * fd is -1. What is in a file that others change in place must not be read
 * later, when a client asks for more. */
struct driver_mail_file {
	int fd;
	uint64_t offset, len; /* Maildir: 0 and the whole file */
	struct buf *text;     /* empty; for mails shorter than its `max`; NULL:
				 always a file */
	struct buf *sender;   /* empty; for the sender that a format keeps
				 beside the mail; NULL: not wanted */
};

struct driver_entry {
	const char *name; /* storage name */
	bool selectable;
	bool no_inferiors; /* nothing can be below it */
};

struct driver {
	const char *name; /* "maildir" */
	const char *default_layout;
	bool by_guid;      /* LAYOUT=index may be */
	bool root_mailbox; /* the root, INBOX's place, is a mailbox itself */
	bool whole_lines;  /* the last line of a mail has an end, too */
	/* Below the root, for what is not mail: index, UIDVALIDITY. NULL: the
	 * root itself. */
	const char *hidden_dir;
	const char *subscriptions; /* file name, unless SUBSCRIPTIONS= */
	/* Whether `root` looks like this format, for an empty mail_location. */
	bool (*detect)(const char *root);

	/* the tree of mailboxes; all names are storage names */
	/* Paths of a mailbox (existing or not). Children of ctx. */
	int (*paths)(const void *ctx, const struct location *location,
		     const char *name, char **path_out, char **control_out,
		     struct err *err);
	/* All that is on disk, in any order: *out an array, child of ctx. */
	int (*list)(const void *ctx, const struct location *location,
		    struct driver_entry **out, size_t *count_out,
		    struct err *err);
	/* 0 if it is there; ERR_NOT_FOUND. */
	int (*exists)(const struct location *location, const char *name,
		      struct err *err);
	int (*create)(const struct location *location, const char *name,
		      struct err *err);
	int (*remove)(const struct location *location, const char *name,
		      struct err *err);
	/* The mailbox and those below it. */
	int (*rename)(const struct location *location, const char *from,
		      const char *to, struct err *err);
	/* The directory or file of one mailbox (in layout fs, those below are
	 * in it) to another location of this format, by rename(2).
	 * ERR_UNSUPPORTED if what belongs to it is not all in there. */
	int (*move)(const struct location *location, const char *from,
		    const struct location *to_location, const char *to,
		    struct err *err);

	/* one mailbox */
	/* Make the index equal to the disk. `full` looks even when nothing
	 * says that it changed. Opens write transactions by itself, only when
	 * there is something to write. Sets box->id, making the index's
	 * mailbox from the control files (UIDVALIDITY, UIDs, keywords). */
	int (*sync)(struct driver_box *box, bool full, struct err *err);
	/* Whether a mailbox is on disk as `row` remembers it, `root` being the
	 * location's root, open: what STATUS of many asks, so it must be
	 * cheap. False where that can't be told so; NULL if it never can. */
	bool (*unchanged)(const struct location *location, int root,
			  const char *name, const struct index_box *row);
	/* After a sync: what was put off goes to the files. NULL: nothing ever
	 * is. */
	int (*write_late)(struct driver_box *box, struct err *err);
	void (*close)(struct driver_box *box);
	/* Whether flags cannot be written: the rights, or the disk. */
	bool (*readonly)(const struct driver_box *box);
	void (*watch_paths)(const void *ctx, struct driver_box *box,
			    const char *const **paths_out, unsigned *count_out);

	/* mails */
	/* Open for reading. ERR_EXPUNGED if it is gone, also when others
	 * renamed it and a look at the disk does not find it again. May change
	 * record->driver to what it found. */
	int (*open_mail)(struct driver_box *box, struct index_record *record,
			 struct driver_mail_file *out, struct err *err);
	/* Fill in times and sizes that sync() left open, from the file.
	 * ERR_EXPUNGED as open_mail(). */
	int (*look)(struct driver_box *box, struct index_record *record,
		    struct err *err);
	/* GUID as Dovecot computes it; child of ctx. */
	char *(*guid)(const void *ctx, const struct index_record *record);
	/* Child of ctx; NULL if there is none. */
	char *(*special)(const void *ctx, const struct index_record *record,
			 enum mail_special what);
	/* In a write transaction: keep these with the mails. NULL: the format
	 * has no place for it. */
	int (*save_uidls)(struct index_txn *txn, struct driver_box *box,
			  struct index_box *index_box,
			  const struct mail_uidl *uidls, size_t count,
			  struct err *err);

	/* A temporary file on the same file system. Child of ctx. */
	int (*save_begin)(const void *ctx, struct driver_box *box,
			  struct driver_save **out, struct err *err);
	/* A piece of the text; NULL: it goes to save->fd. */
	int (*save_write)(struct driver_save *save, const void *data,
			  size_t len, struct err *err);
	/* The text is complete: durable, if it becomes visible by its name
	 * (mail_fsync). fd is -1 then, whatever is returned. */
	int (*save_complete)(struct driver_save *save, struct err *err);
	/* In a write transaction: make all `count` saves durable and visible,
	 * set their uid (from index_box->uid_next on, after mails that others
	 * have put there were brought in: index_box changes with that), and
	 * tell what their records' driver data is (driver_data_out[i], children
	 * of ctx or of the save), and their sizes if these changed. On failure
	 * nothing is visible. The core then appends the records and calls
	 * flush(). */
	int (*save_publish)(const void *ctx, struct index_txn *txn,
			    struct index_box *index_box,
			    struct driver_save **saves, size_t count,
			    struct str *driver_data_out, struct err *err);
	/* After the commit of the index succeeded, or failed (save->failed);
	 * frees what save_begin() made, removes a temporary file that is
	 * left. */
	void (*save_end)(struct driver_save *save);
	/* Instead of begin/write: a copy of a mail of the same driver by hard
	 * link, which save_publish() makes; `from` stays open until then.
	 * ERR_UNSUPPORTED, of either: copy the text. */
	int (*save_link)(const void *ctx, struct driver_box *box,
			 struct driver_box *from,
			 const struct index_record *record,
			 struct driver_save **out, struct err *err);

	/* Before a write transaction in which files are going to be written, of
	 * `flags` only if so told: wait for the locks that others take, too,
	 * while nobody waits for the index. Held until unlock(). NULL: there
	 * are none. */
	int (*lock)(struct driver_box *box, bool flags, struct err *err);
	void (*unlock)(struct driver_box *box); /* NULL: nothing is held */
	/* In a write transaction: put flags and keywords of *record on disk
	 * and change record->driver accordingly (child of ctx). Writes nothing
	 * to the index, into which other records of a batch point. */
	int (*write_flags)(const void *ctx, struct index_txn *txn,
			   struct driver_box *box, struct index_box *index_box,
			   struct index_record *record, struct err *err);
	/* Where flags are noted in the index first: what write_flags() does but
	 * for the record, which gets `flag_mark`. NULL: each mail is written by
	 * itself. */
	void (*note_flags)(struct driver_box *box, struct index_box *index_box,
			   uint32_t uid);
	uint8_t flag_mark; /* of record->mark */
	/* In a write transaction: after the last write_flags() or remove_mail()
	 * of a batch: control files, remembered mtimes, fsync of directories
	 * where mail_fsync asks for it. Keyword names changed if so told. Calls
	 * index_box_put() itself. */
	int (*flush)(struct index_txn *txn, struct driver_box *box,
		     struct index_box *index_box, bool keywords_changed,
		     struct err *err);
	int (*remove_mail)(struct index_txn *txn, struct driver_box *box,
			   struct index_box *index_box,
			   const struct index_record *record, struct err *err);
	/* In a write transaction, after a sync: UIDVALIDITY, next UID or GUID
	 * in *index_box are to be other ones: put them on disk. NULL: the
	 * format cannot. ERR_CHANGED: by somebody else just now. */
	int (*update)(struct index_txn *txn, struct driver_box *box,
		      struct index_box *index_box, struct err *err);
};

extern const struct driver maildir_driver;
extern const struct driver mbox_driver;

/* row.c: the row of the mailbox in the index; ERR_NOT_FOUND, with box->id = 0,
 * if it has none. By its name, as its files are found: a mailbox that was
 * renamed takes its row along, and another one may be called so now. With
 * LAYOUT=index, where files have no names, by box->id. */
int driver_row(struct driver_box *box, struct index_txn *txn,
	       struct index_box *out, struct err *err);

/* Whether what a driver remembers of that row is of this generation. */
struct driver_known {
	bool cached;
	uint64_t generation;
};

/* The row, read again only when the index changed: 1 with *out, or with
 * known->cached false if it has none; 0: it did not. */
int driver_look(struct driver_box *box, struct driver_known *known,
		struct index_box *out, struct err *err);

/* keywords.c: whether a name that somebody wrote into a file may stand in a
 * list of flags: clients could not read the line else. */
bool keyword_can_be_told(struct str name);
/* store.c: a record's driver data are not to be read. The index is made anew;
 * ERR_CORRUPT. */
int driver_bad_record(const struct driver_box *box, uint32_t uid,
		      struct err *err);
/* uidvalidity.c: the next UIDVALIDITY of a location. */
int uid_validity_next(const struct location *location, uint32_t *out,
		      struct err *err);

#endif
