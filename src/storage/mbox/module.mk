# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libmbox.a
libmbox_a_SOURCES = \
	src/storage/mbox/append.c \
	src/storage/mbox/apply.c \
	src/storage/mbox/driver.c \
	src/storage/mbox/file.c \
	src/storage/mbox/flags.c \
	src/storage/mbox/from.c \
	src/storage/mbox/header.c \
	src/storage/mbox/journal.c src/storage/mbox/journal.h \
	src/storage/mbox/layout.c \
	src/storage/mbox/list.c \
	src/storage/mbox/lock.c \
	src/storage/mbox/mail.c \
	src/storage/mbox/places.c \
	src/storage/mbox/mbox.h \
	src/storage/mbox/recover.c \
	src/storage/mbox/rewrite.c \
	src/storage/mbox/save.c \
	src/storage/mbox/scan.c \
	src/storage/mbox/shift.c \
	src/storage/mbox/spool.c \
	src/storage/mbox/state.c \
	src/storage/mbox/sync.c \
	src/storage/mbox/update.c

if HAVE_CMOCKA
check_PROGRAMS += \
	tests/unit/storage/mbox/test_from \
	tests/unit/storage/mbox/test_header \
	tests/unit/storage/mbox/test_lock \
	tests/unit/storage/mbox/test_scan
tests_unit_storage_mbox_test_from_SOURCES = \
	tests/unit/storage/mbox/test_from.c
tests_unit_storage_mbox_test_from_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_mbox_test_header_SOURCES = \
	tests/unit/storage/mbox/test_header.c
tests_unit_storage_mbox_test_header_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_mbox_test_lock_SOURCES = \
	tests/unit/storage/mbox/test_lock.c $(STORAGE_FIXTURE)
tests_unit_storage_mbox_test_lock_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_mbox_test_scan_SOURCES = \
	tests/unit/storage/mbox/test_scan.c
tests_unit_storage_mbox_test_scan_LDADD = $(STORAGE_TEST_LIBS)
endif

# The fuzz target, and its corpus as a test.
FUZZ_MBOX_LIBS = $(LIB_STORAGE) $(LIB_SETTINGS) $(LIB_SERVICE) $(LIB_CONFIG)
check_PROGRAMS += tests/fuzz/mbox/replay_mbox
tests_fuzz_mbox_replay_mbox_SOURCES = tests/fuzz/mbox/fuzz_mbox.c \
	tests/fuzz/replay.c
tests_fuzz_mbox_replay_mbox_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCORPUS='"tests/fuzz/mbox/corpus"'
tests_fuzz_mbox_replay_mbox_LDADD = $(FUZZ_MBOX_LIBS)
if FUZZING
noinst_PROGRAMS += tests/fuzz/mbox/fuzz_mbox
tests_fuzz_mbox_fuzz_mbox_SOURCES = tests/fuzz/mbox/fuzz_mbox.c
tests_fuzz_mbox_fuzz_mbox_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_mbox_fuzz_mbox_LDADD = $(FUZZ_MBOX_LIBS)
endif
EXTRA_DIST += tests/fuzz/mbox/corpus
