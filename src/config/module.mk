# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libconfig.a
libconfig_a_SOURCES = \
	src/config/check.c \
	src/config/check_auth.c \
	src/config/config.h \
	src/config/files.c \
	src/config/filter.c \
	src/config/include.c \
	src/config/lines.c src/config/lines.h \
	src/config/load.c \
	src/config/obsolete.c src/config/obsolete.h \
	src/config/obsolete_auth.c \
	src/config/obsolete_service.c \
	src/config/parse.c src/config/parse.h \
	src/config/presets.c \
	src/config/read.c \
	src/config/seal.c \
	src/config/setting.c src/config/setting.h \
	src/config/setting_value.c \
	src/config/settings_list.h \
	src/config/suggest.c \
	src/config/tree.c src/config/tree.h \
	src/config/value.c \
	src/config/vars.c src/config/vars.h \
	src/config/vars_hash.c \
	src/config/vars_if.c \
	src/config/vars_internal.h

libsettings_a_SOURCES += \
	src/config/foreign.c \
	src/config/foreign_services.c

bin_PROGRAMS += doveconf
doveconf_SOURCES = \
	src/config/doveconf.c src/config/doveconf.h \
	src/config/doveconf_dump.c \
	src/config/doveconf_name.c \
	src/config/doveconf_secret.c
doveconf_LDADD = $(LIB_SETTINGS) $(LIB_CONFIG)

# Documentation that is made of the settings tables.
noinst_PROGRAMS += gen-settings
gen_settings_SOURCES = src/config/gen_settings.c
gen_settings_LDADD = $(LIB_SETTINGS) $(LIB_CONFIG)

man_MANS += doc/man/doveconf.1 doc/man/dovetail-settings.7
CLEANFILES += doc/man/dovetail-settings.7
doc/man/dovetail-settings.7: gen-settings$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) doc/man && ./gen-settings$(EXEEXT) man >$@.tmp && \
		mv $@.tmp $@

if HAVE_CMOCKA
check_PROGRAMS += \
	tests/unit/config/test_confd \
	tests/unit/config/test_load \
	tests/unit/config/test_setting \
	tests/unit/config/test_tables \
	tests/unit/config/test_vars
config_test_libs = $(LIB_CONFIG) $(CMOCKA_LIBS)
tests_unit_config_test_confd_LDADD = $(LIB_SETTINGS) $(config_test_libs)
tests_unit_config_test_load_LDADD = $(config_test_libs)
tests_unit_config_test_setting_LDADD = $(config_test_libs)
tests_unit_config_test_tables_LDADD = $(LIB_SETTINGS) $(config_test_libs)
tests_unit_config_test_vars_LDADD = $(config_test_libs)
endif

# The fuzz target, and its corpus as a test.
check_PROGRAMS += tests/fuzz/config/replay_config
tests_fuzz_config_replay_config_SOURCES = tests/fuzz/config/fuzz_config.c \
	tests/fuzz/replay.c
tests_fuzz_config_replay_config_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCORPUS='"tests/fuzz/config/corpus"'
tests_fuzz_config_replay_config_LDADD = $(LIB_SETTINGS) $(LIB_CONFIG)
if FUZZING
noinst_PROGRAMS += tests/fuzz/config/fuzz_config
tests_fuzz_config_fuzz_config_SOURCES = tests/fuzz/config/fuzz_config.c
tests_fuzz_config_fuzz_config_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_config_fuzz_config_LDADD = $(LIB_SETTINGS) $(LIB_CONFIG)
endif
EXTRA_DIST += tests/fuzz/config/corpus
