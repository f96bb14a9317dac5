# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	src/base/buf.c src/base/buf.h \
	src/base/cleanup.c src/base/cleanup.h \
	src/base/digest.c src/base/digest.h \
	src/base/duration.c src/base/duration.h \
	src/base/encode.c src/base/encode.h \
	src/base/err.c src/base/err.h \
	src/base/file.c src/base/file.h src/base/file_path.c \
	src/base/ip.c src/base/ip.h \
	src/base/log.c src/base/log.h \
	src/base/mem.c src/base/mem.h \
	src/base/pack.c src/base/pack.h \
	src/base/range.c src/base/range.h \
	src/base/str.c src/base/str.h src/base/str_escape.c \
	src/base/utf8.c
