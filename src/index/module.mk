# SPDX-License-Identifier: MIT
EXTRA_DIST += doc/formats.md

noinst_LIBRARIES += libindex.a
libindex_a_SOURCES = \
	src/index/box.c \
	src/index/bytes.h \
	src/index/cache.c \
	src/index/change.c \
	src/index/check.c \
	src/index/clean.c \
	src/index/env.c src/index/env.h \
	src/index/index.c src/index/index.h \
	src/index/lmdb.c \
	src/index/move.c \
	src/index/pack.c \
	src/index/pages.c \
	src/index/record.c \
	src/index/txn.c \
	src/index/uids.c \
	src/index/walk.c src/index/walk.h

if HAVE_CMOCKA
index_fixture = tests/unit/index/fixture.c tests/unit/index/fixture.h
check_PROGRAMS += tests/unit/index/test_clean tests/unit/index/test_walk
tests_unit_index_test_walk_SOURCES = tests/unit/index/test_walk.c \
	$(index_fixture)
tests_unit_index_test_walk_LDADD = $(LIB_INDEX) $(CMOCKA_LIBS)
tests_unit_index_test_clean_SOURCES = tests/unit/index/test_clean.c \
	$(index_fixture)
tests_unit_index_test_clean_LDADD = $(LIB_INDEX) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/index/test_change
tests_unit_index_test_change_SOURCES = tests/unit/index/test_change.c \
	$(index_fixture)
tests_unit_index_test_change_LDADD = $(LIB_INDEX) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/index/test_pages
tests_unit_index_test_pages_SOURCES = tests/unit/index/test_pages.c \
	$(index_fixture)
tests_unit_index_test_pages_LDADD = $(LIB_INDEX) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/index/test_index
tests_unit_index_test_index_SOURCES = tests/unit/index/test_index.c \
	$(index_fixture)
tests_unit_index_test_index_LDADD = $(LIB_INDEX) $(CMOCKA_LIBS)
endif

noinst_PROGRAMS += tests/unit/index/bench_index
tests_unit_index_bench_index_SOURCES = tests/unit/index/bench_index.c
tests_unit_index_bench_index_LDADD = $(LIB_INDEX)
