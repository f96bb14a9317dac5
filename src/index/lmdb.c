/* SPDX-License-Identifier: MIT */
/*
 * index/lmdb.c - LMDB, guarded.
 *
 * While a call is inside LMDB, `guard_on` is set and `guard_jump` leads back: a
 * fault there becomes MDB_CORRUPTED. Outside, values that were read still point
 * into the map, and a file that somebody cuts short makes reading them a
 * SIGBUS: the handler then puts a page of zeros there and counts the fault, so
 * that the reader sees garbage of the right size, and the next transaction
 * looks whether its file is whole.
 *
 * What LMDB writes by a damaged page may also ruin the heap, and then glibc
 * ends the process by SIGABRT, or anything else does, now or later. That cannot
 * be mended, but the next process must not meet the same: the handler moves the
 * file aside if LMDB is at work, and otherwise leaves a mark by all that are
 * open, so that they are looked at first (pages.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "index/env.h"

unsigned index_wait_secs = 30;

enum { READERS_MAX = 1000, VALUE_MAX = 4 << 20, ROOM_PROBED = 65536 };

static struct sigaction old_bus, old_segv, old_fpe, old_abort, old_alarm;
static jmp_buf guard_jump;
static volatile sig_atomic_t guard_on;
static struct index *volatile guard_index;
static volatile unsigned faults;
static size_t page_size;

/* Back to the call; but what a writer did until then may have ruined the heap,
 * and one that commits has a lock that others wait for: that ends this process.
 * Not where the file is only too short, before that. */
static void leave_lmdb(bool too_short)
{
	if (guard_index->committing || (guard_index->writing && !too_short))
		abort();
	guard_on = 0;
	_longjmp(guard_jump, 1);
}

/* Everything here is safe in a signal handler: mmap() is a bare system call,
 * and the jump leaves LMDB reading its map, not the allocator. */
static void on_fault(int signal, siginfo_t *info, void *context)
{
	(void)context;
	if (guard_on != 0)
		leave_lmdb(signal == SIGBUS);
	if (signal == SIGBUS) {
		uintptr_t at = (uintptr_t)info->si_addr;

		at -= at % page_size;
		if (mmap((void *)at, page_size, PROT_READ,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			 0) != MAP_FAILED) {
			faults++;
			return;
		}
	}
	/* Not ours: as it would have been without us. */
	index_suspect_all();
	sigaction(signal,
		  signal == SIGBUS   ? &old_bus
		  : signal == SIGFPE ? &old_fpe
				     : &old_segv,
		  NULL);
}

static void on_abort(int signal, siginfo_t *info, void *context)
{
	struct index *index = guard_index;

	(void)info;
	(void)context;
	if (guard_on != 0 && index != NULL &&
	    rename(index->data_path, index->damaged_path) == 0)
		(void)!write(STDERR_FILENO, index->damaged_note,
			     strlen(index->damaged_note));
	else
		index_suspect_all();
	sigaction(signal, &old_abort, NULL);
}

/* For as long as the one who writes is stopped, or at a disk that hangs. */
static void on_wait(int signal, siginfo_t *info, void *context)
{
	const struct index *index = guard_index;

	(void)signal;
	(void)info;
	(void)context;
	if (guard_on != 0 && index != NULL)
		(void)!write(STDERR_FILENO, index->wait_note,
			     strlen(index->wait_note));
}

static void take_signal(int signal, void (*fn)(int, siginfo_t *, void *),
			struct sigaction *old)
{
	struct sigaction action = {.sa_sigaction = fn,
				   .sa_flags = SA_SIGINFO | SA_NODEFER |
					       SA_RESTART};
	struct sigaction now;

	sigemptyset(&action.sa_mask);
	if (sigaction(signal, &action, &now) == 0 && now.sa_sigaction != fn)
		*old = now;
}

/* Again whenever an environment is opened, for somebody else may have taken
 * them meanwhile. */
void lmdb_guard_install(void)
{
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	take_signal(SIGBUS, on_fault, &old_bus);
	take_signal(SIGSEGV, on_fault, &old_segv);
	take_signal(SIGFPE, on_fault, &old_fpe); /* by a page size of 0 */
	take_signal(SIGABRT, on_abort, &old_abort);
	take_signal(SIGALRM, on_wait, &old_alarm);
}

unsigned lmdb_faults(void)
{
	return faults;
}

static void on_assert(MDB_env *env, const char *message)
{
	struct index *index = mdb_env_get_userctx(env);

	(void)message;
	index->damaged = true;
	if (guard_on != 0)
		leave_lmdb(false);
}

/* `code` is what the call returns, or MDB_CORRUPTED. A macro, for setjmp() must
 * be in the frame of who calls. */
#define CALL(index, code, call)                                                \
	do {                                                                   \
		guard_index = (index);                                         \
		if (_setjmp(guard_jump) == 0) {                                \
			guard_on = 1;                                          \
			(code) = (call);                                       \
			guard_on = 0;                                          \
		} else {                                                       \
			(index)->damaged = true;                               \
			(code) = MDB_CORRUPTED;                                \
		}                                                              \
	} while (0)

static MDB_val val_of(struct str s)
{
	MDB_val val = {.mv_size = s.len, .mv_data = NULL};

	memcpy(&val.mv_data, &s.data, sizeof(val.mv_data)); /* drops const */
	return val;
}

/* the environment */

/* Larger blocks come from the kernel and go back to it: LMDB has 3 MB of zeros
 * for an environment and uses hardly any; of memory that another one had, all
 * would be cleared. */
enum { MEMORY_KEPT = 512 * 1024 };

static int env_setup(struct index *index, size_t map_size)
{
	int code;

	mem_keep(MEMORY_KEPT);
	code = mdb_env_create(&index->env);
	if (code != 0)
		return code;
	mdb_env_set_userctx(index->env, index);
	mdb_env_set_assert(index->env, on_assert);
	mdb_env_set_maxdbs(index->env, TABLES);
	mdb_env_set_maxreaders(index->env, READERS_MAX);
	mdb_env_set_mapsize(index->env, map_size);
	return mdb_env_open(index->env, index->dir,
			    MDB_NOTLS | (index->look ? MDB_RDONLY : MDB_NOSYNC),
			    index->mode);
}

int lmdb_env_open(struct index *index, size_t map_size)
{
	volatile int code;
	MDB_envinfo info;
	int dead;

	index->faults_seen = faults;
	CALL(index, code, env_setup(index, map_size));
	if (code != 0)
		return code;
	CALL(index, code, mdb_reader_check(index->env, &dead));
	if (code != 0)
		return code;
	CALL(index, code, mdb_env_info(index->env, &info));
	if (code == 0)
		index->map_size = info.me_mapsize;
	return code;
}

void lmdb_env_close(struct index *index)
{
	volatile int code;

	if (index->env == NULL)
		return;
	CALL(index, code, (mdb_env_close(index->env), 0));
	(void)code;
	index->env = NULL;
}

int lmdb_env_resize(struct index *index, size_t map_size)
{
	volatile int code;
	MDB_envinfo info;

	CALL(index, code, mdb_env_set_mapsize(index->env, map_size));
	if (code != 0)
		return code;
	CALL(index, code, mdb_env_info(index->env, &info));
	if (code == 0)
		index->map_size = info.me_mapsize;
	return code;
}

void lmdb_env_rest(struct index *index)
{
	volatile int code;

	CALL(index, code, mdb_env_set_mapsize(index->env, index->map_size));
	if (code != 0) /* there is no map now */
		index->damaged = true;
}

int lmdb_env_sync(struct index *index)
{
	volatile int code;

	CALL(index, code, mdb_env_sync(index->env, 1));
	return code;
}

uint64_t lmdb_last_txn(struct index *index)
{
	volatile int code;
	MDB_envinfo info = {.me_last_txnid = 0};

	CALL(index, code, mdb_env_info(index->env, &info));
	return code == 0 ? info.me_last_txnid : 0;
}

size_t lmdb_used(struct index *index)
{
	volatile int code;
	MDB_envinfo info = {.me_last_pgno = 0};

	CALL(index, code, mdb_env_info(index->env, &info));
	return code == 0 ? (info.me_last_pgno + 1) * page_size : 0;
}

static int env_fd(struct index *index)
{
	volatile int code;
	int fd = -1;

	CALL(index, code, mdb_env_get_fd(index->env, &fd));
	return code == 0 ? fd : -1;
}

bool lmdb_file_whole(struct index *index)
{
	struct stat st;

	if (fstat(env_fd(index), &st) < 0)
		return false;
	return (uint64_t)st.st_size >= lmdb_used(index);
}

/* transactions */

static void wait_told_every(unsigned secs)
{
	const struct itimerval timer = {.it_interval.tv_sec = secs,
					.it_value.tv_sec = secs};

	setitimer(ITIMER_REAL, &timer, NULL);
}

int lmdb_begin(struct index *index, struct index_txn *txn)
{
	unsigned flags = txn->mode == INDEX_WRITE ? 0 : MDB_RDONLY;
	volatile int code;

	if (flags == 0)
		wait_told_every(index_wait_secs);
	CALL(index, code, mdb_txn_begin(index->env, NULL, flags, &txn->mdb));
	if (flags == 0)
		wait_told_every(0);
	index->writing |= code == 0 && flags == 0;
	return code;
}

static void txn_ended(struct index_txn *txn)
{
	txn->mdb = NULL;
	if (txn->mode == INDEX_WRITE)
		txn->index->writing = false;
}

uint64_t lmdb_txn_id(struct index_txn *txn)
{
	return mdb_txn_id(txn->mdb);
}

int lmdb_renew(struct index_txn *txn)
{
	volatile int code;

	CALL(txn->index, code, mdb_txn_renew(txn->mdb));
	for (int i = 0; i < CURSORS; i++)
		txn->cursor_stale[i] = true;
	return code;
}

void lmdb_reset(struct index_txn *txn)
{
	volatile int code;

	CALL(txn->index, code, (mdb_txn_reset(txn->mdb), 0));
	(void)code;
}

static void close_cursors(struct index_txn *txn)
{
	for (int i = 0; i < CURSORS; i++) {
		if (txn->cursors[i] != NULL)
			mdb_cursor_close(txn->cursors[i]);
		txn->cursors[i] = NULL;
	}
}

/* A reader's cursors outlive its transaction, a writer's do not. */
static void cursors_close(struct index_txn *txn)
{
	volatile int code;

	CALL(txn->index, code, (close_cursors(txn), 0));
	(void)code;
}

/* LMDB looks at the flag when it commits: pages, fdatasync(), then the root
 * that makes them count, written through. */
static int commit(struct index_txn *txn)
{
	MDB_env *env = txn->index->env;
	int code;

	if (!txn->sync)
		return mdb_txn_commit(txn->mdb);
	mdb_env_set_flags(env, MDB_NOSYNC, 0);
	code = mdb_txn_commit(txn->mdb);
	mdb_env_set_flags(env, MDB_NOSYNC, 1);
	return code;
}

/* LMDB says EIO when only a part of what it writes fits on the disk. What is
 * allocated here, behind the end of the file, comes to be used. */
static int why_short(struct index *index)
{
	struct stat st;
	int fd;

	if (mdb_env_get_fd(index->env, &fd) != 0 || fstat(fd, &st) < 0 ||
	    fallocate(fd, FALLOC_FL_KEEP_SIZE, st.st_size, ROOM_PROBED) == 0)
		return EIO;
	return errno == ENOSPC || errno == EDQUOT ? errno : EIO;
}

int lmdb_commit(struct index_txn *txn)
{
	volatile int code;

	cursors_close(txn);
	txn->index->committing = txn->mode == INDEX_WRITE;
	CALL(txn->index, code, commit(txn));
	txn->index->committing = false;
	if (code == EIO)
		CALL(txn->index, code, why_short(txn->index));
	txn_ended(txn);
	return code;
}

void lmdb_abort(struct index_txn *txn)
{
	volatile int code;

	cursors_close(txn);
	if (txn->mdb != NULL)
		CALL(txn->index, code, (mdb_txn_abort(txn->mdb), 0));
	(void)code;
	txn_ended(txn);
}

int lmdb_dbi_open(struct index_txn *txn, const char *name, bool create,
		  MDB_dbi *out)
{
	volatile int code;

	CALL(txn->index, code,
	     mdb_dbi_open(txn->mdb, name, create ? MDB_CREATE : 0, out));
	return code;
}

/* rows */

/* Read one octet of each page, while a fault can still be caught. */
static int touch(const MDB_val *val)
{
	const volatile char *at = val->mv_data, *end = at + val->mv_size;

	if (val->mv_size > VALUE_MAX)
		return MDB_CORRUPTED;
	for (; at < end; at += page_size - ((uintptr_t)at & (page_size - 1)))
		(void)*at;
	return 0;
}

static int cursor_get(struct index_txn *txn, enum table table,
		      MDB_cursor **cursor_out)
{
	MDB_cursor **cursor = &txn->cursors[table];
	int code = 0;

	if (*cursor == NULL)
		code = mdb_cursor_open(txn->mdb, txn->index->tables[table],
				       cursor);
	else if (txn->cursor_stale[table])
		code = mdb_cursor_renew(txn->mdb, *cursor);
	txn->cursor_stale[table] = false;
	*cursor_out = *cursor;
	return code;
}

/* All goes through the table's cursor: it remembers the page, and what comes
 * next often belongs there. */
static int get_touched(struct index_txn *txn, enum table table, MDB_val *key,
		       MDB_val *value)
{
	MDB_cursor *cursor;
	int code = cursor_get(txn, table, &cursor);

	if (code == 0)
		code = mdb_cursor_get(cursor, key, value, MDB_SET);
	return code != 0 ? code : touch(value);
}

int lmdb_get(struct index_txn *txn, enum table table, struct str key,
	     struct str *value_out)
{
	MDB_val k = val_of(key), v;
	volatile int code;

	if (table == TABLE_RECORDS)
		txn->walk.valid = false;
	CALL(txn->index, code, get_touched(txn, table, &k, &v));
	if (code == 0)
		*value_out = str_n(v.mv_data, v.mv_size);
	return code;
}

/* Pages are not where they were, and the rows that a walk took go with them. */
static void wrote(struct index_txn *txn, enum table table)
{
	struct walk *walk = &txn->walk;

	if (table == TABLE_RECORDS || walk->at < walk->count)
		walk->valid = false;
	walk->at = walk->count = 0;
	for (int i = 0; i < PACKS; i++)
		txn->packs[i].valid = txn->packs[i].dirty;
}

static int put(struct index_txn *txn, enum table table, MDB_val *key,
	       MDB_val *value, unsigned flags)
{
	MDB_cursor *cursor;
	int code = cursor_get(txn, table, &cursor);

	return code != 0 ? code : mdb_cursor_put(cursor, key, value, flags);
}

int lmdb_put(struct index_txn *txn, enum table table, struct str key,
	     struct str value)
{
	MDB_val k = val_of(key), v = val_of(value);
	volatile int code;

	wrote(txn, table);
	CALL(txn->index, code, put(txn, table, &k, &v, 0));
	return code;
}

int lmdb_put_here(struct index_txn *txn, enum table table, struct str key,
		  struct str value)
{
	MDB_val k = val_of(key), v = val_of(value);
	volatile int code;

	wrote(txn, table);
	CALL(txn->index, code, put(txn, table, &k, &v, MDB_CURRENT));
	return code;
}

static bool is_next(MDB_cursor *cursor, const MDB_val *key)
{
	MDB_val next, value;

	return mdb_cursor_get(cursor, &next, &value, MDB_NEXT) == 0 &&
	       next.mv_size == key->mv_size && touch(&next) == 0 &&
	       memcmp(next.mv_data, key->mv_data, next.mv_size) == 0;
}

static int put_next(struct index_txn *txn, enum table table, MDB_val *key,
		    MDB_val *value)
{
	MDB_val old;
	MDB_cursor *cursor;
	int code = cursor_get(txn, table, &cursor);

	if (code == 0 && !is_next(cursor, key))
		code = mdb_cursor_get(cursor, key, &old, MDB_SET);
	return code != 0 ? code
			 : mdb_cursor_put(cursor, key, value, MDB_CURRENT);
}

int lmdb_put_next(struct index_txn *txn, enum table table, struct str key,
		  struct str value)
{
	MDB_val k = val_of(key), v = val_of(value);
	volatile int code;

	wrote(txn, table);
	CALL(txn->index, code, put_next(txn, table, &k, &v));
	return code;
}

int lmdb_put_reserve(struct index_txn *txn, enum table table, struct str key,
		     size_t len, unsigned char **room_out)
{
	MDB_val k = val_of(key), v = {.mv_size = len, .mv_data = NULL};
	volatile int code;

	wrote(txn, table);
	CALL(txn->index, code, put(txn, table, &k, &v, MDB_RESERVE));
	if (code == 0)
		*room_out = v.mv_data;
	return code;
}

int lmdb_del(struct index_txn *txn, enum table table, struct str key)
{
	MDB_val k = val_of(key);
	volatile int code;

	wrote(txn, table);
	CALL(txn->index, code,
	     mdb_del(txn->mdb, txn->index->tables[table], &k, NULL));
	return code;
}

static int cursor_touched(struct index_txn *txn, enum table table,
			  MDB_cursor_op op, MDB_val *key, MDB_val *value)
{
	MDB_cursor *cursor;
	int code = cursor_get(txn, table, &cursor);

	if (code == 0)
		code = mdb_cursor_get(cursor, key, value, op);
	if (code == 0)
		code = touch(key);
	return code != 0 ? code : touch(value);
}

int lmdb_cursor(struct index_txn *txn, enum table table, MDB_cursor_op op,
		struct str *key, struct str *value_out)
{
	MDB_val k = val_of(*key), v;
	volatile int code;

	CALL(txn->index, code, cursor_touched(txn, table, op, &k, &v));
	if (code == 0) {
		*key = str_n(k.mv_data, k.mv_size);
		*value_out = str_n(v.mv_data, v.mv_size);
	}
	return code;
}

static int rows_touched(struct index_txn *txn, enum table table,
			MDB_cursor_op op, MDB_val *key, struct row *rows,
			unsigned max, unsigned *count_out)
{
	MDB_cursor *cursor;
	MDB_val value;
	unsigned n = 0;
	int code = cursor_get(txn, table, &cursor);

	for (; code == 0 && n < max; op = MDB_NEXT) {
		code = mdb_cursor_get(cursor, key, &value, op);
		if (code == 0)
			code = touch(key);
		if (code == 0)
			code = touch(&value);
		if (code == 0)
			rows[n++] = (struct row){
				str_n(key->mv_data, key->mv_size),
				str_n(value.mv_data, value.mv_size)};
	}
	*count_out = n;
	return code == MDB_NOTFOUND ? 0 : code;
}

int lmdb_cursor_rows(struct index_txn *txn, enum table table, MDB_cursor_op op,
		     struct str key, struct row *rows, unsigned max,
		     unsigned *count_out)
{
	MDB_val k = val_of(key);
	volatile int code;

	CALL(txn->index, code,
	     rows_touched(txn, table, op, &k, rows, max, count_out));
	return code;
}

int lmdb_cursor_del(struct index_txn *txn, enum table table)
{
	volatile int code;

	wrote(txn, table);
	CALL(txn->index, code, mdb_cursor_del(txn->cursors[table], 0));
	return code;
}

const char *lmdb_pages_wrong(struct index *index)
{
	struct index_txn txn = {.index = index, .mode = INDEX_WRITE};
	const char *wrong = NULL;
	int code = lmdb_begin(index, &txn);

	if (code == 0)
		wrong = pages_wrong(env_fd(index), lmdb_txn_id(&txn) - 1);
	else if (index->damaged)
		wrong = mdb_strerror(code);
	lmdb_abort(&txn);
	return wrong;
}

/* failures */

static bool is_damage(int code)
{
	switch (code) {
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_VERSION_MISMATCH:
	case MDB_INVALID:
	case MDB_INCOMPATIBLE:
	case MDB_CURSOR_FULL:
	case MDB_PAGE_FULL:
	case MDB_BAD_DBI:
	case MDB_NOTFOUND: /* a row that must be there, or must not */
	case MDB_KEYEXIST:
	case MDB_BAD_TXN: /* a call before it met damage */
		return true;
	default:
		return false;
	}
}

int lmdb_env_err(struct index *index, struct err *err, int code,
		 const char *what)
{
	if (is_damage(code))
		index->damaged = true;
	/* A page of a number that cannot be gives EFBIG, ENOMEM... */
	index->suspect |= code != ENOSPC && code != EDQUOT && code != EIO;
	/* The disk failed, the file is as it was. */
	if (code == MDB_PANIC)
		index->failed = true;
	if (index->damaged)
		return err_set(err, ERR_CORRUPT, "index %s is damaged: %s: %s",
			       index->dir, what, mdb_strerror(code));
	if (code == MDB_MAP_FULL) {
		index->reserve += index->map_size / 2;
		return err_set(err, ERR_TEMPORARY,
			       "index %s: %s: transaction too large for the "
			       "memory map, which grows for the next one",
			       index->dir, what);
	}
	if (code > 0) {
		errno = code;
		return err_sys(err, "index %s: %s", index->dir, what);
	}
	return err_set(err, ERR_TEMPORARY, "index %s: %s: %s", index->dir, what,
		       mdb_strerror(code));
}

int lmdb_err(struct index_txn *txn, struct err *err, int code, const char *what)
{
	txn->failed = true;
	return lmdb_env_err(txn->index, err, code, what);
}

int index_corrupt(struct index_txn *txn, struct err *err, const char *what)
{
	txn->failed = true;
	txn->index->damaged = true;
	return err_set(err, ERR_CORRUPT, "index %s is damaged: %s",
		       txn->index->dir, what);
}
