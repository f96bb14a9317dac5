# SPDX-License-Identifier: MIT
noinst_LIBRARIES += libnet.a
libnet_a_SOURCES = \
	src/net/conn.c src/net/conn.h src/net/conn_internal.h \
	src/net/conn_io.c src/net/conn_join.c src/net/conn_tls.c \
	src/net/frame.c \
	src/net/loop.c src/net/loop.h src/net/loop_internal.h \
	src/net/notify.c src/net/rawlog.c src/net/rawlog.h \
	src/net/sock.c src/net/sock.h \
	src/net/tls.c src/net/tls.h src/net/tls_internal.h
libsettings_a_SOURCES += src/net/settings.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/net/test_loop tests/unit/net/test_sock \
	tests/unit/net/test_conn tests/unit/net/test_tls
tests_unit_net_test_loop_SOURCES = tests/unit/net/test_loop.c
tests_unit_net_test_loop_LDADD = $(LIB_NET) $(CMOCKA_LIBS)
tests_unit_net_test_sock_SOURCES = tests/unit/net/test_sock.c
tests_unit_net_test_sock_LDADD = $(LIB_NET) $(CMOCKA_LIBS)
tests_unit_net_test_conn_SOURCES = tests/unit/net/test_conn.c
tests_unit_net_test_conn_LDADD = $(LIB_NET) $(CMOCKA_LIBS)
tests_unit_net_test_tls_SOURCES = tests/unit/net/test_tls.c
tests_unit_net_test_tls_LDADD = $(LIB_NET) $(CMOCKA_LIBS)
endif
