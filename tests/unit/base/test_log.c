/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"

/* What `fn` writes to stderr. */
static char *written(void (*fn)(void))
{
	static char text[2 * PIPE_BUF];
	int saved = dup(STDERR_FILENO), fds[2];
	ssize_t len;

	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	fn();
	dup2(saved, STDERR_FILENO);
	close(saved);
	len = read(fds[0], text, sizeof(text) - 1);
	close(fds[0]);
	text[len < 0 ? 0 : len] = '\0';
	return text;
}

static void one_error(void)
{
	log_error("Something %s", "broke");
}

static void test_a_terminal_gets_name_and_level(void **state)
{
	(void)state;
	log_open("doveadm", LOG_TO_STDERR);
	assert_string_equal(written(one_error),
			    "doveadm: Error: Something broke\n");
	log_prefix_set("doveadm(alice)");
	assert_string_equal(written(one_error),
			    "doveadm(alice): Error: Something broke\n");
	log_prefix_set("doveadm(a\n\t\033[2Jb)");
	assert_string_equal(written(one_error),
			    "doveadm(a???[2Jb): Error: Something broke\n");
	log_prefix_set(NULL);
	assert_string_equal(written(one_error),
			    "doveadm: Error: Something broke\n");
}

static void test_the_log_process_gets_level_and_pid(void **state)
{
	char wanted[100];

	(void)state;
	log_open("imap", LOG_TO_PROCESS);
	snprintf(wanted, sizeof(wanted), "\001%c%d imap\tSomething broke\n",
		 '1' + LOG_LEVEL_ERROR, (int)getpid());
	assert_string_equal(written(one_error), wanted);
}

static void nasty(void)
{
	log_info("%s", "two\r\nlines\t\x1b[31m \xff \xc3\xa4");
}

static void test_input_cannot_forge_a_line(void **state)
{
	(void)state;
	log_open("x", LOG_TO_STDERR);
	assert_string_equal(written(nasty),
			    "x: Info: two??lines??[31m ? \xc3\xa4\n");
}

static void very_long(void)
{
	char text[2 * PIPE_BUF];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info("%s", text);
}

static void test_a_line_fits_into_one_write(void **state)
{
	char *line;

	(void)state;
	log_open("x", LOG_TO_PROCESS);
	line = written(very_long);
	assert_true(strlen(line) <= PIPE_BUF);
	assert_int_equal(line[strlen(line) - 1], '\n');
}

static void one_debug(void)
{
	log_debug("details");
}

static void test_debug_lines_are_off_until_switched_on(void **state)
{
	(void)state;
	log_open("x", LOG_TO_STDERR);
	assert_string_equal(written(one_debug), "");
	log_debug_set(true);
	assert_string_equal(written(one_debug), "x: Debug: details\n");
	log_debug_set(false);
}

static void assert_line(int fd, const char *expected)
{
	char line[200] = "";

	assert_true(read(fd, line, sizeof(line) - 1) > 0);
	assert_string_equal(line + 4, expected);
}

static void test_files_get_their_levels_with_the_time_in_front(void **state)
{
	char errors[] = "/tmp/test_log.XXXXXX", info[] = "/tmp/test_log.XXXXXX";
	int error_fd = mkstemp(errors), info_fd = mkstemp(info);
	struct log_settings settings = {errors, info, "", "%Y ", "mail"};

	(void)state;
	log_open_files("imap", "test", &settings);
	log_info("hello");
	log_warning("careful");
	log_debug_set(true);
	assert_line(info_fd, " imap: Info: hello\n");
	log_debug("details");
	log_debug_set(false);
	assert_line(error_fd, " imap: Warning: careful\n");
	assert_line(info_fd, " imap: Debug: details\n");
	settings.debug_log_path = "syslog";
	assert_null(log_path_of(&settings, LOG_LEVEL_DEBUG));
	assert_ptr_equal(log_path_of(&settings, LOG_LEVEL_FATAL), errors);
	close(error_fd);
	close(info_fd);
	unlink(errors);
	unlink(info);
	log_open("test", LOG_TO_STDERR);
}

static void test_errors_are_wrapped_from_outside(void **state)
{
	char text[2000];
	struct err err;

	(void)state;
	assert_int_equal(err_set(&err, ERR_INVALID, "bad %d", 7), -1);
	assert_int_equal(err_wrap(&err, "file:%d", 3), -1);
	assert_string_equal(err.text, "file:3: bad 7");
	assert_int_equal(err.code, ERR_INVALID);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&err, ERR_LIMIT, "%s", text);
	err_wrap(&err, "outside");
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_memory_equal(err.text, "outside: xxx", 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_terminal_gets_name_and_level),
		cmocka_unit_test(test_the_log_process_gets_level_and_pid),
		cmocka_unit_test(test_input_cannot_forge_a_line),
		cmocka_unit_test(test_a_line_fits_into_one_write),
		cmocka_unit_test(test_debug_lines_are_off_until_switched_on),
		cmocka_unit_test(
			test_files_get_their_levels_with_the_time_in_front),
		cmocka_unit_test(test_errors_are_wrapped_from_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
