# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libscripts.a
libscripts_a_SOURCES = \
	src/scripts/active.c \
	src/scripts/location.c src/scripts/location.h \
	src/scripts/manage.c \
	src/scripts/scripts.c src/scripts/scripts.h \
	src/scripts/settings.c src/scripts/settings.h \
	src/scripts/store.c src/scripts/store.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/scripts/test_scripts tests/crash/test_scripts
tests_crash_test_scripts_SOURCES = tests/crash/test_scripts.c \
	tests/crash/calls.c tests/crash/calls.h \
	tests/crash/fault.c tests/crash/fault.h \
	tests/crash/disk.c tests/crash/disk.h \
	tests/unit/storage/fixture.c tests/unit/storage/fixture.h
tests_crash_test_scripts_LDADD = $(CMOCKA_LIBS) $(LIB_SETTINGS) \
	$(LIB_SCRIPT) $(LIB_SERVICE) -ldl
tests_unit_scripts_test_scripts_SOURCES = \
	tests/unit/scripts/test_scripts.c \
	tests/unit/storage/fixture.c tests/unit/storage/fixture.h
tests_unit_scripts_test_scripts_LDADD = $(CMOCKA_LIBS) $(LIB_SETTINGS) \
	$(LIB_SCRIPT) $(LIB_SERVICE)
endif
