# SPDX-License-Identifier: MIT
pkglibexec_PROGRAMS += submission
submission_SOURCES = \
	src/submission/command.c \
	src/submission/data.c \
	src/submission/main.c \
	src/submission/relay.c \
	src/submission/session.c src/submission/session.h
submission_LDADD = libsession.a $(LIB_DELIVERY)
libsettings_a_SOURCES += src/submission/settings.c src/submission/settings.h
man_MANS += doc/man/dovetail-submission.8
