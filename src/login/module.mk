# SPDX-License-Identifier: MIT
pkglibexec_PROGRAMS += imap-login
login_common = \
	src/login/auth_client.c src/login/auth_client.h \
	src/login/client.c src/login/client.h \
	src/login/log.c \
	src/login/post_login.c src/login/post_login.h \
	src/login/sasl.c \
	src/login/settings.h
imap_login_SOURCES = $(login_common) src/login/imap.c src/login/main_imap.c
imap_login_LDADD = $(LIB_SETTINGS) $(LIB_SERVICE)
libsettings_a_SOURCES += src/login/settings.c
