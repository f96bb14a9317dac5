# SPDX-License-Identifier: MIT
pkglibexec_PROGRAMS += log
log_SOURCES = \
	src/log/errors.c src/log/line.c src/log/log.h src/log/main.c \
	src/log/output.c src/log/pipes.c src/log/protocol.h
log_LDADD = $(LIB_SETTINGS) $(LIB_SERVICE)
libsettings_a_SOURCES += src/log/preset.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/log/test_log
tests_unit_log_test_log_SOURCES = \
	tests/unit/log/test_log.c \
	src/log/line.c src/log/output.c src/log/pipes.c
tests_unit_log_test_log_LDADD = $(LIB_SETTINGS) $(LIB_NET) $(CMOCKA_LIBS)
endif
