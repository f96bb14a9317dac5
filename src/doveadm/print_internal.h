/* SPDX-License-Identifier: MIT */
/*
 * doveadm/print_internal.h - what print.c and the formatters share.
 */
#ifndef DOVEADM_PRINT_INTERNAL_H
#define DOVEADM_PRINT_INTERNAL_H
#include <stddef.h>

#include "base/str.h"
#include "doveadm/print.h"

struct column {
	const char *key, *title;
	unsigned flags;
	const char *sticky; /* its value; NULL until set */
	size_t width;       /* table */
};

struct print_format {
	const char *name;
	/* Each may be NULL. */
	void (*begin)(struct printer *printer);
	/* The value of column i of a row, as it comes; those that can do that
	 * take long ones in pieces, too. */
	void (*value)(struct printer *printer, unsigned i, const char *text);
	void (*piece_begin)(struct printer *printer, unsigned i);
	void (*piece)(struct printer *printer, struct str text);
	void (*piece_end)(struct printer *printer);
	void (*row_end)(struct printer *printer);
	/* Those that need a whole row: `values` has one text per column. */
	void (*row)(struct printer *printer, const char *const *values);
	void (*flush)(struct printer *printer);
	void (*end)(struct printer *printer);
};

struct printer {
	FILE *out;
	FILE *wire; /* of print_send() */
	const struct print_format *format;
	const char *template;
	struct column columns[PRINT_COLUMNS_MAX];
	unsigned count;
	const char *values[PRINT_COLUMNS_MAX]; /* of the row under way */
	unsigned filled;                       /* the column to fill next */
	bool in_pieces;                        /* it is being written */
	bool empty;                            /* so far */
	/* JSON: the start of a character whose rest is to come. */
	char cut[4];
	size_t cut_len;
	bool begun;
	unsigned long rows; /* written or held back */
	/* Table: rows that are held back to measure them. */
	const char ***held;
	size_t held_count;
	bool measured;
};

/* True if every column hides its title. */
bool print_titles_hidden(const struct printer *printer);

/* print_wire.c: what the functions of these names were given */
enum print_wire { WIRE_VALUE, WIRE_PIECE, WIRE_PIECE_END };

void wire_put(struct printer *printer, enum print_wire kind, struct str text);

extern const struct print_format print_table;
extern const struct print_format print_json;

#endif
