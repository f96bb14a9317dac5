# SPDX-License-Identifier: MIT
pkglibexec_PROGRAMS += log
log_SOURCES = \
	src/log/errors.c src/log/line.c src/log/log.h src/log/main.c \
	src/log/output.c src/log/pipes.c src/log/protocol.h
log_LDADD = $(LIB_SETTINGS) $(LIB_SERVICE)
libsettings_a_SOURCES += src/log/preset.c
