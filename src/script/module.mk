# SPDX-License-Identifier: MIT
# Not at the top of the build: script/lint has its log there.
pkglibexec_PROGRAMS += src/script/script
src_script_script_SOURCES = src/script/main.c
src_script_script_LDADD = $(LIB_SETTINGS) $(LIB_SERVICE)
