# SPDX-License-Identifier: MIT
# All but main(), for the tests.
noinst_LIBRARIES += libpop3.a
libpop3_a_SOURCES = \
	src/pop3/list.c \
	src/pop3/maildrop.c \
	src/pop3/retr.c \
	src/pop3/session.c src/pop3/session.h \
	src/pop3/uidl.c
pkglibexec_PROGRAMS += pop3
pop3_SOURCES = src/pop3/main.c
pop3_LDADD = libpop3.a $(LIB_SESSION)
libsettings_a_SOURCES += src/pop3/settings.c src/pop3/settings.h
