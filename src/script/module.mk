# SPDX-License-Identifier: MIT
pkglibexec_PROGRAMS += script
script_SOURCES = src/script/main.c
script_LDADD = $(LIB_SETTINGS) $(LIB_SERVICE)
