/* SPDX-License-Identifier: MIT */
/*
 * doveadm/print.h - rows of values in the form that -f asks for.
 *
 * A command declares its columns, then gives values column after column; a row
 * is complete when every column that is not sticky has one.
 */
#ifndef DOVEADM_PRINT_H
#define DOVEADM_PRINT_H
#include <stdbool.h>
#include <stdio.h>

struct err;
struct printer;

enum { PRINT_COLUMNS_MAX = 64 };

enum {
	/* flow, pager and a table of such columns only show no title. */
	PRINT_HIDE_TITLE = 1 << 0,
	PRINT_RIGHT = 1 << 1,  /* table: numbers */
	PRINT_EXPAND = 1 << 2, /* table: gets room that is left */
	PRINT_STICKY = 1 << 3, /* set by print_sticky(), for all rows after */
};

/* `format` is flow, json, pager, tab or table, or a template with %{key} for
 * each row ("%{type}: %{text}\n"). NULL for an unknown name. Child of ctx. */
struct printer *print_new(const void *ctx, FILE *out, const char *format);
/* json uses `key`, the others `title`. Before the first value. */
void print_column(struct printer *printer, const char *key, const char *title,
		  unsigned flags);
/* Several, each with its key for a title: names up to a NULL. */
void print_columns(struct printer *printer, unsigned flags, ...)
	__attribute__((sentinel));
/* Write what stands before all rows, where it does not depend on them. */
void print_begin(struct printer *printer);
void print_value(struct printer *printer, const char *value);
/* Whether values may come in pieces: not in a table. */
bool print_takes_pieces(const struct printer *printer);
/* A value piece by piece, with any octets in it. */
void print_piece(struct printer *printer, const void *data, size_t len);
void print_piece_end(struct printer *printer);
void print_number(struct printer *printer, unsigned long long value);
void print_sticky(struct printer *printer, const char *key, const char *value);
/* Write what is held back to measure columns; their widths are fixed then. */
void print_flush(struct printer *printer);
/* From now on all values go to `out`, for another process that has the same
 * printer. */
void print_send(struct printer *printer, FILE *out);
/* Print what comes from there, up to its end. What is nothing that
 * print_send() can have written is ERR_CORRUPT. */
int print_receive(struct printer *printer, FILE *in, struct err *err);
/* The end of the output; frees. */
void print_end(struct printer **printer);

#endif
