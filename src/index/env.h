/* SPDX-License-Identifier: MIT */
/*
 * index/env.h - what the files of index/ share: the environment, transactions,
 * and the one way to call LMDB.
 *
 * The database is hostile: a user, a power cut or a bad disk may have written
 * anything. LMDB trusts its pages, so every call of it goes through lmdb.c,
 * which turns a SIGSEGV, a SIGBUS or a failed assertion inside LMDB into
 * MDB_CORRUPTED, and checks that values can be read to their end.
 */
#ifndef INDEX_ENV_H
#define INDEX_ENV_H
#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uthash.h>

#include "base/buf.h"
#include "index/index.h"

enum table {
	TABLE_META,
	TABLE_BOXES,
	TABLE_NAMES,
	TABLE_RECORDS,
	TABLE_CHANGES,
	TABLE_EXPUNGES,
	TABLE_CACHE,
	TABLES,
	/* In that of the cache, with a cursor that stays among sort values. */
	TABLE_SORT = TABLES,
	CURSORS,
};

struct index {
	struct index *next; /* in the registry */
	char *dir;
	/* For a signal handler. */
	char *data_path, *damaged_path, *suspect_path, *damaged_note, *wait_note;
	mode_t mode;
	dev_t dev; /* of data.mdb */
	ino_t ino;
	unsigned users;
	uint64_t idle_since; /* when the last user went, for the LRU */
	MDB_env *env;
	MDB_dbi tables[CURSORS];
	size_t map_size;
	uint64_t reserve;         /* wanted in the next write transaction */
	unsigned txns;            /* that are open in this process */
	struct index_txn *writer; /* the open one that writes */
	struct index_txn *spare;  /* a reader that was reset, to be renewed */
	unsigned faults_seen;     /* of lmdb_faults() */
	/* What clean_settle() saw last, and when. */
	uint64_t settle_txn, settle_since;
	bool written;          /* by this process, since it last settled it */
	/* An LMDB transaction that writes is open; is being committed. */
	volatile bool writing, committing;
	volatile bool damaged; /* by what a call has seen */
	bool failed; /* a commit has: LMDB may want to be opened again */
	bool suspect; /* something went wrong as damage might make it */
	bool memory;
	bool look; /* index_open_look(): read, make and mend nothing */
	/* Nothing is opened: whoever settles it may be somebody else than its
	 * owner. */
	bool settling;
};

enum { CHUNK_UIDS = 4096, CHUNK_SIZE = CHUNK_UIDS / 8, WALK_ROWS = 32 };

/* A mailbox's row, and what one transaction did to it so far. */
struct box_row {
	struct index_box box;
	uint64_t history_from; /* expunges after this modseq are known */
	uint32_t expunges;     /* rows in the table of expunges */
	uint32_t changes;      /* and in that of changes */
	uint64_t changes_from; /* which has all after this modseq */
	struct str name;       /* child of the txn_box, or into the map */
};

struct txn_box {
	uint32_t id;
	struct box_row row;
	bool dirty, modseq_taken;
	bool created; /* by this transaction */
	/* At that modseq; rows of the tables when changes_flush() ran. */
	struct range_set changed, expunged;
	bool changed_dirty, expunged_dirty;
	/* The piece of the UID bitmap in use (index_record_uids()). */
	bool chunk_loaded, chunk_dirty;
	uint32_t chunk_number;
	unsigned char chunk[CHUNK_SIZE];
	UT_hash_handle hh;
};

struct row {
	struct str key, value;
};

/* Where index_record_next() is. It takes several rows at once, which a write
 * makes worthless. */
struct walk {
	bool valid; /* the records' cursor stands at the last one of them */
	uint32_t box, uid;  /* of the last one that was looked at */
	unsigned at, count; /* those behind it */
	struct row rows[WALK_ROWS];
};

enum { PACKS = 3, PACK_UIDS = 128 };

/* A row of packed values. */
struct pack {
	bool valid; /* for reading; a write ends that, unless it is: */
	bool dirty; /* to be written, and in `buf` */
	uint32_t box, number;
	struct str row; /* empty: there is none */
	/* The one looked for last, and where it is, or would be. */
	unsigned place;
	size_t at;
	struct buf buf;
};

struct index_txn {
	struct index *index;
	MDB_txn *mdb;
	enum index_mode mode;
	bool failed; /* must not be committed */
	bool sync;   /* on disk, with all before it, when it is committed */
	MDB_cursor *cursors[CURSORS];
	bool cursor_stale[CURSORS]; /* of a reader renewed since */
	struct walk walk;
	struct pack packs[PACKS];
	uint32_t sort_box, sort_uid; /* of the sort value asked for last */
	struct txn_box *boxes;  /* writers' */
	struct txn_box *recent; /* the one used last */
};

/* lmdb.c: LMDB, guarded. All return its codes. */

/* After how many seconds of waiting for another writer that is told, again and
 * again; tests change it. */
extern unsigned index_wait_secs;
/* Take SIGBUS, SIGSEGV, SIGFPE, SIGABRT and SIGALRM. */
void lmdb_guard_install(void);
/* How many times a value could not be read any more (see lmdb.c). */
unsigned lmdb_faults(void);
/* Whether the file is as long as it should be. */
bool lmdb_file_whole(struct index *index);

int lmdb_env_open(struct index *index, size_t map_size);
void lmdb_env_close(struct index *index);
/* The same map anew, of which nothing is touched yet. No transaction is open.
 */
void lmdb_env_rest(struct index *index);
int lmdb_env_resize(struct index *index, size_t map_size);
int lmdb_env_sync(struct index *index);
uint64_t lmdb_last_txn(struct index *index);
/* The number of this transaction; a reader's: of the one that it sees. */
uint64_t lmdb_txn_id(struct index_txn *txn);
size_t lmdb_used(struct index *index);
int lmdb_begin(struct index *index, struct index_txn *txn);
int lmdb_renew(struct index_txn *txn);
void lmdb_reset(struct index_txn *txn);
int lmdb_commit(struct index_txn *txn);
void lmdb_abort(struct index_txn *txn);
int lmdb_dbi_open(struct index_txn *txn, const char *name, bool create,
		  MDB_dbi *out);
int lmdb_get(struct index_txn *txn, enum table table, struct str key,
	     struct str *value_out);
int lmdb_put(struct index_txn *txn, enum table table, struct str key,
	     struct str value);
/* Over the row that lmdb_get() found just now. */
int lmdb_put_here(struct index_txn *txn, enum table table, struct str key,
		  struct str value);
/* Over one that is there; quickly if it is behind the one that was met last. */
int lmdb_put_next(struct index_txn *txn, enum table table, struct str key,
		  struct str value);
/* Room for `len` octets, to be filled before the next call. */
int lmdb_put_reserve(struct index_txn *txn, enum table table, struct str key,
		     size_t len, unsigned char **room_out);
int lmdb_del(struct index_txn *txn, enum table table, struct str key);
/* The table's cursor: MDB_SET_RANGE (key in *key), MDB_NEXT... */
int lmdb_cursor(struct index_txn *txn, enum table table, MDB_cursor_op op,
		struct str *key, struct str *value_out);
/* Likewise a row and up to `max` - 1 that follow; *count_out is 0 at the end.
 */
int lmdb_cursor_rows(struct index_txn *txn, enum table table, MDB_cursor_op op,
		     struct str key, struct row *rows, unsigned max,
		     unsigned *count_out);
/* Delete where the table's cursor stands; MDB_NEXT is right behind. */
int lmdb_cursor_del(struct index_txn *txn, enum table table);

/* pages_wrong() of what was committed last, while nobody writes. */
const char *lmdb_pages_wrong(struct index *index);

/* Turn an LMDB code into an err, and mark transaction and environment. */
int lmdb_err(struct index_txn *txn, struct err *err, int code,
	     const char *what);
int lmdb_env_err(struct index *index, struct err *err, int code,
		 const char *what);
/* A value that cannot be: marks both and says ERR_CORRUPT. */
int index_corrupt(struct index_txn *txn, struct err *err, const char *what);

/* pages.c: what is wrong with the tree that transaction `txn` left in the file,
 * or with its list of free pages; NULL: nothing. */
const char *pages_wrong(int fd, uint64_t txn);

/* clean.c: what a power cut leaves */

enum trust { TRUST_YES, TRUST_NO, TRUST_EMPTY };

/* Whether what a reader sees can be trusted; *out stays if there is no header.
 * ERR_CORRUPT if it is another kind of file. */
int clean_check(struct index_txn *txn, enum trust *out, struct err *err);
/* A new environment's header. */
int clean_first(struct index_txn *txn, struct err *err);
/* At the start of every other write transaction. */
int clean_begin(struct index_txn *txn, struct err *err);
/* index_settle() for one; when to call again in ms, or 0. */
uint64_t clean_settle(struct index *index, bool now);

/* env.c */

/* 0, or -1 with what it was; it is to be closed then. */
int env_open(struct index *index, struct err *err);
/* The same, and if that finds damage, once more with a new one. Closed if it
 * fails. */
int env_open_any(struct index *index, struct err *err);
/* To look at what is there: nothing is made or mended. */
int env_open_look(struct index *index, struct err *err);
/* Does nothing if it is closed. */
void env_close(struct index *index);
/* Out of the way, unless somebody did that already. */
int env_move_damaged(struct index *index, struct err *err);
/* Before a transaction: room in the map for what it may add. */
int index_grow(struct index *index, struct err *err);
/* ERR_CORRUPT if it is damaged (moved aside, and opened anew if nobody is in
 * it). */
int index_renew(struct index *index, struct err *err);
/* For a signal handler: whoever opens one of those that this process has open
 * shall have a look at its pages first. */
void index_suspect_all(void);
/* At the end of a transaction: let nobody else meet what is damaged, whenever
 * this process comes to make it anew. */
void index_put_aside(struct index *index);
/* Whether somebody put another one in its place, or removed it. */
bool index_gone(struct index *index);
/* What LMDB said when there was no map to be had: damage, if that is the
 * header's fault. */
int index_map_refused(struct index *index, struct err *err, int code,
		      const char *what);
/* ERR_CORRUPT if another process has done so. */
int index_replaced(struct index *index, struct err *err);

/* box.c */

/* A writer's copy of the row; ERR_NOT_FOUND. */
int txn_box_get(struct index_txn *txn, uint32_t id, struct txn_box **out,
		struct err *err);
/* As it is in the database; the name points into the map. */
int box_row_get(struct index_txn *txn, uint32_t id, struct box_row *row,
		struct err *err);
/* Write what is dirty. */
int txn_boxes_flush(struct index_txn *txn, struct err *err);
void txn_boxes_free(struct index_txn *txn);
/* Delete all rows of a table whose keys start with `prefix`. */
int table_clear(struct index_txn *txn, enum table table, struct str prefix,
		struct err *err);

/* change.c: what this transaction did, as rows */

void changes_add(struct txn_box *box, uint32_t uid);
void changes_add_expunge(struct txn_box *box, uint32_t uid);
int changes_flush(struct index_txn *txn, struct txn_box *box, struct err *err);

/* pack.c: the packed values of INDEX_SUBJECT to INDEX_FLAGS */

bool pack_get(struct index_txn *txn, uint32_t box, uint32_t uid,
	      enum index_field field, struct str *out);
/* `value` with data NULL: remove it, if it is there. */
int pack_put(struct index_txn *txn, uint32_t box, uint32_t uid,
	     enum index_field field, struct str value, struct err *err);
/* The UID of the first one from `uid` on. */
bool pack_next(struct index_txn *txn, uint32_t box, uint32_t uid,
	       enum index_field field, uint32_t *out);
/* Write what is dirty. */
int packs_flush(struct index_txn *txn, struct err *err);

/* record.c: add (sign 1) or take away (-1) what a record counts */
void record_count(struct index_box *box, const struct index_record *record,
		  int sign);

/* uids.c: the bitmap of UIDs */

int uids_set(struct index_txn *txn, struct txn_box *box, uint32_t uid, bool on,
	     struct err *err);
int uids_flush(struct index_txn *txn, struct txn_box *box, struct err *err);
/* Every uid of `box` from `from` on; false: corrupt. */
bool uids_get(struct index_txn *txn, uint32_t box, uint32_t from,
	      struct range_set *out);

#endif
