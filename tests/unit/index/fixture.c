/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "fixture.h"

char root[64], dir[128];

/* LMDB forgets a path when it can't open an environment; nobody else leaks. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:liblmdb.so";
}

int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/test_index.XXXXXX");
	if (mkdtemp(root) == NULL)
		return -1;
	snprintf(dir, sizeof(dir), "%s/dovetail.index", root);
	index_keep_open(0);
	return 0;
}

int teardown(void **state)
{
	struct err err;

	(void)state;
	return dir_remove(root, &err);
}

struct index *open_index(void)
{
	struct index *index = NULL;
	struct err err;

	OK(index_open(dir, 0600, &index, &err));
	return index;
}

struct index_txn *begin(struct index *index, enum index_mode mode)
{
	struct index_txn *txn = NULL;
	struct err err;

	OK(index_begin(index, mode, &txn, &err));
	return txn;
}

void commit(struct index_txn **txn)
{
	struct err err;

	OK(index_commit(txn, &err));
}

uint32_t make_box(struct index *index, const char *name)
{
	struct index_txn *txn = begin(index, INDEX_WRITE);
	struct index_box box = {.uid_validity = 7, .first_recent_uid = 1};
	struct err err;

	OK(index_box_create(txn, name, &box, &err));
	commit(&txn);
	return box.id;
}

struct index_record record_of(uint32_t uid, uint8_t flags)
{
	return (struct index_record){
		.uid = uid,
		.flags = flags,
		.received = 1000 + uid,
		.size_physical = 100,
		.size_virtual = 110,
		.driver = STR("n1234567.M1P2.host,S=100,W=110"),
	};
}

void append(struct index *index, uint32_t id, uint32_t count)
{
	struct index_txn *txn = begin(index, INDEX_WRITE);
	struct index_box box;
	struct err err;

	OK(index_box_get(txn, id, &box, &err));
	for (uint32_t i = 0; i < count; i++) {
		struct index_record record = record_of(box.uid_next, 0);

		OK(index_record_append(txn, &box, &record, &err));
	}
	commit(&txn);
}

struct index_box box_of(struct index *index, uint32_t id)
{
	struct index_txn *txn = begin(index, INDEX_READ);
	struct index_box box;
	struct err err;

	OK(index_box_get(txn, id, &box, &err));
	index_rollback(&txn);
	return box;
}

void set_flags(struct index *index, uint32_t id, uint32_t uid, uint8_t flags)
{
	struct index_txn *txn = begin(index, INDEX_WRITE);
	struct index_record record;
	struct index_box box;
	struct err err;

	OK(index_box_get(txn, id, &box, &err));
	OK(index_record_get(txn, id, uid, &record, &err));
	record.flags = flags;
	OK(index_record_put(txn, &box, &record, &err));
	commit(&txn);
}
