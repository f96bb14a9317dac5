/* SPDX-License-Identifier: MIT */
/*
 * config/setting_value.c - values as text: reading, checking, writing them.
 */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/ip.h"
#include "base/str.h"
#include "config/settings_list.h"

/* "10", " M" */
static bool split_number(const char *text, uint64_t *number, struct str *unit)
{
	size_t digits = strspn(text, "0123456789");

	if (!str_to_u64(str_n(text, digits), number))
		return false;
	*unit = str_trim(str_of(text + digits));
	return true;
}

int setting_parse_bool(const char *text, bool *out, struct err *err)
{
	struct str value = str_of(text);

	if (str_case_is(value, "yes") || str_case_is(value, "y") ||
	    str_is(value, "1")) {
		*out = true;
		return 0;
	}
	if (str_case_is(value, "no")) {
		*out = false;
		return 0;
	}
	return err_set(err, ERR_INVALID,
		       "Invalid boolean value: %s (use yes or no)", text);
}

int setting_parse_unsigned(const char *text, unsigned *out, struct err *err)
{
	if (str_to_unsigned(str_of(text), out))
		return 0;
	if (text[0] == '-')
		return err_set(err, ERR_INVALID,
			       "Invalid number %s: Number too small", text);
	if (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0')
		return err_set(err, ERR_INVALID,
			       "Invalid number %s: Number too large", text);
	return err_set(err, ERR_INVALID,
		       "Invalid number %s: Not a valid number", text);
}

int setting_parse_size(const char *text, uint64_t *out, struct err *err)
{
	static const char units[] = "bkmgt";
	uint64_t number, factor = 1;
	const char *at = units;
	struct str unit;

	if (!split_number(text, &number, &unit))
		return err_set(err, ERR_INVALID, "Invalid size: %s", text);
	if (unit.len > 0)
		at = strchr(units, ascii_lower(unit.data[0]));
	if (at == NULL || (unit.len > 1 && *at == 'b') ||
	    (unit.len > 1 && !str_case_is(str_from(unit, 1), "b") &&
	     !str_case_is(str_from(unit, 1), "ib")))
		return err_set(err, ERR_INVALID, "Invalid size: %s", text);
	for (; at > units; at--)
		factor *= 1024;
	if (number > UINT64_MAX / factor)
		return err_set(err, ERR_INVALID, "Size is too large: %s", text);
	*out = number * factor;
	return 0;
}

static const struct {
	const char *names[7];
	uint64_t ms;
} time_units[] = {
	{{"weeks", "week", "w"}, 7 * 24 * 3600 * 1000ULL},
	{{"days", "day", "d"}, 24 * 3600 * 1000ULL},
	{{"hours", "hour", "h"}, 3600 * 1000ULL},
	{{"mins", "min", "minutes", "minute", "m"}, 60 * 1000ULL},
	{{"secs", "sec", "seconds", "second", "s"}, 1000},
	{{"ms", "msecs", "msec", "millisecs", "millisec", "milliseconds"}, 1},
};

enum {
	TIME_UNITS = sizeof(time_units) / sizeof(time_units[0]),
	UNIT_NAMES = sizeof(time_units[0].names) / sizeof(char *),
};

/* 0 if there is no such unit. */
static uint64_t time_unit(struct str unit)
{
	for (size_t i = 0; i < TIME_UNITS; i++) {
		for (size_t n = 0; n < UNIT_NAMES; n++) {
			const char *name = time_units[i].names[n];

			if (name != NULL && str_case_is(unit, name))
				return time_units[i].ms;
		}
	}
	return 0;
}

int setting_parse_duration(const char *text, struct duration *out,
			   struct err *err)
{
	uint64_t number, ms;
	struct str unit;

	if (!split_number(text, &number, &unit))
		return err_set(err, ERR_INVALID, "Invalid time interval: %s",
			       text);
	ms = time_unit(unit);
	if (unit.len == 0 && number > 0)
		return err_set(err, ERR_INVALID,
			       "Time interval '%s' is missing units "
			       "(add e.g. 's' for seconds)",
			       text);
	if (number > 0 && (ms == 0 || number > UINT64_MAX / 2 / ms))
		return err_set(err, ERR_INVALID, "Invalid time interval: %s",
			       text);
	out->ms = number * ms;
	return 0;
}

/* As in Dovecot, only a 0 in front makes it octal. */
int setting_parse_mode(const char *text, struct setting_mode *out,
		       struct err *err)
{
	unsigned base = text[0] == '0' ? 8 : 10;
	size_t digits = strspn(text, base == 8 ? "01234567" : "0123456789");
	mode_t mode = 0;

	if (digits == 0 || text[digits] != '\0')
		return err_set(err, ERR_INVALID,
			       "Invalid number %s: Not a valid octal number",
			       text);
	for (size_t i = 0; i < digits; i++) {
		mode = mode * base + (mode_t)(text[i] - '0');
		if (mode > 07777)
			return err_set(err, ERR_INVALID,
				       "Invalid mode %s: Number too large",
				       text);
	}
	out->mode = mode;
	return 0;
}

bool setting_is_choice(const char *choices, struct str value)
{
	struct str rest = str_of(choices), choice;

	while (str_split(&rest, ':', &choice)) {
		if (str_equal(choice, value))
			return true;
	}
	return false;
}

static int not_a_choice(const struct setting *row, const char *what,
			struct str value, struct err *err)
{
	char shown[256];
	size_t i;

	for (i = 0; row->choices[i] != '\0' && i < sizeof(shown) - 1; i++)
		shown[i] = row->choices[i] == ':' ? ' ' : row->choices[i];
	shown[i] = '\0';
	return err_set(err, ERR_INVALID, "%s %.*s (use one of: %s)", what,
		       STR_FMT(value), shown);
}

/* "maildir:~/mail"; a path alone, or what variables make of it, is seen when
 * there is a user. */
static int check_driver(const struct setting *row, const char *text,
			struct err *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t len = strspn(text, letters);

	if (text[len] != ':' ||
	    setting_is_choice(row->choices, str_n(text, len)))
		return 0;
	return not_a_choice(row, "Unknown driver", str_n(text, len), err);
}

static int check_positive(const char *text, struct err *err)
{
	if (text[strspn(text, "0")] != '\0' || text[0] == '\0')
		return 0;
	return err_set(err, ERR_INVALID, "Invalid value: %s (must be above 0)",
		       text);
}

static int check_separator(const char *text, struct err *err)
{
	if (text[0] == '\0' ||
	    (text[1] == '\0' && strchr("\"%* ", text[0]) == NULL))
		return 0;
	return err_set(err, ERR_INVALID,
		       "Invalid value: %s (must be one character, and not one "
		       "of \"%%*)",
		       text);
}

static int check_words(const struct setting *row, const char *text,
		       struct err *err)
{
	struct str rest = str_of(text), word;
	char lower[64];

	while (str_word(&rest, &word)) {
		size_t len = word.len < sizeof(lower) ? word.len : 0;

		for (size_t i = 0; i < len; i++)
			lower[i] = ascii_lower(word.data[i]);
		if (!setting_is_choice(row->choices, str_n(lower, len)))
			return not_a_choice(row, "Invalid value:", word,
					    err);
	}
	return 0;
}

int setting_check_served(const struct setting *row, const char *text,
			 struct err *err)
{
	if ((row->flags & SETTING_DRIVER) != 0)
		return check_driver(row, text, err);
	if ((row->flags & SETTING_POSITIVE) != 0)
		return check_positive(text, err);
	if ((row->flags & SETTING_SEPARATOR) != 0)
		return check_separator(text, err);
	if ((row->flags & SETTING_SERVED) != 0)
		return check_words(row, text, err);
	return 0;
}

static int check_networks(const char *text, struct err *err)
{
	if (ip_networks_valid(text))
		return 0;
	return err_set(err, ERR_INVALID,
		       "Invalid network in: %s (use 192.0.2.0/24, ::1, ...)",
		       text);
}

int setting_check(const struct setting *row, const char *text, struct err *err)
{
	struct setting_mode mode;
	struct duration duration;
	unsigned number;
	uint64_t size;
	bool flag;

	switch (row->kind) {
	case SETTING_BOOL:
		return setting_parse_bool(text, &flag, err);
	case SETTING_UNSIGNED:
		return setting_parse_unsigned(text, &number, err);
	case SETTING_SIZE:
		return setting_parse_size(text, &size, err);
	case SETTING_DURATION:
		return setting_parse_duration(text, &duration, err);
	case SETTING_MODE:
		return setting_parse_mode(text, &mode, err);
	case SETTING_ENUM:
		if (!setting_is_choice(row->choices, str_of(text)))
			return not_a_choice(row, "Invalid value:", str_of(text),
					    err);
		break;
	case SETTING_NETWORKS:
		return check_networks(text, err);
	case SETTING_TEXT:
	case SETTING_FILE:
		break;
	}
	return 0;
}

static void print_size(uint64_t size, struct buf *out)
{
	static const char units[] = "BkMGT";
	size_t unit = 0;

	if (size == 0) {
		buf_putc(out, '0');
		return;
	}
	while (size % 1024 == 0 && units[unit + 1] != '\0') {
		size /= 1024;
		unit++;
	}
	buf_printf(out, "%llu %c", (unsigned long long)size, units[unit]);
}

static void print_duration(uint64_t ms, struct buf *out)
{
	for (size_t i = 0; i < TIME_UNITS && ms > 0; i++) {
		if (ms % time_units[i].ms != 0)
			continue;
		buf_printf(out, "%llu %s",
			   (unsigned long long)(ms / time_units[i].ms),
			   time_units[i].names[0]);
		return;
	}
	buf_putc(out, '0');
}

void setting_print(const struct setting *row, const char *value,
		   struct buf *out)
{
	struct setting_mode mode;
	struct duration duration;
	unsigned number;
	struct err err;
	uint64_t size;
	bool flag;

	if (row->kind == SETTING_BOOL &&
	    setting_parse_bool(value, &flag, &err) == 0)
		buf_add(out, flag ? "yes" : "no");
	else if (row->kind == SETTING_UNSIGNED &&
		 setting_parse_unsigned(value, &number, &err) == 0)
		buf_printf(out, "%u", number);
	else if (row->kind == SETTING_SIZE &&
		 setting_parse_size(value, &size, &err) == 0)
		print_size(size, out);
	else if (row->kind == SETTING_DURATION &&
		 setting_parse_duration(value, &duration, &err) == 0)
		print_duration(duration.ms, out);
	else if (row->kind == SETTING_MODE &&
		 setting_parse_mode(value, &mode, &err) == 0)
		buf_printf(out, "0%o", (unsigned)mode.mode);
	else
		buf_add(out, value);
}
