# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libproto.a
libproto_a_SOURCES = \
	src/proto/auth.c src/proto/auth.h \
	src/proto/imap.h \
	src/proto/imap_arg.c \
	src/proto/imap_id.c src/proto/imap_id.h \
	src/proto/imap_parser.c \
	src/proto/imap_write.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/proto/test_imap_parser \
	tests/unit/proto/test_imap_arg
tests_unit_proto_test_imap_parser_SOURCES = \
	tests/unit/proto/test_imap_parser.c
tests_unit_proto_test_imap_parser_LDADD = $(LIB_PROTO) $(CMOCKA_LIBS)
tests_unit_proto_test_imap_arg_SOURCES = tests/unit/proto/test_imap_arg.c
tests_unit_proto_test_imap_arg_LDADD = $(LIB_PROTO) $(CMOCKA_LIBS)
endif
