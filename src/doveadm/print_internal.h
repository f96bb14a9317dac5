/* SPDX-License-Identifier: MIT */
/*
 * doveadm/print_internal.h - what print.c and the formatters share.
 */
#ifndef DOVEADM_PRINT_INTERNAL_H
#define DOVEADM_PRINT_INTERNAL_H
#include <stddef.h>

#include "doveadm/print.h"

enum { PRINT_COLUMNS_MAX = 32 };

struct column {
	const char *key, *title;
	unsigned flags;
	const char *sticky; /* its value; NULL until set */
	size_t width;       /* table */
};

struct print_format {
	const char *name;
	/* Each may be NULL. `values` has one text per column. */
	void (*begin)(struct printer *printer);
	void (*row)(struct printer *printer, const char *const *values);
	void (*flush)(struct printer *printer);
	void (*end)(struct printer *printer);
};

struct printer {
	FILE *out;
	const struct print_format *format;
	const char *template;
	struct column columns[PRINT_COLUMNS_MAX];
	unsigned count;
	const char *values[PRINT_COLUMNS_MAX]; /* of the row under way */
	unsigned filled;                       /* the column to fill next */
	bool begun;
	unsigned long rows; /* written or held back */
	/* Table: rows that are held back to measure them. */
	const char ***held;
	size_t held_count;
	bool measured;
};

/* True if every column hides its title. */
bool print_titles_hidden(const struct printer *printer);

extern const struct print_format print_table;
extern const struct print_format print_json;

#endif
