# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libmbox.a
libmbox_a_SOURCES = \
	src/storage/mbox/apply.c \
	src/storage/mbox/driver.c \
	src/storage/mbox/file.c \
	src/storage/mbox/flags.c \
	src/storage/mbox/from.c \
	src/storage/mbox/header.c \
	src/storage/mbox/journal.c src/storage/mbox/journal.h \
	src/storage/mbox/layout.c \
	src/storage/mbox/lock.c \
	src/storage/mbox/mail.c \
	src/storage/mbox/mbox.h \
	src/storage/mbox/recover.c \
	src/storage/mbox/rewrite.c \
	src/storage/mbox/save.c \
	src/storage/mbox/scan.c \
	src/storage/mbox/shift.c \
	src/storage/mbox/spool.c \
	src/storage/mbox/state.c \
	src/storage/mbox/sync.c
