/* SPDX-License-Identifier: MIT */
#include "mime/date.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "mime/lex.h"

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char days[] = "SunMonTueWedThuFriSat";

static const struct {
	const char *name;
	int hours;
} zones[] = {
	{"UT", 0},   {"GMT", 0},  {"UTC", 0},  {"Z", 0},
	{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5},
	{"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7},
};

/* The digits at the start; false if there are none or more than `max`. */
static bool take_number(struct lex *lex, size_t max, size_t *digits_out,
			int *out)
{
	size_t len = 0;
	uint32_t value;

	if (!lex_skip(lex))
		return false;
	while (len < lex->rest.len && lex->rest.data[len] >= '0' &&
	       lex->rest.data[len] <= '9')
		len++;
	if (len == 0 || len > max ||
	    !str_to_u32(str_n(lex->rest.data, len), &value))
		return false;
	lex->rest = str_from(lex->rest, len);
	*digits_out = len;
	*out = (int)value;
	return true;
}

static bool take_char(struct lex *lex, char c)
{
	if (!lex_skip(lex) || lex_peek(lex) != c)
		return false;
	lex_drop(lex);
	return true;
}

static bool take_month(struct lex *lex, int *out)
{
	struct str name;

	if (!lex_skip(lex))
		return false;
	name = lex_atom(lex, false);
	if (name.len < 3)
		return false;
	for (int i = 0; i < 12; i++) {
		if (str_case_equal(str_n(name.data, 3),
				   str_n(months + (ptrdiff_t)3 * i, 3))) {
			*out = i;
			return true;
		}
	}
	return false;
}

/* RFC 5322 section 4.3 on short years. */
static int full_year(int year, size_t digits)
{
	if (digits == 2)
		return year < 50 ? year + 2000 : year + 1900;
	return digits == 3 ? year + 1900 : year;
}

static bool take_date(struct lex *lex, struct tm *out)
{
	struct lex saved = *lex;
	size_t digits;

	/* The day's name is not looked at. */
	if (lex_skip(lex) && lex_atom(lex, false).len > 0 &&
	    take_char(lex, ','))
		saved = *lex;
	*lex = saved;
	if (!take_number(lex, 2, &digits, &out->tm_mday) ||
	    !take_month(lex, &out->tm_mon) ||
	    !take_number(lex, 4, &digits, &out->tm_year) || digits < 2)
		return false;
	out->tm_year = full_year(out->tm_year, digits) - 1900;
	return out->tm_mday >= 1 && out->tm_mday <= 31 && out->tm_year >= 0;
}

static bool take_time(struct lex *lex, struct tm *out)
{
	size_t digits;

	if (!take_number(lex, 2, &digits, &out->tm_hour))
		return false;
	if (!take_char(lex, ':') && !take_char(lex, '.'))
		return false;
	if (!take_number(lex, 2, &digits, &out->tm_min))
		return false;
	if ((take_char(lex, ':') || take_char(lex, '.')) &&
	    !take_number(lex, 2, &digits, &out->tm_sec))
		return false;
	if (out->tm_sec == 60) /* a leap second, as the one before it */
		out->tm_sec = 59;
	return out->tm_hour < 24 && out->tm_min < 60 && out->tm_sec < 60;
}

/* "+0200", "GMT"; what is unknown is UTC (RFC 5322 section 4.3). */
static int take_zone(struct lex *lex)
{
	char sign = lex_skip(lex) ? lex_peek(lex) : '\0';
	size_t digits;
	struct str name;
	int value;

	if (sign == '+' || sign == '-') {
		lex_drop(lex);
		if (!take_number(lex, 4, &digits, &value) || digits != 4)
			return 0;
		value = value / 100 * 60 + value % 100;
		return sign == '-' ? -value : value;
	}
	name = lex_atom(lex, false);
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		if (str_case_is(name, zones[i].name))
			return zones[i].hours * 60;
	}
	return 0;
}

bool date_parse(struct str value, time_t *utc_out, int *zone_minutes_out)
{
	CLEANUP(buf_free) struct buf scratch = buf_init(SIZE_MAX);
	struct lex lex = {.rest = lex_flat(value, &scratch)};
	struct tm tm = {0};
	int zone, day;
	time_t local;

	if (!take_date(&lex, &tm) || !take_time(&lex, &tm))
		return false;
	zone = take_zone(&lex);
	day = tm.tm_mday;
	local = timegm(&tm); /* makes 2 March of 31 February */
	if (tm.tm_mday != day)
		return false;
	*utc_out = local - (time_t)zone * 60;
	*zone_minutes_out = zone;
	return true;
}

void date_write(time_t t, struct buf *out)
{
	struct tm tm;
	long zone;

	if (localtime_r(&t, &tm) == NULL)
		tm = (struct tm){.tm_mday = 1, .tm_year = 70, .tm_wday = 4};
	zone = tm.tm_gmtoff / 60;
	buf_printf(out, "%.3s, %02d %.3s %04d %02d:%02d:%02d %c%02ld%02ld",
		   days + (ptrdiff_t)3 * tm.tm_wday, tm.tm_mday,
		   months + (ptrdiff_t)3 * tm.tm_mon, tm.tm_year + 1900,
		   tm.tm_hour, tm.tm_min, tm.tm_sec, zone < 0 ? '-' : '+',
		   labs(zone) / 60, labs(zone) % 60);
}
