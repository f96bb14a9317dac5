/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/mem.h"
#include "log/log.h"
#include "log/protocol.h"
#include "net/loop.h"

static void check(struct str line, enum log_level level, pid_t pid,
		  const char *text)
{
	TALLOC_CTX *ctx = mem_ctx(NULL, "test");
	struct entry entry;

	line_parse(line, STR("imap"), &entry);
	assert_int_equal(entry.level, level);
	assert_int_equal(entry.pid, pid);
	assert_string_equal(output_format(ctx, &entry), text);
	mem_free(ctx);
}

static void test_lines_come_apart_as_base_log_made_them(void **state)
{
	(void)state;
	check(STR("\001"
		  "212 imap(a)<1><x>\tLogged out"),
	      LOG_LEVEL_INFO, 12, "imap(a)<1><x>: Info: Logged out");
	check(STR("\001"
		  "412 imap: \tbad"),
	      LOG_LEVEL_ERROR, 12, "imap: Error: bad");
	check(STR("\001"
		  "67 auth\t"),
	      LOG_LEVEL_PANIC, 7, "auth: Panic: ");
}

static void test_anything_else_is_an_error_of_the_service(void **state)
{
	static const char *const lines[] = {
		"free(): invalid pointer",
		"\001",
		"\001"
		"9",
		"\001"
		"912 x\ty",
		"\001"
		"2x imap\ty",
		"\001"
		"2 imap\ty",
		"\001"
		"299999999999 a\tb",
	};
	struct entry entry;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		line_parse(str_of(lines[i]), STR("imap"), &entry);
		assert_int_equal(entry.level, LOG_LEVEL_ERROR);
		assert_true(str_is(entry.prefix, "imap"));
	}
	line_parse(STR(""), STR("imap"), &entry);
	assert_true(str_is(entry.prefix, "imap"));
}

static void test_the_line_of_a_death_names_the_dead(void **state)
{
	struct entry entry = {.text = STR("master: service(imap): child 1234 "
					  "killed with signal 9")};

	(void)state;
	assert_int_equal(line_child(&entry), 1234);
	entry.text = STR("master: service(imap): child x killed");
	assert_int_equal(line_child(&entry), 0);
	entry.text = STR("service(imap): child 1234 killed");
	assert_int_equal(line_child(&entry), 0);
}

struct seen {
	unsigned count;
	size_t longest;
	char last[64];
};

static void see(void *ctx, const struct entry *entry)
{
	struct seen *seen = ctx;

	seen->count++;
	if (entry->text.len > seen->longest)
		seen->longest = entry->text.len;
	if (entry->text.len < sizeof(seen->last)) {
		memcpy(seen->last, entry->text.data, entry->text.len);
		seen->last[entry->text.len] = '\0';
	}
}

static void put(int fd, const char *text, size_t len)
{
	assert_int_equal(write(fd, text, len), len);
}

static void test_long_lines_are_cut_and_the_last_needs_no_end(void **state)
{
	struct loop *loop = loop_new();
	struct seen seen = {0};
	struct pipes *pipes = pipes_new(loop, loop, see, &seen);
	char large[3 * LOG_LINE_MAX];
	int fds[2];

	(void)state;
	memset(large, 'x', sizeof(large));
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	pipes_add(pipes, STR("imap"), fds[0]);
	put(fds[1], large, sizeof(large));
	put(fds[1], "\n\nshort\nno end", 14);
	close(fds[1]);
	pipes_drain(pipes, true);
	assert_int_equal(seen.count, 3);
	assert_true(seen.longest >= LOG_LINE_MAX &&
		    seen.longest <= 2 * LOG_LINE_MAX);
	assert_string_equal(seen.last, "no end");
	loop_free(&loop);
}

static void stop_at(void *ctx, const struct entry *)
{
	loop_stop(ctx);
}

static void test_what_follows_at_once_again_and_again_is_gathered(void **state)
{
	struct loop *loop = loop_new();
	struct pipes *pipes = pipes_new(loop, loop, stop_at, loop);
	uint64_t began = clock_monotonic_ms();
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	pipes_add(pipes, STR("imap"), fds[0]);
	for (int i = 0; i < 20; i++) {
		put(fds[1], "one\n", 4);
		loop_run(loop);
	}
	assert_true(clock_monotonic_ms() - began >= 3);
	close(fds[1]);
	mem_free(pipes);
	loop_free(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_come_apart_as_base_log_made_them),
		cmocka_unit_test(test_anything_else_is_an_error_of_the_service),
		cmocka_unit_test(test_the_line_of_a_death_names_the_dead),
		cmocka_unit_test(
			test_long_lines_are_cut_and_the_last_needs_no_end),
		cmocka_unit_test(
			test_what_follows_at_once_again_and_again_is_gathered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
