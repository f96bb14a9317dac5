/* SPDX-License-Identifier: MIT */
/*
 * base/mask.h - masks of names, with * and ?.
 */
#ifndef BASE_MASK_H
#define BASE_MASK_H
#include <stdbool.h>

/* Takes a time of at most mask * text. */
bool mask_match(const char *mask, const char *text);
bool mask_match_any_case(const char *mask, const char *text);

#endif
