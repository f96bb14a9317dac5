/* SPDX-License-Identifier: MIT */
/*
 * doveadm/mask.c - after a mismatch only the last star is tried again: what
 * matched before it cannot matter any more.
 */
#include "doveadm/mask.h"

#include <string.h>

bool mask_match(const char *mask, const char *text)
{
	const char *star = NULL, *retry = NULL;

	while (*text != '\0') {
		if (*mask == '*') {
			star = mask++;
			retry = text;
		} else if (*mask == '?' || *mask == *text) {
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
