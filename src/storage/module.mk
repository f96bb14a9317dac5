# SPDX-License-Identifier: MIT
include src/storage/maildir/module.mk

noinst_LIBRARIES += libstorage.a
libstorage_a_SOURCES = \
	src/storage/copy.c \
	src/storage/core.h \
	src/storage/driver.h \
	src/storage/expunge.c \
	src/storage/flags.c \
	src/storage/keywords.c \
	src/storage/list.c src/storage/list.h \
	src/storage/list_core.h src/storage/list_match.c \
	src/storage/location.c \
	src/storage/mail.c src/storage/mail.h \
	src/storage/mailbox.c src/storage/mailbox.h \
	src/storage/names.c \
	src/storage/namespace.c \
	src/storage/reader.c src/storage/reader.h \
	src/storage/save.c src/storage/save.h \
	src/storage/save_cache.c src/storage/save_core.h \
	src/storage/search.c src/storage/search.h \
	src/storage/search_core.h src/storage/search_match.c \
	src/storage/status.c \
	src/storage/storage.h \
	src/storage/store.c \
	src/storage/stream.c \
	src/storage/subscriptions.c \
	src/storage/sync.c \
	src/storage/text.c \
	src/storage/tree.c \
	src/storage/user.c src/storage/user.h \
	src/storage/view.c
libsettings_a_SOURCES += src/storage/settings.c
