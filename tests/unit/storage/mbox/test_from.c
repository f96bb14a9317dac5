/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../fixture.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "storage/mbox/mbox.h"

static void test_lines_of_usual_programs_are_read(void **state)
{
	/* 28 November 2026, 20:15:24 UTC, unless they name a zone. */
	static const char *const lines[] = {
		"From alice@example.com  Sat Nov 28 20:15:24 2026",
		"From alice Sat Nov 28 20:15:24 2026",
		"From - Sat Nov 28 20:15:24 2026",
		"From MAILER-DAEMON Sat Nov 28 20:15:24 2026",
		"From alice@example.com Sat Nov 28 20:15:24 2026 +0000",
		"From alice@example.com Sat Nov 28 21:15:24 2026 +0100",
		"From \"a b\"@example.com Sat Nov 28 20:15:24 2026",
		"From alice Sat Nov 28 20:15:24 2026 remote from host",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		int64_t time = 0;

		if (!mbox_from_parse(str_of(lines[i]), &time) ||
		    time != 1795896924)
			fail_msg("%s: %jd", lines[i], (intmax_t)time);
	}
}

static void test_text_is_no_from_line(void **state)
{
	static const char *const lines[] = {
		"",
		"From",
		"From ",
		"From here on it is text.",
		"From: alice@example.com",
		">From alice Sat Nov 28 20:15:24 2026",
		"from alice Sat Nov 28 20:15:24 2026",
		"From alice Sat Nov 28",
		"From alice Sat Nov 28 20:15:24",
		"From alice Sat Foo 28 20:15:24 2026",
	};
	int64_t time;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (mbox_from_parse(str_of(lines[i]), &time))
			fail_msg("%s", lines[i]);
	}
}

/* None of them may be read beyond its end, which ASan sees. */
static void test_a_line_may_end_anywhere(void **state)
{
	static const char line[] =
		"From alice@example.com  Sat Nov 28 20:15:24 2026 +0100";
	int64_t time;

	(void)state;
	for (size_t len = 0; len < strlen(line); len++) {
		char *cut = mem_strndup(NULL, line, len);

		mbox_from_parse(str_n(cut, len), &time);
		mem_free(cut);
	}
}

/* As other programs on the system write it, whatever its zone. */
static void test_a_time_without_a_zone_is_local(void **state)
{
	static const struct {
		const char *zone, *line;
		int64_t time;
	} cases[] = {
		{"EET-2EEST,M3.5.0/3,M10.5.0/4",
		 "From a Mon Mar  2 10:11:12 2020", 1583136672},
		{"EET-2EEST,M3.5.0/3,M10.5.0/4",
		 "From a Thu Jul  2 10:11:12 2020", 1593673872},
		{"EET-2EEST,M3.5.0/3,M10.5.0/4",
		 "From a Thu Jul  2 10:11:12 2020 +0000", 1593684672},
		/* Never shown; shown twice. */
		{"EET-2EEST,M3.5.0/3,M10.5.0/4",
		 "From a Sun Mar 29 03:30:00 2020", 1585445400},
		{"EET-2EEST,M3.5.0/3,M10.5.0/4",
		 "From a Sun Oct 25 03:30:00 2020", 1603589400},
		{"EST5EDT,M3.2.0,M11.1.0", "From a Mon Mar  2 10:11:12 2020",
		 1583161872},
		{"EST5EDT,M3.2.0,M11.1.0",
		 "From a Mon Mar  2 10:11:12 EST 2020", 1583161872},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t time = 0;

		setenv("TZ", cases[i].zone, 1);
		tzset();
		if (!mbox_from_parse(str_of(cases[i].line), &time) ||
		    time != cases[i].time)
			fail_msg("%s: %jd", cases[i].line, (intmax_t)time);
	}
	setenv("TZ", "EET-2", 1);
	tzset();
	{
		CLEANUP(buf_free) struct buf line = buf_init(FROM_LINE_MAX);

		mbox_from_write("a", 1583136672, &line);
		assert_string_equal(line.data,
				    "From a  Mon Mar 02 10:11:12 2020\n");
	}
	setenv("TZ", "UTC", 1);
	tzset();
}

static void test_what_is_written_is_read(void **state)
{
	(void)state;
	for (int64_t time = 0; time < 4000000000; time += 86400 * 13 + 3607) {
		CLEANUP(buf_free) struct buf line = buf_init(FROM_LINE_MAX);
		int64_t back;

		mbox_from_write("bob@example.com", time, &line);
		assert_int_equal(line.data[line.len - 1], '\n');
		assert_true(
			mbox_from_parse(str_n(line.data, line.len - 1), &back));
		assert_int_equal(back, time);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_of_usual_programs_are_read),
		cmocka_unit_test(test_text_is_no_from_line),
		cmocka_unit_test(test_a_line_may_end_anywhere),
		cmocka_unit_test(test_a_time_without_a_zone_is_local),
		cmocka_unit_test(test_what_is_written_is_read),
	};

	/* Zones are what one of them is about. */
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
