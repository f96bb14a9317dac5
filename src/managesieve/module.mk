# SPDX-License-Identifier: MIT
pkglibexec_PROGRAMS += managesieve
managesieve_SOURCES = \
	src/managesieve/main.c \
	src/managesieve/manage.c \
	src/managesieve/session.c src/managesieve/session.h \
	src/managesieve/store.c
managesieve_LDADD = libsession.a $(LIB_SETTINGS) $(LIB_SCRIPT) $(LIB_SERVICE)
libsettings_a_SOURCES += src/managesieve/settings.c src/managesieve/settings.h

# What is announced before login: made from the engine's own list.
noinst_PROGRAMS += gen-extensions
gen_extensions_SOURCES = src/managesieve/gen_extensions.c
gen_extensions_LDADD = $(LIB_SIEVE)
nodist_libsettings_a_SOURCES = src/managesieve/extensions.h
BUILT_SOURCES += src/managesieve/extensions.h
CLEANFILES += src/managesieve/extensions.h
src/managesieve/settings.$(OBJEXT): src/managesieve/extensions.h
src/managesieve/extensions.h: gen-extensions$(EXEEXT)
	$(AM_V_GEN)./gen-extensions$(EXEEXT) >$@.tmp && \
		mv $@.tmp $@
