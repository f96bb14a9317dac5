/* SPDX-License-Identifier: MIT */
/*
 * mime/icu.h - the functions of ICU that are used. Programs that serve are
 * linked with it; those that a person starts, and that seldom need it, have
 * icu_load.c among their sources, as it takes half a millisecond to load.
 */
#ifndef MIME_ICU_H
#define MIME_ICU_H
#include <unicode/uchar.h>
#include <unicode/ucnv.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

/* Their names are macros: with ICU's version at the end. */
#define ICU_FUNCTIONS(X)                                                       \
	X(ucnv_open)                                                           \
	X(ucnv_close)                                                          \
	X(ucnv_reset)                                                          \
	X(ucnv_toUnicode)                                                      \
	X(u_strFromUTF8WithSub)                                                \
	X(u_strFoldCase)                                                       \
	X(u_totitle)                                                           \
	X(unorm2_getNFKDInstance)                                              \
	X(unorm2_getDecomposition)                                             \
	X(unorm2_hasBoundaryBefore)                                            \
	X(unorm2_normalize)

#define ICU_MEMBER(name) __typeof__(name) *name;
struct icu {
	ICU_FUNCTIONS(ICU_MEMBER)
};

/* Ends the process if there is none. */
const struct icu *icu(void);

#endif
