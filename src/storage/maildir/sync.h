/* SPDX-License-Identifier: MIT */
/*
 * storage/maildir/sync.h - one look at the disk, shared by sync.c (what to look
 * at, and when) and apply.c (what to make of it).
 */
#ifndef STORAGE_MAILDIR_SYNC_H
#define STORAGE_MAILDIR_SYNC_H
#include "storage/maildir/maildir.h"

struct sync {
	const void *ctx;
	struct driver_box *box;
	struct index_txn *txn;
	struct index_box *row;
	struct maildir_state state;
	struct scan *scan;
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
	bool rewrite;          /* the uidlist must be written anew */
	bool reborn;           /* the uidlist is that of another mailbox life */
	uint32_t uid_next;     /* as the uidlist says */
	uint32_t last_cur_uid; /* the highest that lies in cur/ */
};

/* The mailbox's row from the control files, or from new ones; sets box->id. */
int sync_create_row(struct sync *sync, struct err *err);
/* 1 when index and disk are equal; 0 if it must be done again with cur/ (or
 * with a new row, box->id is 0 then). */
int sync_apply(struct sync *sync, struct err *err);

#endif
