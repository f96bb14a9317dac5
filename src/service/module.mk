# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libservice.a
libservice_a_SOURCES = \
	src/service/account.c src/service/account.h \
	src/service/alone.c \
	src/service/anvil.c src/service/anvil.h \
	src/service/auth_lookup.c src/service/auth_master.c \
	src/service/auth_master.h src/service/auth_master_line.c \
	src/service/auth_master_line.h \
	src/service/channel.c src/service/env.h \
	src/service/dict.c src/service/dict.h \
	src/service/handover.c src/service/handover.h \
	src/service/haproxy.c src/service/haproxy.h \
	src/service/manager.c src/service/manager.h \
	src/service/manager_link.c src/service/manager_pool.c \
	src/service/manager_wait.c \
	src/service/peers.c src/service/peers.h \
	src/service/privs.c src/service/privs.h src/service/privs_internal.h \
	src/service/process.c src/service/program.c src/service/program.h \
	src/service/run.c src/service/sandbox.c \
	src/service/serve.c src/service/service.h \
	src/service/smtp_client.c src/service/smtp_client.h \
	src/service/smtp_client_internal.h src/service/smtp_client_reply.c \
	src/service/smtp_client_send.c \
	src/service/template.c \
	src/service/title.c src/service/wire.h src/service/worker.c \
	src/service/zygote.c
libsettings_a_SOURCES += src/service/settings.c src/service/settings.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/service/test_program \
	tests/unit/service/test_wire
tests_unit_service_test_program_SOURCES = tests/unit/service/test_program.c
tests_unit_service_test_program_LDADD = $(LIB_SETTINGS) $(LIB_SERVICE) \
	$(CMOCKA_LIBS)
tests_unit_service_test_wire_SOURCES = tests/unit/service/test_wire.c
tests_unit_service_test_wire_LDADD = $(LIB_SETTINGS) $(LIB_SERVICE) \
	$(CMOCKA_LIBS)
noinst_PROGRAMS += tests/unit/service/toy
tests_unit_service_toy_SOURCES = tests/unit/service/toy.c
tests_unit_service_toy_LDADD = $(LIB_SETTINGS) $(LIB_SERVICE)
endif

# The fuzz target, and its corpus as a test.
check_PROGRAMS += tests/fuzz/service/replay_wire
tests_fuzz_service_replay_wire_SOURCES = tests/fuzz/service/fuzz_wire.c \
	tests/fuzz/replay.c
tests_fuzz_service_replay_wire_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCORPUS='"tests/fuzz/service/corpus"'
tests_fuzz_service_replay_wire_LDADD = $(LIB_SETTINGS) $(LIB_SERVICE)
if FUZZING
noinst_PROGRAMS += tests/fuzz/service/fuzz_wire
tests_fuzz_service_fuzz_wire_SOURCES = tests/fuzz/service/fuzz_wire.c
tests_fuzz_service_fuzz_wire_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_service_fuzz_wire_LDADD = $(LIB_SETTINGS) $(LIB_SERVICE)
endif
EXTRA_DIST += tests/fuzz/service/corpus
