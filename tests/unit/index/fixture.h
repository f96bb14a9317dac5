/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/index/fixture.h - an index in a directory of its own, and short
 * ways to fill it. cmocka.h comes before this.
 */
#ifndef TESTS_INDEX_FIXTURE_H
#define TESTS_INDEX_FIXTURE_H
#include <stdint.h>

#include "base/err.h"
#include "index/index.h"

#define OK(call)                                                               \
	do {                                                                   \
		if ((call) < 0)                                                \
			fail_msg("%s", err.text);                              \
	} while (0)

/* The directory above it, and its own. */
extern char root[64], dir[128];

int setup(void **state);
int teardown(void **state);

struct index *open_index(void);
struct index_txn *begin(struct index *index, enum index_mode mode);
void commit(struct index_txn **txn);
/* The id of a new mailbox, as a transaction of its own. */
uint32_t make_box(struct index *index, const char *name);
struct index_record record_of(uint32_t uid, uint8_t flags);
/* So many mails more, in one transaction. */
void append(struct index *index, uint32_t id, uint32_t count);
struct index_box box_of(struct index *index, uint32_t id);
/* In one transaction. */
void set_flags(struct index *index, uint32_t id, uint32_t uid, uint8_t flags);

#endif
