/* SPDX-License-Identifier: MIT */
/*
 * config/setting.c - the registered tables: a setting by its name, and all as
 * one sorted list.
 */
#include "config/setting.h"

#include <assert.h>
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

/* What is declared, each once. Lives as long as the process, as the tables do.
 * A program reads few settings: finding one costs less than to sort all. */
static struct {
	struct settings_row *rows;
	size_t count;
	uint16_t *slots; /* 0, or a number of `rows` + 1, by hash_of() */
	size_t mask;
} declared;

static size_t hash_of(const char *section, const char *name)
{
	size_t hash = 0;

	while (*section != '\0')
		hash = hash * 31 + (unsigned char)*section++;
	while (*name != '\0')
		hash = hash * 31 + (unsigned char)*name++;
	return hash ^ hash >> 15;
}

/* Where it is, or belongs. */
static uint16_t *slot_of(const char *section, const char *name)
{
	size_t at = hash_of(section, name) & declared.mask;

	for (; declared.slots[at] != 0; at = (at + 1) & declared.mask) {
		const struct settings_row *row =
			&declared.rows[declared.slots[at] - 1];

		if (strcmp(row->row->name, name) == 0 &&
		    strcmp(row->section, section) == 0)
			break;
	}
	return &declared.slots[at];
}

static bool count_rows(const struct setting_table *table, void *ctx)
{
	size_t *count = ctx;

	for (const struct setting *row = table->rows; row->name != NULL; row++)
		(*count)++;
	return true;
}

/* What a module of ours declares goes before a foreign row of that name. */
static void declare(const char *section, const struct setting *row)
{
	uint16_t *slot = slot_of(section, row->name);
	struct settings_row *at = &declared.rows[declared.count];

	if (*slot != 0) {
		at = &declared.rows[*slot - 1];
		if ((at->row->flags & SETTING_FOREIGN) == 0)
			return;
	} else {
		*slot = (uint16_t)++declared.count;
	}
	*at = (struct settings_row){section, row};
}

static bool add_rows(const struct setting_table *table, void *)
{
	for (const struct setting *row = table->rows; row->name != NULL;
	     row++) {
		if ((row->flags & SETTING_SHARED) == 0)
			declare(table->section, row);
	}
	return true;
}

static void declare_all(void)
{
	size_t count = 0, slots = 16;

	if (declared.rows != NULL)
		return;
	settings_each_table(count_rows, &count);
	assert(count < UINT16_MAX);
	while (slots < count * 2)
		slots *= 2;
	declared.rows = mem_array(NULL, struct settings_row, count + 1);
	declared.slots = mem_array(NULL, uint16_t, slots);
	declared.mask = slots - 1;
	settings_each_table(add_rows, NULL);
}

static int row_compare(const void *a, const void *b)
{
	const struct settings_row *x = a, *y = b;
	int diff = strcmp(x->section, y->section);

	return diff != 0 ? diff : strcmp(x->row->name, y->row->name);
}

const struct settings_row *settings_list(size_t *count_out)
{
	static struct settings_row *sorted;

	declare_all();
	if (sorted == NULL) {
		sorted = mem_memdup(NULL, declared.rows,
				    declared.count * sizeof(*sorted));
		qsort(sorted, declared.count, sizeof(*sorted), row_compare);
	}
	*count_out = declared.count;
	return sorted;
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
	unsigned number;

	declare_all();
	number = *slot_of(section, name);
	return number > 0 ? declared.rows[number - 1].row : NULL;
}
