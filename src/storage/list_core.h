/* SPDX-License-Identifier: MIT */
/*
 * storage/list_core.h - matching names against LIST's patterns.
 */
#ifndef STORAGE_LIST_CORE_H
#define STORAGE_LIST_CORE_H
#include <stdbool.h>

struct list_name {
	const char *text;
	char separator;
	bool inbox; /* it is INBOX or below it: the first level in any case */
};

bool list_match(const char *pattern, const struct list_name *name);

/* As in names of mailbox {} blocks and settings of plugins: `*` is any number
 * of octets, separators too, `?` one. */
bool wildcard_match(const char *pattern, const char *name);

#endif
