/* SPDX-License-Identifier: MIT */
/* What all folders declare together. */
#include "config/setting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "config/parse.h"
#include "config/settings_list.h"

enum { ROWS_MAX = 5000 };

static struct settings_row rows[ROWS_MAX];
static size_t row_count;

static bool collect(const struct setting_table *table, void *ctx)
{
	(void)ctx;
	for (const struct setting *row = table->rows; row->name != NULL;
	     row++) {
		assert_true(row_count < ROWS_MAX);
		rows[row_count++] = (struct settings_row){table->section, row};
	}
	return true;
}

static int collect_all(void **state)
{
	(void)state;
	settings_each_table(collect, NULL);
	return row_count > 300 ? 0 : -1;
}

static void test_every_setting_is_declared_once(void **state)
{
	unsigned doubles = 0;

	(void)state;
	for (size_t i = 0; i < row_count; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct setting *a = rows[i].row, *b = rows[j].row;

			if (strcmp(a->name, b->name) != 0 ||
			    strcmp(rows[i].section, rows[j].section) != 0 ||
			    ((a->flags | b->flags) & SETTING_SHARED) != 0)
				continue;
			print_error("%s { %s } is declared twice\n",
				    rows[i].section, a->name);
			doubles++;
		}
	}
	assert_int_equal(doubles, 0);
}

static void test_shared_rows_agree_with_the_declaration(void **state)
{
	(void)state;
	for (size_t i = 0; i < row_count; i++) {
		const struct setting *row = rows[i].row, *declared;

		if ((row->flags & SETTING_SHARED) == 0)
			continue;
		declared = setting_find(rows[i].section, row->name);
		if (declared == NULL)
			print_error("%s is declared nowhere\n", row->name);
		assert_non_null(declared);
		assert_true(declared->kind == row->kind ||
			    (declared->kind == SETTING_ENUM &&
			     row->kind == SETTING_TEXT) ||
			    ((declared->kind == SETTING_FILE ||
			      declared->kind == SETTING_NETWORKS) &&
			     row->kind == SETTING_TEXT));
	}
}

static void test_every_preset_is_a_right_value(void **state)
{
	struct err err;

	(void)state;
	for (size_t i = 0; i < row_count; i++) {
		const struct setting *row = rows[i].row;

		if ((row->flags & SETTING_SHARED) != 0)
			continue;
		if (setting_check(row, row->preset, &err) < 0) {
			print_error("%s: %s\n", row->name, err.text);
			fail();
		}
	}
}

static void test_every_setting_is_documented(void **state)
{
	(void)state;
	for (size_t i = 0; i < row_count; i++) {
		const struct setting *row = rows[i].row;

		if ((row->flags & SETTING_SHARED) != 0)
			continue;
		assert_non_null(row->doc);
		if (strlen(row->doc) < 5 ||
		    strchr(".!?)", row->doc[strlen(row->doc) - 1]) == NULL) {
			print_error("%s: \"%s\"\n", row->name, row->doc);
			fail();
		}
	}
}

static bool parse_one(const char *text, bool foreign, void *ctx)
{
	CLEANUP(buf_free) struct buf errors = buf_init(10000);
	struct parser parser = {.config = ctx,
				.errors = &errors,
				.flags = CONFIG_KEEP_FILES,
				.file = "preset"};

	(void)foreign;
	parse_text(&parser, str_of(text));
	if (errors.len > 0)
		print_error("%s", errors.data);
	assert_int_equal(errors.len, 0);
	return true;
}

static void test_the_default_services_have_no_error(void **state)
{
	struct config *config = config_new(NULL, "presets");

	(void)state;
	settings_each_preset(parse_one, config);
	mem_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_setting_is_declared_once),
		cmocka_unit_test(test_shared_rows_agree_with_the_declaration),
		cmocka_unit_test(test_every_preset_is_a_right_value),
		cmocka_unit_test(test_every_setting_is_documented),
		cmocka_unit_test(test_the_default_services_have_no_error),
	};

	return cmocka_run_group_tests(tests, collect_all, NULL);
}
