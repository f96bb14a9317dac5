/* SPDX-License-Identifier: MIT */
/*
 * doveadm/print.c - rows of values, and the simple formatters. What they write
 * is what Dovecot's doveadm writes.
 */
#include "doveadm/print.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/vars.h"
#include "doveadm/print_internal.h"

static bool hidden(const struct column *column)
{
	return (column->flags & PRINT_HIDE_TITLE) != 0;
}

bool print_titles_hidden(const struct printer *printer)
{
	for (unsigned i = 0; i < printer->count; i++) {
		if (!hidden(&printer->columns[i]))
			return false;
	}
	return true;
}

/* flow */

static void flow_title(struct printer *printer, unsigned i)
{
	if (i > 0)
		fputc(' ', printer->out);
	if (!hidden(&printer->columns[i]))
		fprintf(printer->out, "%s=", printer->columns[i].title);
}

static void flow_value(struct printer *printer, unsigned i, const char *text)
{
	flow_title(printer, i);
	fputs(text, printer->out);
}

static void raw_piece(struct printer *printer, struct str text)
{
	fwrite(text.data, 1, text.len, printer->out);
}

static void line_end(struct printer *printer)
{
	fputc('\n', printer->out);
}

/* pager */

static void pager_value(struct printer *printer, unsigned i, const char *text)
{
	if (i == 0 && printer->rows > 0)
		fputs("\f\n", printer->out);
	if (!hidden(&printer->columns[i]))
		fprintf(printer->out, "%s: ", printer->columns[i].title);
	fprintf(printer->out, "%s\n", text);
}

/* Rows that begin so have no form feed before them with Dovecot. */
static void pager_piece_begin(struct printer *printer, unsigned i)
{
	if (!hidden(&printer->columns[i]))
		fprintf(printer->out, "%s:\n", printer->columns[i].title);
}

/* tab */

static void tab_begin(struct printer *printer)
{
	for (unsigned i = 0; i < printer->count; i++) {
		if (i > 0)
			fputc('\t', printer->out);
		fputs(printer->columns[i].title, printer->out);
	}
	fputc('\n', printer->out);
}

static void tab_piece_begin(struct printer *printer, unsigned i)
{
	if (i > 0)
		fputc('\t', printer->out);
}

static void tab_value(struct printer *printer, unsigned i, const char *text)
{
	tab_piece_begin(printer, i);
	/* A tab or line end inside would look like another value. */
	for (; *text != '\0'; text++)
		fputc(strchr("\t\r\n", *text) != NULL ? ' ' : *text,
		      printer->out);
}

/* Dovecot's has this tab, too, behind what is not empty. */
static void tab_piece_end(struct printer *printer)
{
	if (!printer->empty)
		fputc('\t', printer->out);
}

/* templates */

static void template_row(struct printer *printer, const char *const *values)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "row");
	struct var vars[PRINT_COLUMNS_MAX + 1] = {{0}};
	struct err err;
	char *text;

	for (unsigned i = 0; i < printer->count; i++) {
		vars[i].name = printer->columns[i].key;
		vars[i].value = values[i];
	}
	if (vars_expand_anyway(ctx, printer->template, vars, &text, &err) < 0)
		log_error("Failed to expand %s: %s", printer->template,
			  err.text);
	fputs(text, printer->out);
}

static const struct print_format flow = {
	.name = "flow",
	.value = flow_value,
	.piece_begin = flow_title,
	.piece = raw_piece,
	.row_end = line_end,
};
static const struct print_format pager = {
	.name = "pager",
	.value = pager_value,
	.piece_begin = pager_piece_begin,
	.piece = raw_piece,
};
static const struct print_format tab = {
	.name = "tab",
	.begin = tab_begin,
	.value = tab_value,
	.piece_begin = tab_piece_begin,
	.piece = raw_piece,
	.piece_end = tab_piece_end,
	.row_end = line_end,
};
static const struct print_format template = {.name = "", .row = template_row};

static const struct print_format *format_find(const char *name)
{
	static const struct print_format *const formats[] = {
		&flow, &print_json, &pager, &tab, &print_table};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(formats[i]->name, name) == 0)
			return formats[i];
	}
	return strchr(name, '%') != NULL ? &template : NULL;
}

struct printer *print_new(const void *ctx, FILE *out, const char *format)
{
	const struct print_format *found = format_find(format);
	struct printer *printer;

	if (found == NULL)
		return NULL;
	printer = mem_new(ctx, struct printer);
	printer->out = out;
	printer->format = found;
	printer->template = mem_strdup(printer, format);
	return printer;
}

void print_column(struct printer *printer, const char *key, const char *title,
		  unsigned flags)
{
	struct column *column = &printer->columns[printer->count];

	assert(printer->count < PRINT_COLUMNS_MAX && !printer->begun);
	column->key = key;
	column->title = title;
	column->flags = flags;
	printer->count++;
}

void print_columns(struct printer *printer, unsigned flags, ...)
{
	const char *name;
	va_list names;

	va_start(names, flags);
	while ((name = va_arg(names, const char *)) != NULL)
		print_column(printer, name, name, flags);
	va_end(names);
}

void print_begin(struct printer *printer)
{
	if (printer->begun)
		return;
	printer->begun = true;
	if (printer->format->begin != NULL)
		printer->format->begin(printer);
}

static void row_free(struct printer *printer)
{
	for (unsigned i = 0; i < printer->count; i++) {
		if ((printer->columns[i].flags & PRINT_STICKY) == 0)
			mem_free((void *)printer->values[i]);
		printer->values[i] = NULL;
	}
	printer->filled = 0;
}

static void take(struct printer *printer, const char *text)
{
	unsigned i = printer->filled++;

	if (printer->format->value != NULL)
		printer->format->value(printer, i, text);
	else
		printer->values[i] = text;
}

/* Pass over sticky columns. */
static void advance(struct printer *printer)
{
	print_begin(printer);
	while (printer->filled < printer->count) {
		const struct column *column =
			&printer->columns[printer->filled];

		if ((column->flags & PRINT_STICKY) == 0)
			break;
		take(printer, column->sticky != NULL ? column->sticky : "");
	}
}

/* What comes behind a value: sticky ones, the end of the row. */
static void taken(struct printer *printer)
{
	const struct print_format *format = printer->format;

	advance(printer);
	if (printer->filled < printer->count)
		return;
	if (format->row != NULL)
		format->row(printer, printer->values);
	if (format->row_end != NULL)
		format->row_end(printer);
	printer->rows++;
	row_free(printer);
}

void print_value(struct printer *printer, const char *value)
{
	if (printer->wire != NULL) {
		wire_put(printer, WIRE_VALUE, str_of(value));
		return;
	}
	advance(printer);
	assert(printer->filled < printer->count && !printer->in_pieces);
	take(printer, printer->format->value != NULL
			      ? value
			      : mem_strdup(printer, value));
	taken(printer);
}

bool print_takes_pieces(const struct printer *printer)
{
	return printer->format->piece != NULL;
}

static void piece_begin(struct printer *printer)
{
	if (printer->in_pieces)
		return;
	printer->in_pieces = printer->empty = true;
	advance(printer);
	printer->format->piece_begin(printer, printer->filled++);
}

void print_piece(struct printer *printer, const void *data, size_t len)
{
	if (printer->wire != NULL) {
		wire_put(printer, WIRE_PIECE, str_n(data, len));
		return;
	}
	piece_begin(printer);
	if (len > 0)
		printer->empty = false;
	printer->format->piece(printer, str_n(data, len));
}

void print_piece_end(struct printer *printer)
{
	if (printer->wire != NULL) {
		wire_put(printer, WIRE_PIECE_END, STR(""));
		return;
	}
	piece_begin(printer);
	if (printer->format->piece_end != NULL)
		printer->format->piece_end(printer);
	printer->in_pieces = false;
	taken(printer);
}

void print_number(struct printer *printer, unsigned long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", value);
	print_value(printer, text);
}

void print_sticky(struct printer *printer, const char *key, const char *value)
{
	for (unsigned i = 0; i < printer->count; i++) {
		struct column *column = &printer->columns[i];

		if (strcmp(column->key, key) != 0)
			continue;
		column->flags |= PRINT_STICKY;
		mem_free((void *)column->sticky);
		column->sticky = mem_strdup(printer, value);
	}
}

void print_flush(struct printer *printer)
{
	print_begin(printer);
	if (printer->format->flush != NULL)
		printer->format->flush(printer);
}

void print_end(struct printer **printer)
{
	if (*printer == NULL)
		return;
	if ((*printer)->count > 0) {
		print_flush(*printer);
		if ((*printer)->format->end != NULL)
			(*printer)->format->end(*printer);
	}
	fflush((*printer)->out);
	mem_free(*printer);
	*printer = NULL;
}
