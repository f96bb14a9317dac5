/* SPDX-License-Identifier: MIT */
/*
 * The progress of long work, on a terminal and in a pipe.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doveadm/progress.h"

/* Half of some work, with more inside, and stderr as `fd`. */
static void work(int fd)
{
	int old = dup(STDERR_FILENO);
	struct progress progress, inner;

	fflush(stderr);
	dup2(fd, STDERR_FILENO);
	progress_begin(&progress, "Testing", 4);
	progress_step(&progress);
	progress.drawn_ms = 0; /* long ago */
	progress_step(&progress);
	progress_begin(&inner, "Inside", 0);
	inner.drawn_ms = 0;
	progress_step(&inner);
	progress_end(&inner);
	progress_end(&progress);
	fflush(stderr);
	dup2(old, STDERR_FILENO);
	close(old);
}

static void test_a_terminal_shows_a_line_and_it_goes(void **state)
{
	static const char line[] =
		"\rTesting [###############...............]  50% 2 / 4";
	int terminal = posix_openpt(O_RDWR | O_NOCTTY), user;
	char text[512] = "", expected[512];
	size_t len = 0;

	(void)state;
	assert_true(terminal >= 0 && grantpt(terminal) == 0 &&
		    unlockpt(terminal) == 0);
	user = open(ptsname(terminal), O_RDWR | O_NOCTTY);
	assert_true(user >= 0);
	work(user);
	snprintf(expected, sizeof(expected), "%s\r%*s\r", line,
		 (int)strlen(line) - 1, "");
	/* What was written at once may come in pieces. */
	while (len < strlen(expected)) {
		ssize_t got = read(terminal, text + len, strlen(expected) - len);

		assert_true(got > 0);
		len += (size_t)got;
	}
	assert_string_equal(text, expected);
	close(user);
	close(terminal);
}

static void test_a_pipe_gets_nothing(void **state)
{
	char text[16];
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	work(fds[1]);
	close(fds[1]);
	assert_int_equal(read(fds[0], text, sizeof(text)), 0);
	close(fds[0]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_terminal_shows_a_line_and_it_goes),
		cmocka_unit_test(test_a_pipe_gets_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
