/* SPDX-License-Identifier: MIT */
/*
 * config/setting.c - the registered tables, as one sorted list.
 */
#include "config/setting.h"

#include <stdlib.h>
#include <string.h>

#include "config/settings_list.h"

/* The linker makes these where a section's name is a C identifier; weak, for
 * a program that registers nothing. */
extern const struct setting_table *const __start_setting_tables[]
	__attribute__((weak));
extern const struct setting_table *const __stop_setting_tables[]
	__attribute__((weak));
extern const char *const __start_config_presets[] __attribute__((weak));
extern const char *const __stop_config_presets[] __attribute__((weak));
extern const char *const __start_config_foreign[] __attribute__((weak));
extern const char *const __stop_config_foreign[] __attribute__((weak));

void settings_each_table(bool (*fn)(const struct setting_table *, void *ctx),
			 void *ctx)
{
	for (const struct setting_table *const *at = __start_setting_tables;
	     at < __stop_setting_tables; at++) {
		if (!fn(*at, ctx))
			return;
	}
}

void settings_each_preset(bool (*fn)(const char *text, bool foreign, void *ctx),
			  void *ctx)
{
	for (const char *const *at = __start_config_presets;
	     at < __stop_config_presets; at++) {
		if (!fn(*at, false, ctx))
			return;
	}
	for (const char *const *at = __start_config_foreign;
	     at < __stop_config_foreign; at++) {
		if (!fn(*at, true, ctx))
			return;
	}
}

static int row_compare(const void *a, const void *b)
{
	const struct settings_row *x = a, *y = b;
	int diff = x->section == y->section ? 0
					    : strcmp(x->section, y->section);

	if (diff == 0)
		diff = strcmp(x->row->name, y->row->name);
	if (diff == 0)
		diff = (int)(x->row->flags & SETTING_FOREIGN) -
		       (int)(y->row->flags & SETTING_FOREIGN);
	return diff;
}

static bool count_rows(const struct setting_table *table, void *ctx)
{
	size_t *count = ctx;

	for (const struct setting *row = table->rows; row->name != NULL; row++)
		(*count)++;
	return true;
}

static bool add_rows(const struct setting_table *table, void *ctx)
{
	struct settings_row **end = ctx;

	for (const struct setting *row = table->rows; row->name != NULL;
	     row++) {
		if ((row->flags & SETTING_SHARED) == 0)
			*(*end)++ = (struct settings_row){table->section, row};
	}
	return true;
}

/* What a module of ours declares goes before a foreign row of that name. */
static size_t drop_doubles(struct settings_row *rows, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (kept > 0 &&
		    strcmp(rows[kept - 1].section, rows[i].section) == 0 &&
		    strcmp(rows[kept - 1].row->name, rows[i].row->name) == 0)
			continue;
		rows[kept++] = rows[i];
	}
	return kept;
}

const struct settings_row *settings_list(size_t *count_out)
{
	/* Lives as long as the process: the tables do too. */
	static struct settings_row *rows;
	static size_t count;

	if (rows == NULL) {
		struct settings_row *end;

		settings_each_table(count_rows, &count);
		rows = mem_array(NULL, struct settings_row, count + 1);
		end = rows;
		settings_each_table(add_rows, &end);
		count = (size_t)(end - rows);
		qsort(rows, count, sizeof(*rows), row_compare);
		count = drop_doubles(rows, count);
	}
	*count_out = count;
	return rows;
}

const struct settings_row *settings_section(const char *section,
					    size_t *count_out)
{
	size_t count, first = 0, end;
	const struct settings_row *rows = settings_list(&count);

	while (first < count && strcmp(rows[first].section, section) < 0)
		first++;
	for (end = first;
	     end < count && strcmp(rows[end].section, section) == 0;)
		end++;
	*count_out = end - first;
	return rows + first;
}

const struct setting *setting_find(const char *section, const char *name)
{
	size_t low = 0, high;
	const struct settings_row *rows = settings_list(&high);

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int diff = strcmp(rows[middle].section, section);

		if (diff == 0)
			diff = strcmp(rows[middle].row->name, name);
		if (diff == 0)
			return rows[middle].row;
		if (diff < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
