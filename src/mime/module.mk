# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libmime.a
libmime_a_SOURCES = \
	src/mime/address.c src/mime/address.h src/mime/address_scan.h \
	src/mime/body.h \
	src/mime/charset.h \
	src/mime/content.c src/mime/content.h \
	src/mime/date.h \
	src/mime/header.c src/mime/header.h \
	src/mime/imap.h \
	src/mime/imap_body.c \
	src/mime/imap_envelope.c \
	src/mime/imap_section.c \
	src/mime/imap_string.c src/mime/imap_string.h \
	src/mime/imap_structure.c \
	src/mime/lex.c src/mime/lex.h \
	src/mime/parse.c src/mime/parse.h \
	src/mime/parse_pack.c
