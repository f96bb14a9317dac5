# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	src/base/buf.c src/base/buf.h \
	src/base/cleanup.c src/base/cleanup.h \
	src/base/digest.c src/base/digest.h \
	src/base/duration.c src/base/duration.h \
	src/base/encode.c src/base/encode.h \
	src/base/err.c src/base/err.h \
	src/base/file.c src/base/file.h src/base/file_path.c \
	src/base/ip.c src/base/ip.h \
	src/base/log.c src/base/log.h \
	src/base/mask.c src/base/mask.h \
	src/base/mem.c src/base/mem.h \
	src/base/module.c src/base/module.h \
	src/base/pack.c src/base/pack.h \
	src/base/range.c src/base/range.h \
	src/base/str.c src/base/str.h src/base/str_escape.c \
	src/base/str_near.c \
	src/base/utf8.c

if HAVE_CMOCKA
base_tests = \
	tests/unit/base/test_buf \
	tests/unit/base/test_digest \
	tests/unit/base/test_encode \
	tests/unit/base/test_file \
	tests/unit/base/test_ip \
	tests/unit/base/test_log \
	tests/unit/base/test_mask \
	tests/unit/base/test_pack \
	tests/unit/base/test_range \
	tests/unit/base/test_str
check_PROGRAMS += $(base_tests)
base_test_libs = $(LIB_BASE) $(CMOCKA_LIBS)
tests_unit_base_test_buf_LDADD = $(base_test_libs)
tests_unit_base_test_digest_LDADD = $(base_test_libs)
tests_unit_base_test_encode_LDADD = $(base_test_libs)
tests_unit_base_test_file_LDADD = $(base_test_libs)
tests_unit_base_test_ip_LDADD = $(base_test_libs)
tests_unit_base_test_log_LDADD = $(base_test_libs)
tests_unit_base_test_mask_LDADD = $(base_test_libs)
tests_unit_base_test_pack_LDADD = $(base_test_libs)
tests_unit_base_test_range_LDADD = $(base_test_libs)
tests_unit_base_test_str_LDADD = $(base_test_libs)
endif
