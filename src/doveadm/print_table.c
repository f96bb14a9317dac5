/* SPDX-License-Identifier: MIT */
/*
 * doveadm/print_table.c - columns as wide as what is in them.
 *
 * Widths come from the titles and the rows before the first print_flush(); what
 * does not fit later shifts its line. Where there is room, the expanding
 * columns share half of it; where there is none, the last column gives way
 * first.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "doveadm/print_internal.h"

enum { COLUMNS_DEFAULT = 80, HELD_MAX = 1000 };

static size_t screen_width(FILE *out)
{
	struct winsize size;

	if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return COLUMNS_DEFAULT;
}

static void write_line(struct printer *printer, const char *const *values)
{
	for (unsigned i = 0; i < printer->count; i++) {
		size_t width = utf8_count(str_of(values[i]));
		size_t room = printer->columns[i].width;
		int pad = width < room ? (int)(room - width) : 0;
		bool right = (printer->columns[i].flags & PRINT_RIGHT) != 0;

		fprintf(printer->out, "%s%*s%s%*s", i > 0 ? " " : "",
			right ? pad : 0, "", values[i], right ? 0 : pad, "");
	}
	fputc('\n', printer->out);
}

static bool expands(const struct printer *printer, unsigned i)
{
	bool named = false;

	for (unsigned n = 0; n < printer->count; n++)
		named |= (printer->columns[n].flags & PRINT_EXPAND) != 0;
	if (named)
		return (printer->columns[i].flags & PRINT_EXPAND) != 0;
	return i == printer->count - 1;
}

static void widen(struct printer *printer, size_t room)
{
	unsigned count = 1;

	for (unsigned i = 0; i < printer->count; i++)
		count += expands(printer, i);
	for (unsigned i = 0; i < printer->count; i++) {
		if (expands(printer, i))
			printer->columns[i].width += room / count;
	}
}

/* A column is squeezed half way from its widest to its narrowest text. */
static void narrow(struct printer *printer, const size_t *narrowest)
{
	for (unsigned i = 0; i < printer->count; i++) {
		size_t spare = printer->columns[i].width - narrowest[i];

		if (spare > 0)
			printer->columns[i].width -= spare == 1 ? 1 : spare / 2;
	}
}

static void measure(struct printer *printer)
{
	size_t screen = screen_width(printer->out);
	size_t narrowest[PRINT_COLUMNS_MAX], total = printer->count - 1;
	struct column *last = &printer->columns[printer->count - 1];

	for (unsigned i = 0; i < printer->count; i++) {
		struct column *column = &printer->columns[i];

		column->width = narrowest[i] =
			utf8_count(str_of(column->title));
		for (size_t row = 0; row < printer->held_count; row++) {
			size_t width =
				utf8_count(str_of(printer->held[row][i]));

			if (width > column->width)
				column->width = width;
			if (width < narrowest[i])
				narrowest[i] = width;
		}
		total += column->width;
	}
	if (total <= screen)
		widen(printer, screen - total);
	else if (total - last->width < screen)
		last->width = screen - (total - last->width);
	else
		narrow(printer, narrowest);
}

static void table_flush(struct printer *printer)
{
	const char *titles[PRINT_COLUMNS_MAX];

	if (!printer->measured) {
		printer->measured = true;
		measure(printer);
		for (unsigned i = 0; i < printer->count; i++)
			titles[i] = printer->columns[i].title;
		if (!print_titles_hidden(printer))
			write_line(printer, titles);
	}
	for (size_t row = 0; row < printer->held_count; row++)
		write_line(printer, printer->held[row]);
	mem_free(printer->held);
	printer->held = NULL;
	printer->held_count = 0;
}

static void table_row(struct printer *printer, const char *const *values)
{
	const char **row;

	if (printer->measured) {
		write_line(printer, values);
		return;
	}
	printer->held = mem_resize(printer, printer->held, const char **,
				   printer->held_count + 1);
	row = mem_array(printer->held, const char *, printer->count);
	for (unsigned i = 0; i < printer->count; i++)
		row[i] = mem_strdup(row, values[i]);
	printer->held[printer->held_count++] = row;
	if (printer->held_count == HELD_MAX)
		table_flush(printer);
}

const struct print_format print_table = {
	.name = "table",
	.row = table_row,
	.flush = table_flush,
};
