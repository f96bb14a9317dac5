/* SPDX-License-Identifier: MIT */
/*
 * index/walk.h - an index as it stands, for people who look at it (doveadm
 * dump): what index.h does not tell, row after row. doc/formats.md has the
 * bytes.
 */
#ifndef INDEX_WALK_H
#define INDEX_WALK_H
#include <stdbool.h>
#include <stdint.h>

#include "base/range.h"
#include "base/str.h"

struct err;
struct index;
struct index_txn;

/* Open the environment in `dir` for reading only: nothing is made, rebuilt or
 * moved, whatever is wrong with it. ERR_NOT_FOUND, ERR_CORRUPT. To be given to
 * index_close(). */
int index_open_look(const char *dir, struct index **out, struct err *err);

struct index_header {
	uint32_t version;
	char boot_id[40]; /* of the kernel under which it was written last */
	bool this_boot;
	uint64_t clean; /* the transaction marked as being on disk; 0: none */
	uint64_t last_txn;  /* that this transaction sees */
	uint64_t used_size; /* octets of the file that are in use */
};

/* ERR_CORRUPT if there is none. */
int index_walk_header(struct index_txn *txn, struct index_header *out,
		      struct err *err);

/* What a mailbox's row tells besides struct index_box. */
struct index_history {
	uint64_t expunges_from, changes_from; /* all after these modseqs */
	uint32_t expunges, changes;           /* rows */
};

int index_walk_history(struct index_txn *txn, uint32_t box,
		       struct index_history *out, struct err *err);

enum index_log { INDEX_LOG_CHANGES, INDEX_LOG_EXPUNGES };

/* The next row of a mailbox's log: set *modseq and *uid to 0 to start. `uids`
 * gets the row's. False at the end. */
bool index_walk_log(struct index_txn *txn, uint32_t box, enum index_log log,
		    uint64_t *modseq, uint32_t *uid, struct range_set *uids);

/* The next cached value of a mail: set *field to 0 to start. *value points into
 * the transaction. False at the end. */
bool index_walk_cache(struct index_txn *txn, uint32_t box, uint32_t uid,
		      unsigned *field, struct str *value);

#endif
