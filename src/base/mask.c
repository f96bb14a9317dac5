/* SPDX-License-Identifier: MIT */
/*
 * base/mask.c - after a mismatch only the last star is tried again: what
 * matched before it cannot matter any more.
 */
#include "base/mask.h"

#include <ctype.h>
#include <string.h>

static bool match(const char *mask, const char *text, bool any_case)
{
	const char *star = NULL, *retry = NULL;

	while (*text != '\0') {
		if (*mask == '*') {
			star = mask++;
			retry = text;
		} else if (*mask == '?' || *mask == *text ||
			   (any_case &&
			    tolower((unsigned char)*mask) ==
				    tolower((unsigned char)*text))) {
			mask++;
			text++;
		} else if (star != NULL) {
			mask = star + 1;
			text = ++retry;
		} else {
			return false;
		}
	}
	return mask[strspn(mask, "*")] == '\0';
}

bool mask_match(const char *mask, const char *text)
{
	return match(mask, text, false);
}

bool mask_match_any_case(const char *mask, const char *text)
{
	return match(mask, text, true);
}
