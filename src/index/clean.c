/* SPDX-License-Identifier: MIT */
/*
 * index/clean.c - whether an environment is good after the machine went down.
 *
 * Commits do not fsync. That is safe against everything but the machine going
 * down, for then any of the pages written since may be missing. So the header
 * carries the boot id of the kernel under which it was written last, and a mark
 * that names one transaction: index_sync() makes that transaction, and commits
 * it with LMDB's full protocol, so that when its root is on disk, all else is.
 * An environment from another boot is trusted if its last transaction is the
 * marked one.
 *
 * Commits after the mark must not spoil that tree, or else the root on disk may
 * still be the marked one while pages below it were used again. LMDB uses pages
 * again that were given up two transactions before at least: the first commit
 * after the mark (S + 1) and the second one leave the tree of S as it is, a
 * third one may not. So the second one takes the mark away, and is the one that
 * waits for the disk, unless clean_settle() came before it.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "index/bytes.h"
#include "index/env.h"

enum {
	FORMAT_VERSION = 2,
	BOOT_ID_SIZE = 36,
	CLEAN_AT = 8 + BOOT_ID_SIZE, /* magic, version, boot id */
	HEADER_SIZE = CLEAN_AT + 8,
	/* An index that nobody changed for so long is worth an fsync. */
	QUIET_MS = 60000,
	/* For a mark to be taken away before the next command does it. */
	SOON_MS = 1000,
};

static const char magic[4] = {'D', 'T', 'I', 'X'};

struct header {
	char boot[BOOT_ID_SIZE];
	uint64_t clean; /* the marked transaction; 0: none */
};

/* boots */

static const char *boot_given;

void index_boot_id_set(const char *boot_id)
{
	boot_given = boot_id;
}

/* "" if the kernel does not tell: then all is trusted. */
static const char *boot_id(void)
{
	static char id[BOOT_ID_SIZE + 1];
	CLEANUP(file_close) FILE *fp = NULL;

	if (boot_given != NULL)
		return boot_given;
	if (id[0] != '\0')
		return id;
	fp = fopen("/proc/sys/kernel/random/boot_id", "re");
	if (fp == NULL || fread(id, 1, BOOT_ID_SIZE, fp) != BOOT_ID_SIZE)
		memset(id, 0, sizeof(id));
	return id;
}

static bool of_this_boot(const struct header *header)
{
	return strncmp(header->boot, boot_id(), BOOT_ID_SIZE) == 0;
}

/* the row */

static int header_get(struct index_txn *txn, struct header *out, bool *found,
		      struct err *err)
{
	struct str value;
	const unsigned char *at;
	int code = lmdb_get(txn, TABLE_META, STR("header"), &value);

	*found = code == 0;
	if (code == MDB_NOTFOUND)
		return 0;
	if (code != 0)
		return lmdb_err(txn, err, code, "header");
	at = (const unsigned char *)value.data;
	if (value.len < 8 || memcmp(at, magic, sizeof(magic)) != 0 ||
	    le32_get(at + 4) != FORMAT_VERSION || value.len != HEADER_SIZE)
		return index_corrupt(txn, err, "not of this version");
	memcpy(out->boot, at + 8, BOOT_ID_SIZE);
	out->clean = le64_get(at + CLEAN_AT);
	return 0;
}

/* With this boot's id. */
static int header_put(struct index_txn *txn, uint64_t clean, struct err *err)
{
	unsigned char value[HEADER_SIZE] = {0};
	int code;

	memcpy(value, magic, sizeof(magic));
	le32_put(value + 4, FORMAT_VERSION);
	memcpy(value + 8, boot_id(), strnlen(boot_id(), BOOT_ID_SIZE));
	le64_put(value + CLEAN_AT, clean);
	code = lmdb_put(txn, TABLE_META, STR("header"),
			str_n(value, sizeof(value)));
	return code == 0 ? 0 : lmdb_err(txn, err, code, "header");
}

int clean_check(struct index_txn *txn, enum trust *out, struct err *err)
{
	struct header header;
	bool found;

	if (header_get(txn, &header, &found, err) < 0)
		return -1;
	if (found)
		*out = of_this_boot(&header) || header.clean == lmdb_txn_id(txn)
			       ? TRUST_YES
			       : TRUST_NO;
	return 0;
}

int clean_first(struct index_txn *txn, struct err *err)
{
	return header_put(txn, 0, err);
}

/* What the first and second transaction after the mark see to. */
int clean_begin(struct index_txn *txn, struct err *err)
{
	uint64_t before = lmdb_txn_id(txn) - 1;
	struct header header;
	bool found;

	if (txn->index->memory)
		return 0;
	if (header_get(txn, &header, &found, err) < 0)
		return -1;
	if (!found)
		return index_corrupt(txn, err, "no header");
	if (header.clean != 0 && header.clean < before) {
		txn->sync = true;
		return header_put(txn, 0, err);
	}
	/* Trusted for its mark, and written to for the first time. */
	return of_this_boot(&header) ? 0 : header_put(txn, header.clean, err);
}

/* syncing */

/* One transaction that all of the file is on disk with; `mark`: and that says
 * so. */
static int sync_txn(struct index *index, bool mark, struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;

	if (index_begin(index, INDEX_WRITE, &txn, err) < 0)
		return -1;
	txn->sync = true;
	if (header_put(txn, mark ? lmdb_txn_id(txn) : 0, err) < 0)
		return -1;
	return index_commit(&txn, err);
}

static int mark_get(struct index *index, uint64_t *clean_out, struct err *err)
{
	CLEANUP(index_rollback) struct index_txn *txn = NULL;
	struct header header = {.clean = 0};
	bool found;

	if (index_begin(index, INDEX_READ, &txn, err) < 0 ||
	    header_get(txn, &header, &found, err) < 0)
		return -1;
	*clean_out = header.clean;
	return 0;
}

int index_sync(struct index *index, struct err *err)
{
	uint64_t clean;
	int code;

	if (index->memory)
		return 0;
	if (mark_get(index, &clean, err) < 0)
		return -1;
	if (clean == lmdb_last_txn(index))
		return 0;
	/* Most of it while nobody waits for the lock. */
	code = lmdb_env_sync(index);
	if (code != 0)
		return lmdb_env_err(index, err, code, "sync");
	return sync_txn(index, true, err);
}

static int settle(struct index *index, bool now, uint64_t *again_ms,
		  struct err *err)
{
	uint64_t last = lmdb_last_txn(index), clean, quiet_ms;

	if (mark_get(index, &clean, err) < 0)
		return -1;
	*again_ms = 0;
	if (clean == last) {
		index->settle_txn = last;
		index->settle_since = 0; /* for as long as that is the last */
		return 0;
	}
	if (index->settle_txn != last) {
		index->settle_txn = last;
		index->settle_since = clock_monotonic_us();
	}
	quiet_ms = (clock_monotonic_us() - index->settle_since) / 1000;
	if (now || quiet_ms >= QUIET_MS)
		return index_sync(index, err);
	*again_ms = QUIET_MS - quiet_ms;
	if (clean == 0)
		return 0;
	/* What the second commit after the mark would wait for. */
	if (sync_txn(index, false, err) < 0)
		return -1;
	index->settle_txn = lmdb_last_txn(index);
	return 0;
}

uint64_t clean_settle(struct index *index, bool now)
{
	uint64_t again_ms = 0;
	struct err err;
	int ret;

	if (index->memory || index->look || index->env == NULL ||
	    index->damaged || index->txns > 0)
		return index->txns > 0 ? SOON_MS : 0;
	if (index->settle_since == 0 &&
	    index->settle_txn == lmdb_last_txn(index))
		return 0;
	if (index_gone(index) || (now && !index->written))
		return 0;
	index->settling = true;
	ret = settle(index, now, &again_ms, &err);
	index->settling = false;
	index->written &= again_ms != 0;
	if (ret < 0) {
		log_error("can't put the index on disk: %s", err.text);
		return 0;
	}
	return again_ms;
}
