# SPDX-License-Identifier: MIT
pkglibexec_PROGRAMS += anvil
anvil_SOURCES = \
	src/anvil/anvil.h src/anvil/main.c src/anvil/penalty.c \
	src/anvil/protocol.h src/anvil/sessions.c
anvil_LDADD = $(LIB_SETTINGS) $(LIB_SERVICE)
libsettings_a_SOURCES += src/anvil/preset.c
