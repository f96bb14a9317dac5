/* SPDX-License-Identifier: MIT */
/* The example files of conf.d against the settings tables. */
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <glob.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/settings_list.h"

enum { FILES_MAX = 4 << 20 };

static char dir[64];
static struct buf all; /* every file, one after the other */

static void add_file(const char *path, bool uncomment)
{
	CLEANUP(buf_free) struct buf text = buf_init(FILES_MAX);
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "copy");
	const char *name = strrchr(path, '/') + 1;
	const char *to = strcmp(name, "dovecot.conf") == 0 ? "" : "conf.d/";
	struct err err;

	assert_int_equal(file_read(path, &text, &err), 0);
	buf_add_str(&all, str_n(text.data, text.len));
	for (size_t i = 0; uncomment && i + 2 < text.len; i++) {
		const char *line = text.data + i;

		if ((i == 0 || line[-1] == '\n') && line[0] == '#' &&
		    line[1] >= 'a' && line[1] <= 'z' &&
		    strncmp(line + 1 + strcspn(line + 1, " "), " =", 2) == 0)
			text.data[i] = ' ';
	}
	assert_int_equal(file_replace(mem_printf(ctx, "%s/%s%s", dir, to, name),
				      text.data, text.len, 0600, &err),
			 0);
}

static void copy_files(bool uncomment)
{
	const char *top = getenv("srcdir");
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "copy");
	glob_t found;

	buf_reset(&all);
	assert_int_equal(glob(mem_printf(ctx, "%s/conf.d/*.conf*",
					 top != NULL ? top : "."),
			      0, NULL, &found),
			 0);
	for (size_t i = 0; i < found.gl_pathc; i++)
		add_file(found.gl_pathv[i], uncomment);
	globfree(&found);
}

static struct config *load(void)
{
	CLEANUP(buf_free) struct buf errors = buf_init(100000);
	CLEANUP(buf_free) struct buf warnings = buf_init(100000);
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "load");
	struct config *config = NULL;
	struct err err;

	config_load(NULL, mem_printf(ctx, "%s/dovecot.conf", dir),
		    CONFIG_KEEP_FILES, &errors, &warnings, &config, &err);
	if (errors.len > 0)
		print_error("%s", errors.data);
	assert_int_equal(errors.len, 0);
	assert_non_null(config);
	return config;
}

static int make_dir(void **state)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "dir");
	struct err err;

	(void)state;
	all = buf_init(FILES_MAX);
	snprintf(dir, sizeof(dir), "/tmp/test_confd.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	return dir_create(mem_printf(ctx, "%s/conf.d", dir), 0700, &err);
}

static int remove_dir(void **state)
{
	struct err err;

	(void)state;
	buf_free(&all);
	return dir_remove(dir, &err);
}

static void test_the_example_files_are_a_right_configuration(void **state)
{
	struct config *config;

	(void)state;
	copy_files(false);
	config = load();
	assert_non_null(config_section_next(config, NULL, "passdb", NULL));
	assert_non_null(config_section_next(config, NULL, "namespace", NULL));
	mem_free(config);
}

static void test_the_defaults_in_them_are_right_values(void **state)
{
	(void)state;
	copy_files(true);
	mem_free(load());
}

static unsigned count_lines(const char *start)
{
	const char *at = all.data;
	unsigned count = 0;

	while ((at = strstr(at, start)) != NULL) {
		count += at == all.data || at[-1] == '\n';
		at++;
	}
	return count;
}

static void test_every_setting_stands_in_one_file(void **state)
{
	size_t count;
	const struct settings_row *rows = settings_section("", &count);
	unsigned wrong = 0;

	(void)state;
	copy_files(false);
	for (size_t i = 0; i < count; i++) {
		char line[200];

		if ((rows[i].row->flags & SETTING_HIDDEN) != 0)
			continue;
		snprintf(line, sizeof(line), "#%s =", rows[i].row->name);
		if (count_lines(line) == 1)
			continue;
		print_error("%s stands in conf.d %u times: run "
			    "script/gen-confd\n",
			    rows[i].row->name, count_lines(line));
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_the_example_files_are_a_right_configuration),
		cmocka_unit_test(test_the_defaults_in_them_are_right_values),
		cmocka_unit_test(test_every_setting_stands_in_one_file),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
