/* SPDX-License-Identifier: MIT */
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
#include "config/settings_list.h"

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
	} right[] = {
		{"0", 0},
		{"1025", 1025},
		{"64 k", 65536},
		{"64K", 65536},
		{"1kb", 1024},
		{"1 KiB", 1024},
		{"10M", 10 << 20},
		{"1 G", 1 << 30},
		{"1T", 1ULL << 40},
		{"5 B", 5},
		{"18446744073709551615 B", UINT64_MAX},
	};
	static const char *const wrong[] = {
		"",
		"x",
		"-1",
		"1.5G",
		"1 X",
		"1 kbit",
		"1 Bb",
		"k",
		"18446744073709551616",
		"99999999999T",
		"unlimited",
	};
	struct err err;
	uint64_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		assert_int_equal(setting_parse_size(right[i].text, &size, &err),
				 0);
		assert_true(size == right[i].size);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(setting_parse_size(wrong[i], &size, &err), -1);
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} right[] = {
		{"0", 0},
		{"500msecs", 500},
		{"2 s", 2000},
		{"30 secs", 30000},
		{"5 MINS", 300000},
		{"1 hour", 3600000},
		{"1d", 86400000},
		{"1 weeks", 604800000},
		{"4294967295 secs", 4294967295000},
	};
	static const char *const wrong[] = {"",    "60",    "5 fortnights",
					    "-1s", "1w 2d", "s"};
	struct duration duration;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		assert_int_equal(
			setting_parse_duration(right[i].text, &duration, &err),
			0);
		assert_true(duration.ms == right[i].ms);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(
			setting_parse_duration(wrong[i], &duration, &err), -1);
}

static void test_booleans_numbers_and_modes(void **state)
{
	struct setting_mode mode;
	struct err err;
	unsigned number;
	bool flag;

	(void)state;
	assert_int_equal(setting_parse_bool("YES", &flag, &err), 0);
	assert_true(flag);
	assert_int_equal(setting_parse_bool("no", &flag, &err), 0);
	assert_false(flag);
	assert_int_equal(setting_parse_bool("true", &flag, &err), -1);
	assert_int_equal(setting_parse_bool("", &flag, &err), -1);
	assert_int_equal(setting_parse_unsigned("007", &number, &err), 0);
	assert_int_equal(number, 7);
	assert_int_equal(setting_parse_unsigned("4294967296", &number, &err),
			 -1);
	assert_int_equal(setting_parse_unsigned("0x10", &number, &err), -1);
	assert_int_equal(setting_parse_mode("0660", &mode, &err), 0);
	assert_int_equal(mode.mode, 0660);
	/* Decimal, as in Dovecot. */
	assert_int_equal(setting_parse_mode("660", &mode, &err), 0);
	assert_int_equal(mode.mode, 01224);
	assert_int_equal(setting_parse_mode("0888", &mode, &err), -1);
	assert_int_equal(setting_parse_mode("0177777", &mode, &err), -1);
}

static void prints(enum setting_kind kind, const char *in, const char *wanted)
{
	const struct setting row = {.name = "x", .kind = kind};
	CLEANUP(buf_free) struct buf out = buf_init(100);

	setting_print(&row, in, &out);
	assert_string_equal(out.data, wanted);
}

static void test_values_are_shown_in_one_form(void **state)
{
	(void)state;
	prints(SETTING_SIZE, "1024k", "1 M");
	prints(SETTING_SIZE, "1025", "1025 B");
	prints(SETTING_SIZE, "0", "0");
	prints(SETTING_DURATION, "3600s", "1 hours");
	prints(SETTING_DURATION, "100 hours", "100 hours");
	prints(SETTING_DURATION, "1500 ms", "1500 ms");
	prints(SETTING_BOOL, "Y", "yes");
	prints(SETTING_MODE, "0", "00");
	prints(SETTING_UNSIGNED, "007", "7");
	prints(SETTING_TEXT, " x ", " x ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_booleans_numbers_and_modes),
		cmocka_unit_test(test_values_are_shown_in_one_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
