# SPDX-License-Identifier: MIT
# What all login processes share.
noinst_LIBRARIES += liblogin.a
liblogin_a_SOURCES = \
	src/login/auth_link.c src/login/auth_link.h \
	src/login/client.c src/login/client.h \
	src/login/handover_link.c src/login/handover_link.h \
	src/login/log.c \
	src/login/login.h \
	src/login/main.c \
	src/login/protocol.h \
	src/login/proxy.c src/login/proxy.h \
	src/login/proxy_hosts.c \
	src/login/proxy_list.c src/login/proxy_list.h \
	src/login/proxy_notify.c \
	src/login/proxy_sasl.c \
	src/login/proxy_source.c \
	src/login/referral.c \
	src/login/sasl.c \
	src/login/trusted.c \
	src/login/view.c
libsettings_a_SOURCES += src/login/settings.c src/login/settings.h

pkglibexec_PROGRAMS += imap-login managesieve-login pop3-login submission-login
imap_login_SOURCES = \
	src/login/imap.c src/login/imap.h \
	src/login/imap_id.c \
	src/login/imap_proxy.c \
	src/login/main_imap.c
imap_login_LDADD = liblogin.a $(LIB_SETTINGS) $(LIB_SERVICE)
managesieve_login_SOURCES = \
	src/login/main_managesieve.c \
	src/login/managesieve.c src/login/managesieve.h \
	src/login/managesieve_proxy.c
managesieve_login_LDADD = liblogin.a $(LIB_SETTINGS) $(LIB_SERVICE)
pop3_login_SOURCES = \
	src/login/main_pop3.c \
	src/login/pop3.c src/login/pop3.h \
	src/login/pop3_proxy.c
pop3_login_LDADD = liblogin.a $(LIB_SETTINGS) $(LIB_SERVICE)
submission_login_SOURCES = \
	src/login/main_submission.c \
	src/login/submission.c src/login/submission.h \
	src/login/submission_proxy.c
submission_login_LDADD = liblogin.a $(LIB_SETTINGS) $(LIB_SERVICE)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/login/test_log
tests_unit_login_test_log_SOURCES = tests/unit/login/test_log.c
tests_unit_login_test_log_LDADD = liblogin.a $(LIB_SETTINGS) $(LIB_SERVICE) \
	$(CMOCKA_LIBS)
endif
