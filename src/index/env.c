/* SPDX-License-Identifier: MIT */
/*
 * index/env.c - one environment: its map, opening, closing and growing it, and
 * moving a damaged one aside.
 */
#include "index/env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "index/index.h"

enum {
	MIB = 1 << 20,
	MAP_STEP_SMALL = 4 * MIB,
	OPEN_NOTED = 16,
	PATH_NOTED = 1024,
};

#define MAP_STEP_USUAL (8ULL << 30)

static const char *const table_names[TABLES] = {
	"meta", "boxes", "names", "records", "changes", "expunges", "cache",
};

static uint64_t map_step = MAP_STEP_USUAL;

/* sizes */

/* Address space for a file of `used` octets: so much that it never grows while
 * somebody reads, for then it could not. It costs no memory. Where addresses
 * are counted (ulimit -v), it is in small steps. */
static size_t map_plan(uint64_t used)
{
	uint64_t step = map_step;
	struct rlimit limit;

	if (sizeof(size_t) < 8 || (getrlimit(RLIMIT_AS, &limit) == 0 &&
				   limit.rlim_cur != RLIM_INFINITY))
		step = MAP_STEP_SMALL;
	used += used / 4;
	return (size_t)(used / step * step + 2 * step);
}

void index_map_step_set(uint64_t step)
{
	map_step = step != 0 ? step : MAP_STEP_USUAL;
}

void index_reserve(struct index *index, uint64_t bytes)
{
	if (index->reserve < bytes)
		index->reserve = bytes;
}

/* The header says how large a map must be, and may say anything: where there is
 * room for a map of this file, it is the header that is wrong. */
int index_map_refused(struct index *index, struct err *err, int code,
		      const char *what)
{
	struct stat st = {.st_size = 0};
	size_t size;
	void *map;

	if (code == ENOMEM || code == EINVAL) {
		stat(index->data_path, &st);
		size = map_plan((uint64_t)st.st_size);
		map = mmap(NULL, size, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (map != MAP_FAILED) {
			munmap(map, size);
			index->damaged = true;
		}
	}
	return lmdb_env_err(index, err, code, what);
}

static int tables_open(struct index_txn *txn, bool create, bool *missing,
		       struct err *err)
{
	*missing = false;
	for (int i = 0; i < TABLES; i++) {
		int code = lmdb_dbi_open(txn, table_names[i], create,
					 &txn->index->tables[i]);

		if (code == MDB_NOTFOUND && !create) {
			*missing = true;
			return 0;
		}
		if (code != 0)
			return lmdb_err(txn, err, code, table_names[i]);
	}
	txn->index->tables[TABLE_SORT] = txn->index->tables[TABLE_CACHE];
	return 0;
}

/* In one transaction, write or not: handles of tables live on if it commits. */
static int tables_setup(struct index *index, enum index_mode mode,
			enum trust *trust, struct err *err)
{
	struct index_txn txn = {.index = index, .mode = mode};
	bool missing;
	int code = lmdb_begin(index, &txn);

	if (code != 0)
		return lmdb_env_err(index, err, code, "begin");
	/* A new one has had no transaction yet. */
	*trust = mode == INDEX_WRITE || lmdb_txn_id(&txn) == 0 ? TRUST_EMPTY
							       : TRUST_NO;
	if (tables_open(&txn, mode == INDEX_WRITE, &missing, err) < 0 ||
	    (!missing && clean_check(&txn, trust, err) < 0) ||
	    (mode == INDEX_WRITE && *trust == TRUST_EMPTY &&
	     clean_first(&txn, err) < 0)) {
		lmdb_abort(&txn);
		return -1;
	}
	code = lmdb_commit(&txn);
	return code == 0 ? 0 : lmdb_env_err(index, err, code, "commit");
}

/* Look at its pages when there is reason to. */
static int suspect_check(struct index *index, struct err *err)
{
	const char *wrong;

	if (!index->suspect)
		return 0;
	wrong = lmdb_pages_wrong(index);
	if (wrong != NULL) {
		index->damaged = true;
		return err_set(err, ERR_CORRUPT, "index %s is damaged: %s",
			       index->dir, wrong);
	}
	index->suspect = false;
	if (unlink(index->suspect_path) == 0)
		log_warning("index %s: a process that had it open has crashed; "
			    "it is sound",
			    index->dir);
	return 0;
}

/* Their marks' paths, where a ruined heap is not. */
static char suspects[OPEN_NOTED][PATH_NOTED];

static void suspect_note(const struct index *index, bool open)
{
	for (unsigned i = 0; i < OPEN_NOTED; i++) {
		if (open ? suspects[i][0] == '\0'
			 : strcmp(suspects[i], index->suspect_path) == 0) {
			snprintf(suspects[i], PATH_NOTED, "%s",
				 open ? index->suspect_path : "");
			return;
		}
	}
}

void index_suspect_all(void)
{
	for (unsigned i = 0; i < OPEN_NOTED; i++) {
		int fd = suspects[i][0] == '\0'
				 ? -1
				 : open(suspects[i],
					O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
					0600);

		if (fd >= 0)
			close(fd);
	}
}

static int env_check(struct index *index, struct err *err)
{
	enum trust trust;

	if (!lmdb_file_whole(index)) {
		index->damaged = true;
		return err_set(err, ERR_CORRUPT, "index %s was cut short",
			       index->dir);
	}
	if (suspect_check(index, err) < 0 ||
	    tables_setup(index, INDEX_READ, &trust, err) < 0)
		return -1;
	if (trust == TRUST_YES)
		return 0;
	if (trust == TRUST_NO) {
		index->damaged = true;
		return err_set(err, ERR_CORRUPT,
			       "index %s was in use when the machine went "
			       "down",
			       index->dir);
	}
	return tables_setup(index, INDEX_WRITE, &trust, err);
}

/* opening */

/* LMDB maps the file and locks through shared memory: both are right on one
 * machine only. */
static int check_file_system(const char *dir, struct err *err)
{
	enum {
		MAGIC_NFS = 0x6969,
		MAGIC_SMB = 0x517b,
		MAGIC_AFS = 0x5346414f,
		MAGIC_9P = 0x01021997,
	};
	const uint32_t magic_cifs = 0xff534d42, magic_smb2 = 0xfe534d42;
	struct statfs fs;
	uint32_t type;

	if (statfs(dir, &fs) < 0)
		return err_sys(err, "statfs(%s)", dir);
	type = (uint32_t)fs.f_type;
	if (type == MAGIC_NFS || type == MAGIC_SMB || type == MAGIC_AFS ||
	    type == MAGIC_9P || type == magic_cifs || type == magic_smb2)
		return err_set(err, ERR_UNSUPPORTED,
			       "index %s would be on a network file system: "
			       "put it on a local disk (mail_location with "
			       ":INDEX=/path) or in memory (:INDEX=MEMORY)",
			       dir);
	return 0;
}

static mode_t dir_mode(mode_t mode)
{
	return mode | ((mode & 0444) >> 2);
}

static int data_stat(struct index *index, struct stat *st)
{
	return stat(index->data_path, st);
}

int env_open(struct index *index, struct err *err)
{
	struct stat st = {.st_size = 0};
	int code;

	index->damaged = index->failed = false;
	if (dir_create(index->dir, dir_mode(index->mode), err) < 0 ||
	    check_file_system(index->dir, err) < 0)
		return -1;
	data_stat(index, &st);
	code = lmdb_env_open(index, map_plan((uint64_t)st.st_size));
	if (code != 0)
		return index_map_refused(index, err, code, "open");
	if (data_stat(index, &st) < 0)
		return err_sys(err, "stat(%s/data.mdb)", index->dir);
	index->dev = st.st_dev;
	index->ino = st.st_ino;
	if (!index->memory)
		suspect_note(index, true);
	index->suspect = access(index->suspect_path, F_OK) == 0;
	return env_check(index, err);
}

bool index_gone(struct index *index)
{
	struct stat st;

	return !index->memory &&
	       (data_stat(index, &st) < 0 || st.st_ino != index->ino ||
		st.st_dev != index->dev);
}

void env_close(struct index *index)
{
	if (index->spare != NULL) {
		lmdb_abort(index->spare);
		mem_free(index->spare);
		index->spare = NULL;
	}
	if (index->env != NULL)
		suspect_note(index, false);
	lmdb_env_close(index);
}

/* LMDB has no map at all when the larger one was refused. */
static int grow_refused(struct index *index, size_t old_size, struct err *err)
{
	int code;

	env_close(index);
	code = lmdb_env_open(index, old_size);
	if (code != 0)
		return lmdb_env_err(index, err, code, "open");
	return env_check(index, err);
}

int index_grow(struct index *index, struct err *err)
{
	size_t used = lmdb_used(index), old_size = index->map_size, size;
	int code;

	if (index->txns > 0 || index->settling ||
	    used + used / 8 + 2 * MIB + index->reserve <= old_size)
		return 0;
	size = map_plan(used + index->reserve);
	code = lmdb_env_resize(index, size);
	index->reserve = 0;
	if (code == 0)
		return 0;
	if (code != ENOMEM)
		return lmdb_env_err(index, err, code, "grow");
	if (grow_refused(index, old_size, err) < 0)
		return -1;
	/* There may be room enough all the same. */
	if (used + MIB <= old_size)
		return 0;
	return err_set(err, ERR_LIMIT,
		       "index %s: no address space for %zu octets; raise "
		       "the limit (ulimit -v)",
		       index->dir, size);
}

/* Two processes may find the same damage: the lock on the directory lets one of
 * them move it, and the other one see that it is gone. */
static int move_aside(struct index *index, struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "aside");
	char *aside = mem_printf(ctx, "%s.damaged", index->dir);
	CLEANUP(fd_close)
	int fd = open(index->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return errno == ENOENT ? 0
				       : err_sys(err, "lock(%s)", index->dir);
	if (index->ino != 0 && index_gone(index))
		return 0;
	if (dir_remove(aside, err) < 0 && err->code != ERR_NOT_FOUND)
		return -1;
	if (rename(index->dir, aside) < 0 && errno != ENOENT)
		return err_sys(err, "rename(%s, %s)", index->dir, aside);
	return 0;
}

int env_move_damaged(struct index *index, struct err *err)
{
	if (index->ino != 0 && index_gone(index))
		return 0;
	log_warning("index %s is damaged; it is moved to %s.damaged and made "
		    "anew",
		    index->dir, index->dir);
	return move_aside(index, err);
}

int env_open_any(struct index *index, struct err *err)
{
	index->ino = 0;
	if (env_open(index, err) == 0)
		return 0;
	env_close(index);
	if (!index->damaged)
		return -1;
	log_warning("%s; it is moved to %s.damaged and made anew", err->text,
		    index->dir);
	if (move_aside(index, err) < 0)
		return -1;
	if (env_open(index, err) == 0)
		return 0;
	env_close(index);
	if (!index->damaged)
		return -1;
	/* Nobody damages a new one: it found no room on the disk, which a map
	 * tells as a fault. */
	return err_set(err, ERR_NO_SPACE, "index %s: no room to make it anew",
		       index->dir);
}

int env_open_look(struct index *index, struct err *err)
{
	struct stat st = {.st_size = 0};
	enum trust trust;
	int code;

	if (data_stat(index, &st) < 0)
		return err_sys(err, "stat(%s/data.mdb)", index->dir);
	code = lmdb_env_open(index, map_plan((uint64_t)st.st_size));
	if (code != 0)
		return index_map_refused(index, err, code, "open");
	index->dev = st.st_dev;
	index->ino = st.st_ino;
	if (!lmdb_file_whole(index))
		return err_set(err, ERR_CORRUPT, "index %s was cut short",
			       index->dir);
	if (tables_setup(index, INDEX_READ, &trust, err) < 0)
		return -1;
	/* Trusted or not, it is looked at. */
	return trust != TRUST_EMPTY ? 0
				    : err_set(err, ERR_NOT_FOUND,
					      "index %s is empty", index->dir);
}

/* When the disk fails as a commit says that it is one, LMDB refuses all until
 * it is opened again; what was committed before is there. */
static int reopen(struct index *index, struct err *err)
{
	ino_t ino = index->ino;

	env_close(index);
	if (env_open_any(index, err) < 0)
		return -1;
	return index->ino == ino ? 0
				 : err_set(err, ERR_CORRUPT, "index %s is new",
					   index->dir);
}

int index_renew(struct index *index, struct err *err)
{
	struct err found;

	if (index->env == NULL) { /* making it anew failed before */
		if (index->memory)
			return err_set(err, ERR_CORRUPT, "index %s is closed",
				       index->dir);
		if (env_open_any(index, err) < 0)
			return -1;
		return err_set(err, ERR_CORRUPT, "index %s is new", index->dir);
	}
	if (index->faults_seen != lmdb_faults()) {
		index->faults_seen = lmdb_faults();
		if (!lmdb_file_whole(index))
			index->damaged = true;
	}
	if (index->suspect && !index->damaged && index->txns == 0 &&
	    !index->settling && !index->look &&
	    suspect_check(index, &found) < 0)
		log_warning("%s", found.text);
	if (!index->damaged && !index->failed)
		return 0;
	if (index->txns > 0 || index->memory || index->look || index->settling)
		return !index->damaged
			       ? 0
			       : err_set(err, ERR_CORRUPT,
					 "index %s is damaged", index->dir);
	if (!index->damaged)
		return reopen(index, err);
	env_close(index);
	if (env_move_damaged(index, err) < 0 || env_open_any(index, err) < 0)
		return -1;
	return err_set(err, ERR_CORRUPT, "index %s was damaged and is new",
		       index->dir);
}

void index_put_aside(struct index *index)
{
	struct err err;

	if (index->damaged && index->txns == 0 && index->env != NULL &&
	    !index->memory && !index->look && !index->settling &&
	    env_move_damaged(index, &err) < 0)
		log_error("%s", err.text);
}

void index_distrust(struct index *index)
{
	index->damaged = true;
}

int index_replaced(struct index *index, struct err *err)
{
	if (!index_gone(index))
		return 0;
	if (index->txns == 0 && !index->settling) {
		env_close(index);
		if (env_open_any(index, err) < 0)
			return -1;
	}
	return err_set(err, ERR_CORRUPT, "index %s was replaced", index->dir);
}
