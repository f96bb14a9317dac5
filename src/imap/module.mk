# SPDX-License-Identifier: MIT
# All but main(), for the tests.
noinst_LIBRARIES += libimap.a
libimap_a_SOURCES = \
	src/imap/append.c \
	src/imap/arg.c \
	src/imap/cmd.c src/imap/cmd.h \
	src/imap/context.c src/imap/context.h \
	src/imap/copy.c \
	src/imap/fetch.c src/imap/fetch.h src/imap/fetch_args.c \
	src/imap/filter.c \
	src/imap/idle.c \
	src/imap/list.c \
	src/imap/mailbox.c \
	src/imap/metadata.c \
	src/imap/modseq.c src/imap/modseq.h \
	src/imap/quota.c \
	src/imap/search.c src/imap/search.h src/imap/search_args.c \
	src/imap/search_return.c src/imap/search_return.h \
	src/imap/select.c \
	src/imap/session.c src/imap/session.h \
	src/imap/sieve.c src/imap/sieve.h \
	src/imap/sort.c \
	src/imap/state.c \
	src/imap/status.c src/imap/status.h \
	src/imap/store.c \
	src/imap/sync.c \
	src/imap/thread.c
pkglibexec_PROGRAMS += imap
imap_SOURCES = src/imap/main.c
imap_LDFLAGS = $(HOST_LDFLAGS)
imap_LDADD = libimap.a $(LIB_IMAP)
libsettings_a_SOURCES += src/imap/settings.c src/imap/settings.h
man_MANS += doc/man/dovetail-imapsieve.7

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/imap/test_session \
	tests/unit/imap/test_settings \
	tests/unit/imap/test_transcripts
tests_unit_imap_test_session_SOURCES = tests/unit/imap/test_session.c \
	tests/unit/imap/harness.c tests/unit/imap/harness.h
tests_unit_imap_test_session_LDADD = libimap.a $(LIB_IMAP) \
	$(CMOCKA_LIBS)
tests_unit_imap_test_settings_SOURCES = tests/unit/imap/test_settings.c \
	tests/unit/imap/harness.c tests/unit/imap/harness.h
tests_unit_imap_test_settings_LDADD = libimap.a $(LIB_IMAP) \
	$(CMOCKA_LIBS)
tests_unit_imap_test_transcripts_SOURCES = \
	tests/unit/imap/test_transcripts.c \
	tests/unit/imap/harness.c tests/unit/imap/harness.h
tests_unit_imap_test_transcripts_LDADD = libimap.a $(LIB_IMAP) \
	$(CMOCKA_LIBS)
endif
EXTRA_DIST += tests/proto/imap
