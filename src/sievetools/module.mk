# SPDX-License-Identifier: MIT
bin_PROGRAMS += sievec sieve-dump sieve-filter sieve-test sieve-import
sieve_tool = src/sievetools/tool.c src/sievetools/tool.h src/mime/icu_load.c
sievec = $(sieve_tool) src/sievetools/sievec.c src/sievetools/sievec.h
sievec_SOURCES = $(sievec) src/sievetools/main_sievec.c
sievec_LDADD = $(LIB_SETTINGS) $(LIB_SIEVE)
sieve_dump_SOURCES = $(sieve_tool) src/sievetools/main_dump.c
sieve_dump_LDADD = $(LIB_SETTINGS) $(LIB_SIEVE)
sieve_filter_SOURCES = $(sieve_tool) src/sievetools/owner.c \
	src/sievetools/print.c src/sievetools/main_filter.c
sieve_filter_LDFLAGS = $(HOST_LDFLAGS)
sieve_filter_LDADD = $(LIB_DELIVERY)
sieve_test = $(sieve_tool) src/sievetools/print.c \
	src/sievetools/test.c src/sievetools/test.h
sieve_test_SOURCES = $(sieve_test) src/sievetools/main_test.c
sieve_test_LDADD = $(LIB_SETTINGS) $(LIB_SIEVE)
# What is not needed without -e and -u takes longer to load than most scripts to
# run.
pkglibexec_PROGRAMS += sieve-tool
sieve_tool_SOURCES = $(sieve_test) src/sievetools/owner.c \
	src/sievetools/sievec.c src/sievetools/sievec.h \
	src/sievetools/main_tool.c
sieve_tool_LDFLAGS = $(HOST_LDFLAGS)
sieve_tool_LDADD = $(LIB_DELIVERY)
sieve_import_SOURCES = $(sieve_tool) src/sievetools/main_import.c \
	src/sievetools/import.c src/sievetools/import.h \
	src/sievetools/import_gmail.c \
	src/sievetools/import_procmail.c src/sievetools/import_procmail.h \
	src/sievetools/import_regex.c \
	src/sievetools/import_thunderbird.c src/sievetools/import_words.c
sieve_import_LDADD = $(LIB_SETTINGS) $(LIB_SIEVE)
man_MANS += doc/man/sievec.1 doc/man/sieve-dump.1 doc/man/sieve-filter.1 \
	doc/man/sieve-test.1 doc/man/sieve-import.1

# For tests only.
noinst_PROGRAMS += sieve-testsuite
TESTS += tests/sieve/run
EXTRA_DIST += tests/sieve
sieve_testsuite_SOURCES = $(sieve_tool) src/sievetools/print.c \
	src/sievetools/main_testsuite.c \
	src/sievetools/suite.c src/sievetools/suite.h \
	src/sievetools/suite_control.c \
	src/sievetools/suite_extension.c \
	src/sievetools/suite_host.c \
	src/sievetools/suite_result.c \
	src/sievetools/suite_store.c
sieve_testsuite_LDADD = $(LIB_SETTINGS) $(LIB_CALENDAR)
