# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libmime.a
libmime_a_SOURCES = \
	src/mime/address.c src/mime/address.h src/mime/address_scan.h \
	src/mime/body.c src/mime/body.h \
	src/mime/body_search.c \
	src/mime/charset.c src/mime/charset.h \
	src/mime/collate.c src/mime/collate.h \
	src/mime/content.c src/mime/content.h \
	src/mime/date.c src/mime/date.h \
	src/mime/header.c src/mime/header.h \
	src/mime/header_decode.c \
	src/mime/html.c src/mime/html.h src/mime/html_entities.c \
	src/mime/icu.c src/mime/icu.h \
	src/mime/imap.h \
	src/mime/imap_body.c \
	src/mime/imap_envelope.c \
	src/mime/imap_section.c \
	src/mime/imap_string.c src/mime/imap_string.h \
	src/mime/imap_structure.c \
	src/mime/lex.c src/mime/lex.h \
	src/mime/message_id.c src/mime/message_id.h \
	src/mime/param.c src/mime/param.h \
	src/mime/parse.c src/mime/parse.h \
	src/mime/parse_hook.h \
	src/mime/parse_pack.c \
	src/mime/preview.c src/mime/preview.h \
	src/mime/preview_text.c src/mime/preview_text.h \
	src/mime/subject.c src/mime/subject.h \
	src/mime/unbinary.c src/mime/unbinary.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/mime/test_body \
	tests/unit/mime/test_golden \
	tests/unit/mime/test_header \
	tests/unit/mime/test_parse \
	tests/unit/mime/test_preview \
	tests/unit/mime/test_subject \
	tests/unit/mime/test_unbinary
tests_unit_mime_test_body_SOURCES = tests/unit/mime/test_body.c
tests_unit_mime_test_body_LDADD = $(LIB_MIME) $(CMOCKA_LIBS)
tests_unit_mime_test_golden_SOURCES = tests/unit/mime/test_golden.c
tests_unit_mime_test_golden_LDADD = $(LIB_MIME) $(CMOCKA_LIBS)
tests_unit_mime_test_header_SOURCES = tests/unit/mime/test_header.c
tests_unit_mime_test_header_LDADD = $(LIB_MIME) $(CMOCKA_LIBS)
tests_unit_mime_test_parse_SOURCES = tests/unit/mime/test_parse.c
tests_unit_mime_test_parse_LDADD = $(LIB_MIME) $(CMOCKA_LIBS)
tests_unit_mime_test_preview_SOURCES = tests/unit/mime/test_preview.c
tests_unit_mime_test_preview_LDADD = $(LIB_MIME) $(CMOCKA_LIBS)
tests_unit_mime_test_subject_SOURCES = tests/unit/mime/test_subject.c
tests_unit_mime_test_subject_LDADD = $(LIB_MIME) $(CMOCKA_LIBS)
tests_unit_mime_test_unbinary_SOURCES = tests/unit/mime/test_unbinary.c
tests_unit_mime_test_unbinary_LDADD = $(LIB_MIME) $(CMOCKA_LIBS)
endif
EXTRA_DIST += tests/unit/mime/golden.dat \
	tests/unit/mime/golden.py \
	tests/unit/mime/odd_messages.py

# The fuzz targets, and their corpora as a test.
check_PROGRAMS += tests/fuzz/mime/replay_mime \
	tests/fuzz/mime/replay_subject tests/fuzz/mime/replay_unbinary
tests_fuzz_mime_replay_mime_SOURCES = tests/fuzz/mime/fuzz_mime.c \
	tests/fuzz/replay.c
tests_fuzz_mime_replay_mime_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCORPUS='"tests/fuzz/mime/corpus"'
tests_fuzz_mime_replay_mime_LDADD = $(LIB_MIME)
tests_fuzz_mime_replay_subject_SOURCES = tests/fuzz/mime/fuzz_subject.c \
	tests/fuzz/replay.c
tests_fuzz_mime_replay_subject_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCORPUS='"tests/fuzz/mime/subject"'
tests_fuzz_mime_replay_subject_LDADD = $(LIB_MIME)
tests_fuzz_mime_replay_unbinary_SOURCES = tests/fuzz/mime/fuzz_unbinary.c \
	tests/fuzz/replay.c
tests_fuzz_mime_replay_unbinary_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCORPUS='"tests/fuzz/mime/unbinary"'
tests_fuzz_mime_replay_unbinary_LDADD = $(LIB_MIME)
if FUZZING
noinst_PROGRAMS += tests/fuzz/mime/fuzz_mime tests/fuzz/mime/fuzz_subject \
	tests/fuzz/mime/fuzz_unbinary
tests_fuzz_mime_fuzz_mime_SOURCES = tests/fuzz/mime/fuzz_mime.c
tests_fuzz_mime_fuzz_mime_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_mime_fuzz_mime_LDADD = $(LIB_MIME)
tests_fuzz_mime_fuzz_subject_SOURCES = tests/fuzz/mime/fuzz_subject.c
tests_fuzz_mime_fuzz_subject_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_mime_fuzz_subject_LDADD = $(LIB_MIME)
tests_fuzz_mime_fuzz_unbinary_SOURCES = tests/fuzz/mime/fuzz_unbinary.c
tests_fuzz_mime_fuzz_unbinary_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_mime_fuzz_unbinary_LDADD = $(LIB_MIME)
endif
EXTRA_DIST += tests/fuzz/mime/corpus tests/fuzz/mime/subject \
	tests/fuzz/mime/unbinary
