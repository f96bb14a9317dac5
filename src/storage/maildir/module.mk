# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libmaildir.a
libmaildir_a_SOURCES = \
	src/storage/maildir/adopt.c \
	src/storage/maildir/apply.c \
	src/storage/maildir/driver.c \
	src/storage/maildir/filename.c \
	src/storage/maildir/keywords.c \
	src/storage/maildir/layout.c src/storage/maildir/layout.h \
	src/storage/maildir/list.c \
	src/storage/maildir/mail.c \
	src/storage/maildir/maildir.h \
	src/storage/maildir/pop3.c \
	src/storage/maildir/save.c \
	src/storage/maildir/scan.c \
	src/storage/maildir/state.c \
	src/storage/maildir/sync.c src/storage/maildir/sync.h \
	src/storage/maildir/tree.c \
	src/storage/maildir/uidlist.c \
	src/storage/maildir/update.c \
	src/storage/maildir/witness.c \
	src/storage/uidvalidity.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/storage/maildir/test_filename \
	tests/unit/storage/maildir/test_layout \
	tests/unit/storage/maildir/test_maildir \
	tests/unit/storage/maildir/test_others \
	tests/unit/storage/maildir/test_witness
MAILDIR_TEST_SOURCES = tests/unit/storage/maildir/fixture.c \
	tests/unit/storage/maildir/fixture.h
MAILDIR_TEST_LIBS = $(STORAGE_TEST_LIBS)
tests_unit_storage_maildir_test_filename_SOURCES = \
	tests/unit/storage/maildir/test_filename.c $(MAILDIR_TEST_SOURCES)
tests_unit_storage_maildir_test_filename_LDADD = $(MAILDIR_TEST_LIBS)
tests_unit_storage_maildir_test_layout_SOURCES = \
	tests/unit/storage/maildir/test_layout.c $(MAILDIR_TEST_SOURCES)
tests_unit_storage_maildir_test_layout_LDADD = $(MAILDIR_TEST_LIBS)
tests_unit_storage_maildir_test_maildir_SOURCES = \
	tests/unit/storage/maildir/test_maildir.c $(MAILDIR_TEST_SOURCES)
tests_unit_storage_maildir_test_maildir_LDADD = $(MAILDIR_TEST_LIBS)
tests_unit_storage_maildir_test_others_SOURCES = \
	tests/unit/storage/maildir/test_others.c $(MAILDIR_TEST_SOURCES)
tests_unit_storage_maildir_test_others_LDADD = $(MAILDIR_TEST_LIBS)
tests_unit_storage_maildir_test_witness_SOURCES = \
	tests/unit/storage/maildir/test_witness.c $(MAILDIR_TEST_SOURCES)
tests_unit_storage_maildir_test_witness_LDADD = $(MAILDIR_TEST_LIBS)
endif
