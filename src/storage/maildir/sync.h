/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/sync.h - one look at the disk, shared by sync.c (what to look
 * at, and when) and apply.c (what to make of it).
 */
#ifndef STORAGE_MAILDIR_SYNC_H
#define STORAGE_MAILDIR_SYNC_H
#include "storage/maildir/maildir.h"

/* Who else changes cur/ during a batch of own changes (witness.c). All zero
 * before the first one. */
struct witness {
	bool listed; /* it has a watch */
	int number;  /* of that */
	uint32_t own, seen;
	bool lost; /* some events were */
	struct witness *next;
};

enum witnessed { WITNESS_NONE, WITNESS_ALONE, WITNESS_OTHERS };

/* Before the first look at `dir`. `coming` own changes are known to come: if
 * they are many, it does not begin. */
void witness_begin(struct witness *witness, const char *dir, unsigned coming);
/* So many events there are our own: one for a file that comes or goes, two for
 * a rename within it. */
void witness_own(struct witness *witness, unsigned events);
/* After the last look. WITNESS_NONE: nobody knows. */
enum witnessed witness_end(struct witness *witness);
/* Once in a while, so that events do not pile up. */
void witness_drain(struct witness *witness);
/* Give back what it has. */
void witness_drop(struct witness *witness);

enum { DIR_NEW, DIR_CUR, DIR_TMP, MAILDIR_DIRS };

/* What a mailbox that is open remembers. */
struct maildir_box {
	struct driver_known known; /* the next three */
	struct maildir_state state;
	uint32_t uid_next, messages;
	bool tmp_checked;
	bool uidlist_checked; /* see uidlist_is_another() */
	bool astray; /* a file was not where the index says */
	int dir_fds[MAILDIR_DIRS]; /* -1: not open */
	bool coarse_known, coarse; /* dir_in_tick() */
	struct witness witness;
};

struct maildir_box *maildir_box_get(struct driver_box *box);
/* Whether a change of a directory that comes now could still give this mtime:
 * it is that of the clock's tick, which is up to 10 ms long. On tmpfs, where
 * removals get no fresher time than that, also when it is a later one. */
bool dir_in_tick(struct driver_box *box, struct file_time time);

struct sync {
	const void *ctx;
	struct driver_box *box;
	struct index_txn *txn;
	struct index_box *row;
	struct maildir_state state;
	struct scan *scan;
	uint32_t letters;       /* for keywords, in names that were taken */
	bool full;              /* cur/ was read, too */
	struct dir_times times; /* before the directories were read */
	bool stable;            /* and they have not changed since */
	bool owns_txn;          /* it may be committed in between */
	bool locked;            /* we hold the uidlist's lock */
	bool created;           /* the mailbox is new in the index */
	char *uidlist;          /* its path */
	/* Lines for new mails whose files were not seen. */
	struct uidlist_entry *missing;
	size_t missing_count;
	bool listed;           /* each line of the uidlist was read */
	bool unlisted;         /* it lacks a mail that the index has */
	bool back;             /* a file with a UID that the index lacks */
	bool rewrite;          /* the uidlist must be written anew */
	bool reborn;           /* the uidlist is that of another mailbox life */
	uint32_t uid_next;     /* as the uidlist says */
	uint32_t last_cur_uid; /* the highest that lies in cur/ */
};

enum {
	SYNC_EXT_MAX = 1024, /* longer fields of the uidlist are not ours */
	SYNC_FIND_TRIES = 3,
};

/* The mailbox's row from the control files, or from new ones; sets box->id, and
 * UIDs in the scan. */
int sync_create_row(struct sync *sync, struct err *err);
/* 1 when index and disk are equal; 0 if it must be done again with cur/ (or
 * with a new row, box->id is 0 then). */
int sync_apply(struct sync *sync, struct err *err);

/* Between apply.c and adopt.c. */

/* A mail lies in `dir`. */
void sync_seen_in(struct sync *sync, char dir, uint32_t uid);
/* The uidlist's lock, and what the list says now; 0 as sync_apply(). */
int sync_lock(struct sync *sync, struct err *err);
/* All that is in the scan and not in the index; likewise. */
int sync_adopt(struct sync *sync, struct err *err);

#endif
