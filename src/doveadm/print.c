/* SPDX-License-Identifier: MIT */
/*
 * doveadm/print.c - rows of values, and the simple formatters. What they write
 * is what Dovecot's doveadm writes.
 */
#include "doveadm/print.h"

#include <assert.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
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

static void flow_row(struct printer *printer, const char *const *values)
{
	for (unsigned i = 0; i < printer->count; i++) {
		const struct column *column = &printer->columns[i];

		if (i > 0)
			fputc(' ', printer->out);
		if (!hidden(column))
			fprintf(printer->out, "%s=", column->title);
		fputs(values[i], printer->out);
	}
	fputc('\n', printer->out);
}

static void pager_row(struct printer *printer, const char *const *values)
{
	if (printer->rows > 0)
		fputs("\f\n", printer->out);
	for (unsigned i = 0; i < printer->count; i++) {
		const struct column *column = &printer->columns[i];

		if (!hidden(column))
			fprintf(printer->out, "%s: ", column->title);
		fprintf(printer->out, "%s\n", values[i]);
	}
}

static void tab_begin(struct printer *printer)
{
	for (unsigned i = 0; i < printer->count; i++) {
		if (i > 0)
			fputc('\t', printer->out);
		fputs(printer->columns[i].title, printer->out);
	}
	fputc('\n', printer->out);
}

static void tab_row(struct printer *printer, const char *const *values)
{
	for (unsigned i = 0; i < printer->count; i++) {
		if (i > 0)
			fputc('\t', printer->out);
		/* A tab or line end inside would look like another value. */
		for (const char *p = values[i]; *p != '\0'; p++)
			fputc(strchr("\t\r\n", *p) != NULL ? ' ' : *p,
			      printer->out);
	}
	fputc('\n', printer->out);
}

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
	if (vars_expand(ctx, printer->template, vars, &text, &err) == 0)
		fputs(text, printer->out);
}

static const struct print_format flow = {.name = "flow", .row = flow_row};
static const struct print_format pager = {.name = "pager", .row = pager_row};
static const struct print_format tab = {
	.name = "tab", .begin = tab_begin, .row = tab_row};
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

/* Pass over sticky columns; write the row when it is whole. */
static void advance(struct printer *printer)
{
	while (printer->filled < printer->count) {
		const struct column *column =
			&printer->columns[printer->filled];

		if ((column->flags & PRINT_STICKY) == 0)
			break;
		printer->values[printer->filled++] =
			column->sticky != NULL ? column->sticky : "";
	}
}

void print_value(struct printer *printer, const char *value)
{
	print_begin(printer);
	advance(printer);
	assert(printer->filled < printer->count);
	printer->values[printer->filled++] = mem_strdup(printer, value);
	advance(printer);
	if (printer->filled < printer->count)
		return;
	printer->format->row(printer, printer->values);
	printer->rows++;
	row_free(printer);
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
