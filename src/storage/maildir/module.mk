# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libmaildir.a
libmaildir_a_SOURCES = \
	src/storage/maildir/apply.c \
	src/storage/maildir/dotlock.c \
	src/storage/maildir/driver.c \
	src/storage/maildir/filename.c \
	src/storage/maildir/keywords.c \
	src/storage/maildir/layout.c \
	src/storage/maildir/mail.c \
	src/storage/maildir/maildir.h \
	src/storage/maildir/save.c \
	src/storage/maildir/scan.c \
	src/storage/maildir/state.c \
	src/storage/maildir/sync.c src/storage/maildir/sync.h \
	src/storage/maildir/uidlist.c \
	src/storage/maildir/uidvalidity.c
