# SPDX-License-Identifier: MIT
# One message for one user: scripts, what they send, saving.
noinst_LIBRARIES += libdelivery.a
libdelivery_a_SOURCES = \
	src/delivery/address.c \
	src/delivery/deliver.c src/delivery/deliver.h \
	src/delivery/plugin_settings.c src/delivery/plugin_settings.h \
	src/delivery/reject.c src/delivery/reject.h \
	src/delivery/send.c src/delivery/send.h \
	src/delivery/send_program.c src/delivery/send_program.h \
	src/delivery/dupes.c src/delivery/dupes.h \
	src/delivery/filter.c src/delivery/filter.h \
	src/delivery/settings.h \
	src/delivery/sieve.h \
	src/delivery/sieve_calendar.c \
	src/delivery/sieve_carry.c \
	src/delivery/sieve_deliver.c \
	src/delivery/sieve_host.c \
	src/delivery/sieve_program.c \
	src/delivery/sieve_scripts.c \
	src/delivery/sieve_send.c \
	src/delivery/sieve_trace.c \
	src/delivery/spool.c src/delivery/spool.h \
	src/delivery/trace.c
libsettings_a_SOURCES += src/delivery/settings.c

if HAVE_CMOCKA
DELIVERY_TESTS = tests/crash/test_actions \
	tests/unit/delivery/test_carry tests/unit/delivery/test_deliver \
	tests/unit/delivery/test_dupes tests/unit/delivery/test_filter \
	tests/unit/delivery/test_reject \
	tests/unit/delivery/test_send
DELIVERY_TEST_LIBS = $(LIB_DELIVERY) $(CMOCKA_LIBS)
check_PROGRAMS += $(DELIVERY_TESTS)
tests_crash_test_actions_SOURCES = tests/crash/test_actions.c \
	tests/crash/calls.c tests/crash/calls.h \
	tests/crash/fault.c tests/crash/fault.h \
	tests/unit/storage/fixture.c tests/unit/storage/fixture.h
tests_crash_test_actions_LDFLAGS = $(HOST_LDFLAGS)
tests_crash_test_actions_LDADD = $(DELIVERY_TEST_LIBS) -ldl
tests_unit_delivery_test_carry_SOURCES = tests/unit/delivery/test_carry.c \
	tests/unit/storage/fixture.c tests/unit/storage/fixture.h
tests_unit_delivery_test_carry_LDADD = $(DELIVERY_TEST_LIBS)
tests_unit_delivery_test_deliver_SOURCES = tests/unit/delivery/test_deliver.c
tests_unit_delivery_test_deliver_LDADD = $(DELIVERY_TEST_LIBS)
tests_unit_delivery_test_dupes_SOURCES = tests/unit/delivery/test_dupes.c
tests_unit_delivery_test_dupes_LDADD = $(DELIVERY_TEST_LIBS)
tests_unit_delivery_test_filter_SOURCES = tests/unit/delivery/test_filter.c \
	tests/unit/storage/fixture.c tests/unit/storage/fixture.h
tests_unit_delivery_test_filter_LDADD = $(DELIVERY_TEST_LIBS)
tests_unit_delivery_test_reject_SOURCES = tests/unit/delivery/test_reject.c
tests_unit_delivery_test_reject_LDADD = $(DELIVERY_TEST_LIBS)
tests_unit_delivery_test_send_SOURCES = tests/unit/delivery/test_send.c
tests_unit_delivery_test_send_LDADD = $(DELIVERY_TEST_LIBS)
endif
