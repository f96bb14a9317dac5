# SPDX-License-Identifier: MIT
pkglibexec_PROGRAMS += anvil
anvil_SOURCES = \
	src/anvil/anvil.h src/anvil/main.c src/anvil/penalty.c \
	src/anvil/protocol.h src/anvil/proxies.c src/anvil/sessions.c
anvil_LDADD = $(LIB_SETTINGS) $(LIB_SERVICE)
libsettings_a_SOURCES += src/anvil/preset.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/anvil/test_anvil
tests_unit_anvil_test_anvil_SOURCES = \
	tests/unit/anvil/test_anvil.c src/anvil/penalty.c src/anvil/sessions.c
tests_unit_anvil_test_anvil_LDADD = $(LIB_BASE) $(CMOCKA_LIBS)
endif
