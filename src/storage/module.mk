# SPDX-License-Identifier: MIT
include src/storage/maildir/module.mk
include src/storage/mbox/module.mk

noinst_LIBRARIES += libstorage.a
libstorage_a_SOURCES = \
	src/storage/attribute.c src/storage/attribute.h \
	src/storage/autoexpunge.c \
	src/storage/cache_policy.c src/storage/cache_policy.h \
	src/storage/copy.c \
	src/storage/control_file.c src/storage/control_file.h \
	src/storage/core.h \
	src/storage/dotlock.c src/storage/dotlock.h \
	src/storage/driver.h \
	src/storage/expunge.c \
	src/storage/flags.c \
	src/storage/forest.c src/storage/forest.h \
	src/storage/intern.c src/storage/intern.h \
	src/storage/guid_names.c src/storage/guid_names.h \
	src/storage/keywords.c \
	src/storage/lazy.c \
	src/storage/layout.c src/storage/layout.h \
	src/storage/layout_broken.c \
	src/storage/history.c \
	src/storage/list.c src/storage/list.h \
	src/storage/list_core.h src/storage/list_match.c \
	src/storage/location.c \
	src/storage/mail.c src/storage/mail.h \
	src/storage/mail_sort.c \
	src/storage/mailbox.c src/storage/mailbox.h \
	src/storage/names.c \
	src/storage/namespace.c \
	src/storage/object_id.c \
	src/storage/order.c src/storage/order.h \
	src/storage/place.c src/storage/place.h \
	src/storage/pop3.c \
	src/storage/quota.c src/storage/quota.h src/storage/quota_core.h \
	src/storage/quota_rule.c src/storage/quota_rule.h \
	src/storage/quota_settings.c \
	src/storage/quota_usage.c \
	src/storage/reader.c src/storage/reader.h \
	src/storage/resync.c src/storage/rights.c src/storage/rights.h \
	src/storage/row.c \
	src/storage/save.c src/storage/save.h \
	src/storage/save_cache.c src/storage/save_core.h \
	src/storage/search.c src/storage/search.h \
	src/storage/search_core.h src/storage/search_match.c \
	src/storage/settle.c src/storage/settle.h \
	src/storage/sort.c src/storage/sort.h \
	src/storage/sort_value.c src/storage/sort_value.h \
	src/storage/status.c \
	src/storage/statuses.c \
	src/storage/storage.h \
	src/storage/store.c \
	src/storage/stream.c \
	src/storage/subscriptions.c \
	src/storage/sync.c \
	src/storage/text.c \
	src/storage/thread.c src/storage/thread.h src/storage/thread_core.h \
	src/storage/thread_references.c src/storage/thread_subject.c \
	src/storage/thread_tree.c \
	src/storage/tree.c \
	src/storage/update.c \
	src/storage/user.c src/storage/user.h \
	src/storage/view.c
man_MANS += doc/man/dovetail-quota.7
libsettings_a_SOURCES += src/storage/settings.c

if HAVE_CMOCKA
check_PROGRAMS += \
	tests/crash/test_concurrent \
	tests/crash/test_fault \
	tests/crash/test_kill \
	tests/unit/storage/test_cache \
	tests/crash/test_kill_calls \
	tests/crash/test_mbox_full \
	tests/crash/test_mbox_journal \
	tests/crash/test_move \
	tests/crash/test_power \
	tests/unit/storage/test_attribute \
	tests/unit/storage/test_copy \
	tests/unit/storage/test_growth \
	tests/unit/storage/test_history \
	tests/unit/storage/test_expunge \
	tests/unit/storage/test_layout \
	tests/unit/storage/test_list \
	tests/unit/storage/test_list_match \
	tests/unit/storage/test_location \
	tests/unit/storage/test_namespace \
	tests/unit/storage/test_place \
	tests/unit/storage/test_quota \
	tests/unit/storage/test_quota_rule \
	tests/unit/storage/test_rebuild \
	tests/unit/storage/test_save \
	tests/unit/storage/test_search \
	tests/unit/storage/test_statuses \
	tests/unit/storage/test_sort \
	tests/unit/storage/test_stream \
	tests/unit/storage/test_sync \
	tests/unit/storage/test_thread
STORAGE_FIXTURE = tests/unit/storage/fixture.c tests/unit/storage/fixture.h
STORAGE_TEST_LIBS = $(LIB_STORAGE) $(LIB_SETTINGS) $(LIB_SERVICE) \
	$(LIB_CONFIG) \
	$(CMOCKA_LIBS)
noinst_PROGRAMS += tests/unit/storage/bench_storage
tests_unit_storage_bench_storage_SOURCES = \
	tests/unit/storage/bench_storage.c $(STORAGE_FIXTURE)
tests_unit_storage_bench_storage_LDADD = $(STORAGE_TEST_LIBS)
tests_crash_test_concurrent_SOURCES = tests/crash/test_concurrent.c \
	$(STORAGE_FIXTURE)
tests_crash_test_concurrent_LDADD = $(STORAGE_TEST_LIBS)
CRASH_FIXTURE = tests/crash/calls.c tests/crash/calls.h \
	tests/crash/told.c tests/crash/told.h \
	tests/crash/told_work.c tests/crash/told_work.h $(STORAGE_FIXTURE)
tests_crash_test_fault_SOURCES = tests/crash/test_fault.c $(CRASH_FIXTURE)
tests_crash_test_fault_LDADD = $(STORAGE_TEST_LIBS)
tests_crash_test_kill_SOURCES = tests/crash/test_kill.c $(STORAGE_FIXTURE)
tests_crash_test_kill_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_cache_SOURCES = tests/unit/storage/test_cache.c \
	$(STORAGE_FIXTURE)
tests_unit_storage_test_cache_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_growth_SOURCES = tests/unit/storage/test_growth.c \
	$(STORAGE_FIXTURE)
tests_unit_storage_test_growth_LDADD = $(STORAGE_TEST_LIBS)
tests_crash_test_kill_calls_SOURCES = tests/crash/test_kill_calls.c \
	$(CRASH_FIXTURE)
tests_crash_test_kill_calls_LDADD = $(STORAGE_TEST_LIBS)
tests_crash_test_mbox_full_SOURCES = tests/crash/test_mbox_full.c \
	$(STORAGE_FIXTURE)
tests_crash_test_mbox_full_LDADD = $(STORAGE_TEST_LIBS)
tests_crash_test_mbox_journal_SOURCES = tests/crash/test_mbox_journal.c \
	tests/crash/calls.c tests/crash/calls.h $(STORAGE_FIXTURE)
tests_crash_test_mbox_journal_LDADD = $(STORAGE_TEST_LIBS)
tests_crash_test_move_SOURCES = tests/crash/test_move.c \
	tests/crash/calls.c tests/crash/calls.h $(STORAGE_FIXTURE)
tests_crash_test_move_LDADD = $(STORAGE_TEST_LIBS)
tests_crash_test_power_SOURCES = tests/crash/test_power.c \
	tests/crash/disk.c tests/crash/disk.h $(CRASH_FIXTURE)
tests_crash_test_power_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_attribute_SOURCES = \
	tests/unit/storage/test_attribute.c $(STORAGE_FIXTURE)
tests_unit_storage_test_attribute_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_copy_SOURCES = tests/unit/storage/test_copy.c \
	$(STORAGE_FIXTURE)
tests_unit_storage_test_copy_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_history_SOURCES = tests/unit/storage/test_history.c \
	$(STORAGE_FIXTURE)
tests_unit_storage_test_history_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_expunge_SOURCES = \
	tests/unit/storage/test_expunge.c $(STORAGE_FIXTURE)
tests_unit_storage_test_expunge_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_layout_SOURCES = tests/unit/storage/test_layout.c \
	$(STORAGE_FIXTURE)
tests_unit_storage_test_layout_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_list_SOURCES = tests/unit/storage/test_list.c \
	$(STORAGE_FIXTURE)
tests_unit_storage_test_list_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_list_match_SOURCES = \
	tests/unit/storage/test_list_match.c
tests_unit_storage_test_list_match_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_location_SOURCES = \
	tests/unit/storage/test_location.c $(STORAGE_FIXTURE)
tests_unit_storage_test_location_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_namespace_SOURCES = \
	tests/unit/storage/test_namespace.c $(STORAGE_FIXTURE)
tests_unit_storage_test_namespace_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_place_SOURCES = tests/unit/storage/test_place.c
tests_unit_storage_test_place_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_quota_SOURCES = tests/unit/storage/test_quota.c \
	$(STORAGE_FIXTURE)
tests_unit_storage_test_quota_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_quota_rule_SOURCES = \
	tests/unit/storage/test_quota_rule.c
tests_unit_storage_test_quota_rule_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_rebuild_SOURCES = tests/unit/storage/test_rebuild.c \
	$(STORAGE_FIXTURE)
tests_unit_storage_test_rebuild_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_save_SOURCES = tests/unit/storage/test_save.c \
	$(STORAGE_FIXTURE)
tests_unit_storage_test_save_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_search_SOURCES = tests/unit/storage/test_search.c \
	$(STORAGE_FIXTURE)
tests_unit_storage_test_search_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_statuses_SOURCES = \
	tests/unit/storage/test_statuses.c $(STORAGE_FIXTURE)
tests_unit_storage_test_statuses_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_sort_SOURCES = \
	tests/unit/storage/test_sort.c $(STORAGE_FIXTURE)
tests_unit_storage_test_sort_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_stream_SOURCES = tests/unit/storage/test_stream.c \
	$(STORAGE_FIXTURE)
tests_unit_storage_test_stream_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_sync_SOURCES = tests/unit/storage/test_sync.c \
	$(STORAGE_FIXTURE)
tests_unit_storage_test_sync_LDADD = $(STORAGE_TEST_LIBS)
tests_unit_storage_test_thread_SOURCES = \
	tests/unit/storage/test_thread.c $(STORAGE_FIXTURE)
tests_unit_storage_test_thread_LDADD = $(STORAGE_TEST_LIBS)
endif
