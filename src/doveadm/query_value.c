/* SPDX-License-Identifier: MIT */
#include "doveadm/query_value.h"

#include <string.h>

#include "base/err.h"
#include "base/range.h"
#include "base/str.h"
#include "config/setting.h"
#include "proto/imap.h"

/* "13-Apr-2007"; a day that the calendar lacks is none. */
static bool imap_day(const char *text, int64_t *out)
{
	const char *digits = text + (text[0] == ' ');
	time_t t;
	struct tm tm;
	unsigned day;

	if (!imap_date(str_of(text), out))
		return false;
	t = (time_t)*out;
	return str_to_unsigned(str_n(digits, strspn(digits, "0123456789")),
			       &day) &&
	       gmtime_r(&t, &tm) != NULL && tm.tm_mday == (int)day;
}

/* YYYY-MM-DD, the same. */
static bool iso_date(const char *text, int64_t *out)
{
	static const char form[] = "dddd-dd-dd";
	struct tm tm = {0}, back;
	unsigned year, month, day;
	time_t t;

	if (strlen(text) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i] != '\0'; i++) {
		if (form[i] == 'd' ? text[i] < '0' || text[i] > '9'
				   : text[i] != form[i])
			return false;
	}
	str_to_unsigned(str_n(text, 4), &year);
	str_to_unsigned(str_n(text + 5, 2), &month);
	str_to_unsigned(str_n(text + 8, 2), &day);
	tm.tm_year = (int)year - 1900;
	tm.tm_mon = (int)month - 1;
	tm.tm_mday = (int)day;
	t = timegm(&tm);
	if (gmtime_r(&t, &back) == NULL || back.tm_mday != (int)day ||
	    back.tm_mon != (int)month - 1)
		return false;
	*out = (int64_t)t;
	return true;
}

/* A setting's interval, but nothing finer than a second. */
static bool interval(const char *text, uint64_t *seconds_out)
{
	struct duration duration;
	struct err err;

	if (setting_parse_duration(text, &duration, &err) < 0 ||
	    duration.ms % 1000 != 0)
		return false;
	*seconds_out = duration.ms / 1000;
	return true;
}

int query_date(const char *text, time_t now, int64_t *time_out,
	       bool *instant_out, struct err *err)
{
	uint64_t number;

	*instant_out = false;
	if (imap_day(text, time_out) || iso_date(text, time_out))
		return 0;
	*instant_out = true;
	if (str_to_u64(str_of(text), &number) && number <= INT64_MAX) {
		*time_out = (int64_t)number;
		return 0;
	}
	if (interval(text, &number)) {
		*time_out = (int64_t)now - (int64_t)number;
		return 0;
	}
	return err_set(err, ERR_INVALID, "Invalid search date parameter: %s",
		       text);
}

/* Whether one of the set's parts is "*". */
static bool star_alone(const char *text)
{
	struct str rest = str_of(text), part;

	while (str_split(&rest, ',', &part)) {
		if (str_is(part, "*"))
			return true;
	}
	return false;
}

bool query_set(const char *text, struct range_set *out, bool *last_out)
{
	if (!imap_sequence_set(str_of(text), UINT32_MAX, out) ||
	    range_set_has(out, 0))
		return false;
	*last_out = star_alone(text);
	return true;
}
