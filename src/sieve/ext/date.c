/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/date.c - date, currentdate (RFC 5260 sections 4, 5).
 */
#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"
#include "mime/date.h"
#include "sieve/ext.h"

/* A point of time in a zone. */
struct moment {
	time_t utc;
	int zone; /* minutes east of UTC */
	struct tm tm;
};

static const char *const days[] = {"Sun", "Mon", "Tue", "Wed",
				   "Thu", "Fri", "Sat"};
static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
				     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static char sign_of(const struct moment *at)
{
	return at->zone < 0 ? '-' : '+';
}

static int abs_zone(const struct moment *at)
{
	return at->zone < 0 ? -at->zone : at->zone;
}

/* parts */

static void put_year(const struct moment *at, struct buf *out)
{
	buf_printf(out, "%04d", at->tm.tm_year + 1900);
}

static void put_month(const struct moment *at, struct buf *out)
{
	buf_printf(out, "%02d", at->tm.tm_mon + 1);
}

static void put_day(const struct moment *at, struct buf *out)
{
	buf_printf(out, "%02d", at->tm.tm_mday);
}

static void put_date(const struct moment *at, struct buf *out)
{
	buf_printf(out, "%04d-%02d-%02d", at->tm.tm_year + 1900,
		   at->tm.tm_mon + 1, at->tm.tm_mday);
}

/* The Modified Julian Day of the date in its zone; 1970-01-01 is 40587. */
static void put_julian(const struct moment *at, struct buf *out)
{
	int64_t local = (int64_t)at->utc + (int64_t)at->zone * 60;
	int64_t day = local / 86400 - (local % 86400 < 0);

	buf_printf(out, "%lld", (long long)(day + 40587));
}

static void put_hour(const struct moment *at, struct buf *out)
{
	buf_printf(out, "%02d", at->tm.tm_hour);
}

static void put_minute(const struct moment *at, struct buf *out)
{
	buf_printf(out, "%02d", at->tm.tm_min);
}

static void put_second(const struct moment *at, struct buf *out)
{
	buf_printf(out, "%02d", at->tm.tm_sec);
}

static void put_time(const struct moment *at, struct buf *out)
{
	buf_printf(out, "%02d:%02d:%02d", at->tm.tm_hour, at->tm.tm_min,
		   at->tm.tm_sec);
}

static void put_iso8601(const struct moment *at, struct buf *out)
{
	put_date(at, out);
	buf_putc(out, 'T');
	put_time(at, out);
	if (at->zone == 0)
		buf_putc(out, 'Z');
	else
		buf_printf(out, "%c%02d:%02d", sign_of(at), abs_zone(at) / 60,
			   abs_zone(at) % 60);
}

static void put_zone(const struct moment *at, struct buf *out)
{
	buf_printf(out, "%c%02d%02d", sign_of(at), abs_zone(at) / 60,
		   abs_zone(at) % 60);
}

static void put_std11(const struct moment *at, struct buf *out)
{
	buf_printf(out, "%s, %02d %s %04d ", days[at->tm.tm_wday],
		   at->tm.tm_mday, months[at->tm.tm_mon],
		   at->tm.tm_year + 1900);
	put_time(at, out);
	buf_putc(out, ' ');
	put_zone(at, out);
}

static void put_weekday(const struct moment *at, struct buf *out)
{
	buf_printf(out, "%d", at->tm.tm_wday);
}

static const struct part {
	const char *name;
	void (*put)(const struct moment *at, struct buf *out);
} parts[] = {
	{"year", put_year},       {"month", put_month},   {"day", put_day},
	{"date", put_date},       {"julian", put_julian}, {"hour", put_hour},
	{"minute", put_minute},   {"second", put_second}, {"time", put_time},
	{"iso8601", put_iso8601}, {"std11", put_std11},   {"zone", put_zone},
	{"weekday", put_weekday},
};

static const struct part *find_part(struct str name)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (str_case_is(name, parts[i].name))
			return &parts[i];
	}
	return NULL;
}

static void part_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	if (find_part(arg->text) == NULL)
		sieve_warning(check, arg->at,
			      "specified date part '%.*s' is not known",
			      STR_FMT(arg->text));
}

/* zones */

/* "+0130" */
static bool parse_zone(struct str text, int *minutes_out)
{
	int number = 0;

	if (text.len != 5 || (text.data[0] != '+' && text.data[0] != '-'))
		return false;
	for (size_t i = 1; i < 5; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		number = number * 10 + (text.data[i] - '0');
	}
	if (number % 100 >= 60)
		return false;
	number = number / 100 * 60 + number % 100;
	*minutes_out = text.data[0] == '-' ? -number : number;
	return true;
}

static void zone_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	int minutes;

	if (!parse_zone(arg->text, &minutes))
		sieve_warning(check, arg->at,
			      "specified :zone argument '%.*s' is not a valid "
			      "timezone",
			      STR_FMT(arg->text));
}

static int local_zone(time_t at)
{
	struct tm tm;

	return localtime_r(&at, &tm) != NULL ? (int)(tm.tm_gmtoff / 60) : 0;
}

/* The zone that is asked for; `original` is the date's own. */
static int choose_zone(const struct sieve_args *args, time_t at, int original)
{
	const struct sieve_value *zone = sieve_args_tag(args, "zone");
	int minutes;

	if (zone != NULL && parse_zone(zone->text, &minutes))
		return minutes;
	if (sieve_args_tag(args, "originalzone") != NULL)
		return original;
	return local_zone(at);
}

/* tests */

static int match_part(struct sieve_match *match, struct str name, time_t utc,
		      int zone, struct err *err)
{
	const struct part *part = find_part(name);
	struct moment at = {.utc = utc, .zone = zone};
	time_t local = utc + (time_t)zone * 60;
	CLEANUP(buf_free) struct buf text = buf_init(100);

	if (part == NULL || gmtime_r(&local, &at.tm) == NULL)
		return 0;
	part->put(&at, &text);
	return sieve_match_value(match, str_n(text.data, text.len), err);
}

/* All of the value is a date, or what is behind its last semicolon. */
static bool field_date(struct sieve_run *run, struct sieve_field *field,
		       time_t *utc_out, int *zone_out)
{
	struct str value = sieve_field_flat(run->message, field);
	const char *semicolon = memrchr(value.data, ';', value.len);

	if (semicolon != NULL)
		value = str_from(value, (size_t)(semicolon + 1 - value.data));
	return date_parse(value, utc_out, zone_out);
}

static int date_run(struct sieve_run *run, const struct sieve_args *args,
		    bool *result_out, struct err *err)
{
	struct sieve_fields fields;
	struct sieve_field *field;
	struct sieve_match match;
	time_t utc;
	int zone;

	sieve_match_begin(&match, run, args, &args->params[2]);
	sieve_fields_begin(&fields, run, args, &args->params[0].text, 1);
	field = sieve_fields_next(&fields);
	if (field != NULL && field_date(run, field, &utc, &zone) &&
	    match_part(&match, args->params[1].text, utc,
		       choose_zone(args, utc, zone), err) < 0)
		return -1;
	return sieve_match_end(&match, result_out, err);
}

static int currentdate_run(struct sieve_run *run, const struct sieve_args *args,
			   bool *result_out, struct err *err)
{
	time_t now = (time_t)(sieve_run_now_us(run) / 1000000);
	struct sieve_match match;

	sieve_match_begin(&match, run, args, &args->params[1]);
	if (match_part(&match, args->params[0].text, now,
		       choose_zone(args, now, 0), err) < 0)
		return -1;
	return sieve_match_end(&match, result_out, err);
}

static const struct sieve_tag tags[] = {
	{.name = "zone",
	 .of = "date currentdate",
	 .group = "zone",
	 .param = {"time zone", SIEVE_STRING, 0, zone_check}},
	{.name = "originalzone", .of = "date", .group = "zone"},
	SIEVE_END,
};

static const struct sieve_command commands[] = {
	{.name = "date",
	 .flags = SIEVE_IS_TEST,
	 .takes = "match fields",
	 .params = {{"header name", SIEVE_STRING, 0, sieve_check_header_name},
		    {"date part", SIEVE_STRING, 0, part_check},
		    {"key list", SIEVE_STRINGS, 0, NULL}},
	 .run = date_run},
	{.name = "currentdate",
	 .flags = SIEVE_IS_TEST,
	 .takes = "match",
	 .params = {{"date part", SIEVE_STRING, 0, part_check},
		    {"key list", SIEVE_STRINGS, 0, NULL}},
	 .run = currentdate_run},
	SIEVE_END,
};

const struct sieve_extension ext_date = {
	.name = "date", .commands = commands, .tags = tags};
