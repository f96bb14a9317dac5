/* SPDX-License-Identifier: MIT */
/*
 * storage/list_core.h - matching names against LIST's patterns.
 */
#ifndef STORAGE_LIST_CORE_H
#define STORAGE_LIST_CORE_H
#include <stdbool.h>
#include <stdint.h>

struct list_name {
	const char *text;
	char separator;
	bool inbox; /* it is INBOX or below it: the first level in any case */
};

/* Takes what it costs from *steps, and gives up when there are none left. */
bool list_match(const char *pattern, const struct list_name *name,
		uint64_t *steps);
/* The same pattern without wildcards that others stand for already: "*%*%" is
 * "*". In place. */
void list_pattern_simplify(char *pattern);

/* As in names of mailbox {} blocks and settings of plugins: `*` is any number
 * of octets, separators too, `?` one. */
bool wildcard_match(const char *pattern, const char *name);

#endif
