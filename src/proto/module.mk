# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libproto.a
libproto_a_SOURCES = \
	src/proto/auth.c src/proto/auth.h \
	src/proto/dot.c src/proto/dot_out.c \
	src/proto/imap.h \
	src/proto/imap_arg.c \
	src/proto/imap_id.c src/proto/imap_id.h \
	src/proto/imap_parser.c \
	src/proto/imap_write.c \
	src/proto/managesieve.c src/proto/managesieve.h \
	src/proto/pop3.c src/proto/pop3.h src/proto/pop3_text.c \
	src/proto/smtp.h \
	src/proto/smtp_param.c \
	src/proto/smtp_parser.c \
	src/proto/smtp_path.c \
	src/proto/smtp_reply.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/proto/test_auth
tests_unit_proto_test_auth_SOURCES = tests/unit/proto/test_auth.c
tests_unit_proto_test_auth_LDADD = $(LIB_PROTO) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/proto/test_imap_parser \
	tests/unit/proto/test_imap_arg \
	tests/unit/proto/test_managesieve \
	tests/unit/proto/test_pop3 \
	tests/unit/proto/test_smtp
tests_unit_proto_test_imap_parser_SOURCES = \
	tests/unit/proto/test_imap_parser.c
tests_unit_proto_test_imap_parser_LDADD = $(LIB_PROTO) $(CMOCKA_LIBS)
tests_unit_proto_test_imap_arg_SOURCES = tests/unit/proto/test_imap_arg.c
tests_unit_proto_test_imap_arg_LDADD = $(LIB_PROTO) $(CMOCKA_LIBS)
tests_unit_proto_test_managesieve_SOURCES = \
	tests/unit/proto/test_managesieve.c
tests_unit_proto_test_managesieve_LDADD = $(LIB_PROTO) $(CMOCKA_LIBS)
tests_unit_proto_test_pop3_SOURCES = tests/unit/proto/test_pop3.c
tests_unit_proto_test_pop3_LDADD = $(LIB_PROTO) $(CMOCKA_LIBS)
tests_unit_proto_test_smtp_SOURCES = tests/unit/proto/test_smtp.c
tests_unit_proto_test_smtp_LDADD = $(LIB_PROTO) $(CMOCKA_LIBS)
endif

# The fuzz targets, and their corpora as tests.
check_PROGRAMS += tests/fuzz/proto/replay_imap tests/fuzz/proto/replay_pop3 \
	tests/fuzz/proto/replay_managesieve tests/fuzz/proto/replay_smtp
tests_fuzz_proto_replay_imap_SOURCES = tests/fuzz/proto/fuzz_imap.c \
	tests/fuzz/replay.c
tests_fuzz_proto_replay_imap_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCORPUS='"tests/fuzz/proto/imap"'
tests_fuzz_proto_replay_imap_LDADD = $(LIB_PROTO)
tests_fuzz_proto_replay_managesieve_SOURCES = \
	tests/fuzz/proto/fuzz_managesieve.c tests/fuzz/replay.c
tests_fuzz_proto_replay_managesieve_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCORPUS='"tests/fuzz/proto/managesieve"'
tests_fuzz_proto_replay_managesieve_LDADD = $(LIB_PROTO)
tests_fuzz_proto_replay_pop3_SOURCES = tests/fuzz/proto/fuzz_pop3.c \
	tests/fuzz/replay.c
tests_fuzz_proto_replay_pop3_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCORPUS='"tests/fuzz/proto/pop3"'
tests_fuzz_proto_replay_pop3_LDADD = $(LIB_PROTO)
tests_fuzz_proto_replay_smtp_SOURCES = tests/fuzz/proto/fuzz_smtp.c \
	tests/fuzz/replay.c
tests_fuzz_proto_replay_smtp_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCORPUS='"tests/fuzz/proto/smtp"'
tests_fuzz_proto_replay_smtp_LDADD = $(LIB_PROTO)
if FUZZING
noinst_PROGRAMS += tests/fuzz/proto/fuzz_imap tests/fuzz/proto/fuzz_pop3 \
	tests/fuzz/proto/fuzz_managesieve tests/fuzz/proto/fuzz_smtp
tests_fuzz_proto_fuzz_imap_SOURCES = tests/fuzz/proto/fuzz_imap.c
tests_fuzz_proto_fuzz_imap_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_proto_fuzz_imap_LDADD = $(LIB_PROTO)
tests_fuzz_proto_fuzz_managesieve_SOURCES = \
	tests/fuzz/proto/fuzz_managesieve.c
tests_fuzz_proto_fuzz_managesieve_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_proto_fuzz_managesieve_LDADD = $(LIB_PROTO)
tests_fuzz_proto_fuzz_pop3_SOURCES = tests/fuzz/proto/fuzz_pop3.c
tests_fuzz_proto_fuzz_pop3_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_proto_fuzz_pop3_LDADD = $(LIB_PROTO)
tests_fuzz_proto_fuzz_smtp_SOURCES = tests/fuzz/proto/fuzz_smtp.c
tests_fuzz_proto_fuzz_smtp_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_proto_fuzz_smtp_LDADD = $(LIB_PROTO)
endif
EXTRA_DIST += tests/fuzz/proto/imap tests/fuzz/proto/managesieve \
	tests/fuzz/proto/pop3 tests/fuzz/proto/smtp
