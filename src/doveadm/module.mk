# SPDX-License-Identifier: MIT
bin_PROGRAMS += doveadm
doveadm_SOURCES = \
	src/doveadm/app_password.c \
	src/doveadm/auth.c \
	src/doveadm/client.c src/doveadm/client.h \
	src/doveadm/commands.c src/doveadm/commands.h \
	src/doveadm/copy.c \
	src/doveadm/dbox.c \
	src/doveadm/doveadm.c src/doveadm/doveadm.h \
	src/doveadm/dump.c src/doveadm/dump.h \
	src/doveadm/dump_binary.c \
	src/doveadm/dump_control.c \
	src/doveadm/dump_index.c \
	src/doveadm/exec.c \
	src/doveadm/expunge.c \
	src/doveadm/fetch.c src/doveadm/fetch.h \
	src/doveadm/fetch_field.c \
	src/doveadm/fetch_header.c \
	src/doveadm/fetch_text.c \
	src/doveadm/fetch_utf8.c \
	src/doveadm/flags.c \
	src/doveadm/import.c \
	src/doveadm/log.c \
	src/doveadm/log_search.c src/doveadm/log_search.h \
	src/doveadm/mail.c src/doveadm/mail.h \
	src/doveadm/mail_walk.c src/doveadm/mail_walk.h \
	src/doveadm/mailbox.c \
	src/doveadm/mailbox_cache.c \
	src/doveadm/mailbox_list.c \
	src/doveadm/mailbox_metadata.c \
	src/doveadm/mailbox_status.c \
	src/doveadm/mailbox_update.c \
	src/doveadm/main.c \
	src/doveadm/master.c src/doveadm/master.h \
	src/doveadm/penalty.c \
	src/doveadm/proxy.c \
	src/doveadm/print.c src/doveadm/print.h \
	src/doveadm/print_internal.h \
	src/doveadm/print_json.c \
	src/doveadm/print_table.c \
	src/doveadm/print_wire.c \
	src/doveadm/progress.c src/doveadm/progress.h \
	src/doveadm/pw.c \
	src/doveadm/query.c src/doveadm/query.h \
	src/doveadm/query_bind.c \
	src/doveadm/query_value.c src/doveadm/query_value.h \
	src/doveadm/quota.c \
	src/doveadm/resync.c \
	src/doveadm/save.c \
	src/doveadm/search.c \
	src/doveadm/sieve.c \
	src/doveadm/undelete.c \
	src/doveadm/user.c src/doveadm/user.h \
	src/doveadm/who.c
doveadm_CPPFLAGS = $(AM_CPPFLAGS) -DPKG_MANDIR='"$(mandir)"'
doveadm_LDADD = $(LIB_SETTINGS) libscheme.a $(LIB_SCRIPT) $(LIB_SERVICE) \
	$(CRYPT_LIBS) $(SODIUM_LIBS)

QUERY_SOURCES = src/doveadm/query.c src/doveadm/query_bind.c \
	src/doveadm/query_value.c

if HAVE_CMOCKA
check_PROGRAMS += \
	tests/unit/doveadm/test_client \
	tests/unit/doveadm/test_print \
	tests/unit/doveadm/test_progress \
	tests/unit/doveadm/test_query
tests_unit_doveadm_test_client_SOURCES = \
	tests/unit/doveadm/test_client.c \
	src/doveadm/client.c
tests_unit_doveadm_test_client_LDADD = $(CMOCKA_LIBS) $(LIB_NET)
tests_unit_doveadm_test_print_SOURCES = \
	tests/unit/doveadm/test_print.c \
	src/doveadm/print.c src/doveadm/print_json.c \
	src/doveadm/print_table.c src/doveadm/print_wire.c
tests_unit_doveadm_test_print_LDADD = $(CMOCKA_LIBS) $(LIB_CONFIG)
tests_unit_doveadm_test_progress_SOURCES = \
	tests/unit/doveadm/test_progress.c src/doveadm/progress.c
tests_unit_doveadm_test_progress_LDADD = $(CMOCKA_LIBS) $(LIB_CONFIG)
tests_unit_doveadm_test_query_SOURCES = \
	tests/unit/doveadm/test_query.c $(QUERY_SOURCES)
tests_unit_doveadm_test_query_LDADD = $(CMOCKA_LIBS) $(LIB_STORAGE) \
	$(LIB_PROTO) $(LIB_CONFIG)
endif

# The fuzz target, and its corpus as a test.
check_PROGRAMS += tests/fuzz/doveadm/replay_query
tests_fuzz_doveadm_replay_query_SOURCES = tests/fuzz/doveadm/fuzz_query.c \
	tests/fuzz/replay.c $(QUERY_SOURCES)
tests_fuzz_doveadm_replay_query_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCORPUS='"tests/fuzz/doveadm/corpus"'
tests_fuzz_doveadm_replay_query_LDADD = $(LIB_STORAGE) $(LIB_PROTO) \
	$(LIB_CONFIG)
if FUZZING
noinst_PROGRAMS += tests/fuzz/doveadm/fuzz_query
tests_fuzz_doveadm_fuzz_query_SOURCES = tests/fuzz/doveadm/fuzz_query.c \
	$(QUERY_SOURCES)
tests_fuzz_doveadm_fuzz_query_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_doveadm_fuzz_query_LDADD = $(LIB_STORAGE) $(LIB_PROTO) \
	$(LIB_CONFIG)
endif
EXTRA_DIST += tests/fuzz/doveadm/corpus
