# SPDX-License-Identifier: MIT
pkglibexec_PROGRAMS += anvil
anvil_SOURCES = \
	src/anvil/main.c src/anvil/protocol.h \
	src/anvil/penalty.c src/anvil/penalty.h \
	src/anvil/sessions.c src/anvil/sessions.h
anvil_LDADD = $(LIB_SETTINGS) $(LIB_SERVICE)
libsettings_a_SOURCES += src/anvil/settings.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/anvil/test_sessions tests/unit/anvil/test_penalty
tests_unit_anvil_test_sessions_SOURCES = tests/unit/anvil/test_sessions.c \
	src/anvil/sessions.c
tests_unit_anvil_test_sessions_LDADD = $(LIB_BASE) $(CMOCKA_LIBS)
tests_unit_anvil_test_penalty_SOURCES = tests/unit/anvil/test_penalty.c \
	src/anvil/penalty.c
tests_unit_anvil_test_penalty_LDADD = $(LIB_BASE) $(CMOCKA_LIBS)
endif
