# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libsieve.a
libsieve_a_SOURCES = \
	src/sieve/action.h \
	src/sieve/address.c \
	src/sieve/answer.c \
	src/sieve/arena.c src/sieve/arena.h \
	src/sieve/build.c \
	src/sieve/calendar.h \
	src/sieve/check.c src/sieve/check.h \
	src/sieve/check_args.c \
	src/sieve/check_vars.c \
	src/sieve/check_words.c \
	src/sieve/code.h \
	src/sieve/compile.h \
	src/sieve/dump.c \
	src/sieve/dump_hex.c \
	src/sieve/emit.c src/sieve/emit.h \
	src/sieve/table.c \
	src/sieve/engine.c src/sieve/engine.h \
	src/sieve/ext.h \
	src/sieve/grammar.c src/sieve/grammar.h \
	src/sieve/host.h \
	src/sieve/lexer.c \
	src/sieve/machine.c src/sieve/machine.h \
	src/sieve/mail_field.c \
	src/sieve/mail_out.c src/sieve/mail_out.h \
	src/sieve/mailto.c src/sieve/mailto.h \
	src/sieve/match.c src/sieve/match.h \
	src/sieve/message.c src/sieve/message.h \
	src/sieve/notification.c \
	src/sieve/operand.c \
	src/sieve/outgoing.c src/sieve/outgoing.h \
	src/sieve/parse.h \
	src/sieve/part.c src/sieve/part.h \
	src/sieve/pattern.c src/sieve/pattern.h \
	src/sieve/program.c src/sieve/program.h \
	src/sieve/result.c src/sieve/result.h \
	src/sieve/run.h \
	src/sieve/script.h \
	src/sieve/settings.c \
	src/sieve/sieve.h \
	src/sieve/tree.c src/sieve/tree.h \
	src/sieve/usage.c \
	src/sieve/vars.c \
	$(sieve_extensions)
# A line for each extension, as in ext/list.c.
sieve_extensions = \
	src/sieve/ext/list.c src/sieve/ext/list.h \
	src/sieve/ext/include.c src/sieve/ext/regex.c \
	src/sieve/ext/base_actions.c \
	src/sieve/ext/base_control.c \
	src/sieve/ext/base_tests.c \
	src/sieve/ext/body.c \
	src/sieve/ext/comparator_ascii_casemap.c \
	src/sieve/ext/comparator_ascii_numeric.c \
	src/sieve/ext/comparator_octet.c \
	src/sieve/ext/comparator_unicode_casemap.c \
	src/sieve/ext/copy.c \
	src/sieve/ext/date.c \
	src/sieve/ext/debug.c \
	src/sieve/ext/duplicate.c \
	src/sieve/ext/editheader.c \
	src/sieve/ext/encoded_character.c \
	src/sieve/ext/enotify.c src/sieve/ext/enotify.h \
	src/sieve/ext/envelope.c \
	src/sieve/ext/environment.c \
	src/sieve/ext/extlists.c \
	src/sieve/ext/extprograms.c \
	src/sieve/ext/extracttext.c \
	src/sieve/ext/fcc.c \
	src/sieve/ext/fileinto.c \
	src/sieve/ext/foreverypart.c src/sieve/ext/foreverypart.h \
	src/sieve/ext/ihave.c \
	src/sieve/ext/imap4flags.c src/sieve/ext/imap4flags.h \
	src/sieve/ext/imapflags.c \
	src/sieve/ext/imapsieve.c \
	src/sieve/ext/index.c \
	src/sieve/ext/mailbox.c \
	src/sieve/ext/mailboxid.c \
	src/sieve/ext/notify.c \
	src/sieve/ext/metadata.c \
	src/sieve/ext/mime.c \
	src/sieve/ext/redirect_dsn.c \
	src/sieve/ext/reject.c \
	src/sieve/ext/relational.c \
	src/sieve/ext/replace.c \
	src/sieve/ext/processcalendar.c \
	src/sieve/ext/report.c \
	src/sieve/ext/spamtest.c \
	src/sieve/ext/special_use.c \
	src/sieve/ext/subaddress.c \
	src/sieve/ext/vacation.c src/sieve/ext/vacation.h \
	src/sieve/ext/variables.c
EXTRA_DIST += src/sieve/grammar.y src/sieve/lexer.l
BUILT_SOURCES += src/sieve/grammar.h
MAINTAINERCLEANFILES += src/sieve/grammar.c src/sieve/grammar.h \
	src/sieve/lexer.c
src/sieve/lexer.$(OBJEXT): src/sieve/grammar.h
src/sieve/grammar.c: src/sieve/grammar.y
	$(AM_V_GEN)$(MKDIR_P) src/sieve && \
		$(BISON) -d -o $@ '$(srcdir)/src/sieve/grammar.y'
src/sieve/grammar.h: src/sieve/grammar.c
	@test -f $@ || { rm -f src/sieve/grammar.c; \
		$(MAKE) $(AM_MAKEFLAGS) src/sieve/grammar.c; }
src/sieve/lexer.c: src/sieve/lexer.l
	$(AM_V_GEN)$(MKDIR_P) src/sieve && \
		$(FLEX) -o $@ '$(srcdir)/src/sieve/lexer.l'

# A library for tests, for all others a module.
sieve_calendar = src/sieve/calendar.c src/sieve/calendar_file.h \
	src/sieve/calendar_itip.c
noinst_LIBRARIES += libcalendar.a
libcalendar_a_SOURCES = $(sieve_calendar)
LIB_CALENDAR = libcalendar.a $(ICAL_LIBS) $(LIB_SIEVE)
pkglibexec_PROGRAMS += sieve-calendar.so
sieve_calendar_so_SOURCES = $(sieve_calendar)
sieve_calendar_so_CFLAGS = $(MODULE_CFLAGS)
sieve_calendar_so_LDFLAGS = $(MODULE_LDFLAGS)
sieve_calendar_so_LDADD = $(ICAL_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/sieve/test_script tests/unit/sieve/test_ext
tests_unit_sieve_test_script_SOURCES = tests/unit/sieve/test_script.c \
	tests/unit/sieve/script.c tests/unit/sieve/script.h
tests_unit_sieve_test_script_LDADD = $(LIB_SIEVE) $(CMOCKA_LIBS)
tests_unit_sieve_test_ext_SOURCES = tests/unit/sieve/test_ext.c \
	tests/unit/sieve/script.c tests/unit/sieve/script.h
tests_unit_sieve_test_ext_LDADD = $(LIB_SIEVE) $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/sieve/test_binary tests/unit/sieve/test_message
tests_unit_sieve_test_message_SOURCES = tests/unit/sieve/test_message.c
tests_unit_sieve_test_message_LDADD = $(LIB_SIEVE) $(CMOCKA_LIBS)
tests_unit_sieve_test_binary_SOURCES = tests/unit/sieve/test_binary.c
tests_unit_sieve_test_binary_LDADD = $(LIB_SIEVE) $(CMOCKA_LIBS)
endif

# The fuzz targets, and their corpora as a test.
check_PROGRAMS += tests/fuzz/sieve/replay_script \
	tests/fuzz/sieve/replay_program tests/fuzz/sieve/replay_calendar
tests_fuzz_sieve_replay_calendar_SOURCES = tests/fuzz/sieve/fuzz_calendar.c \
	tests/fuzz/replay.c
tests_fuzz_sieve_replay_calendar_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCORPUS='"tests/fuzz/sieve/calendar"'
tests_fuzz_sieve_replay_calendar_LDADD = $(LIB_CALENDAR)
tests_fuzz_sieve_replay_script_SOURCES = tests/fuzz/sieve/fuzz_script.c \
	tests/fuzz/sieve/sieve_run.h tests/fuzz/replay.c
tests_fuzz_sieve_replay_script_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCORPUS='"tests/fuzz/sieve/script"'
tests_fuzz_sieve_replay_script_LDADD = $(LIB_SIEVE)
tests_fuzz_sieve_replay_program_SOURCES = tests/fuzz/sieve/fuzz_program.c \
	tests/fuzz/sieve/sieve_run.h tests/fuzz/replay.c
tests_fuzz_sieve_replay_program_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCORPUS='"tests/fuzz/sieve/program"'
tests_fuzz_sieve_replay_program_LDADD = $(LIB_SIEVE)
if FUZZING
noinst_PROGRAMS += tests/fuzz/sieve/fuzz_script \
	tests/fuzz/sieve/fuzz_program tests/fuzz/sieve/fuzz_calendar
tests_fuzz_sieve_fuzz_calendar_SOURCES = tests/fuzz/sieve/fuzz_calendar.c
tests_fuzz_sieve_fuzz_calendar_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_sieve_fuzz_calendar_LDADD = $(LIB_CALENDAR)
tests_fuzz_sieve_fuzz_script_SOURCES = tests/fuzz/sieve/fuzz_script.c
tests_fuzz_sieve_fuzz_script_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_sieve_fuzz_script_LDADD = $(LIB_SIEVE)
tests_fuzz_sieve_fuzz_program_SOURCES = tests/fuzz/sieve/fuzz_program.c
tests_fuzz_sieve_fuzz_program_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_sieve_fuzz_program_LDADD = $(LIB_SIEVE)
endif
EXTRA_DIST += tests/fuzz/sieve
