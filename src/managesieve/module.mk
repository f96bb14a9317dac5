# SPDX-License-Identifier: MIT
pkglibexec_PROGRAMS += managesieve
managesieve_SOURCES = \
	src/managesieve/main.c \
	src/managesieve/manage.c \
	src/managesieve/session.c src/managesieve/session.h \
	src/managesieve/store.c
managesieve_LDADD = libsession.a $(LIB_SETTINGS) $(LIB_SCRIPT) $(LIB_SERVICE)
libsettings_a_SOURCES += src/managesieve/settings.c src/managesieve/settings.h
