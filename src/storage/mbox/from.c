/* SPDX-License-Identifier: MIT */
/*
 * storage/mbox/from.c - "From sender Sat Nov 28 20:15:24 2026".
 *
 * As lenient as Dovecot: seconds may be missing; a zone may stand before the
 * year, or behind it (then a number counts); day and month in either order; the
 * sender may be empty or quoted. What follows the year does not matter.
 */
#include <string.h>
#include <time.h>

#include "storage/mbox/mbox.h"

static const char month_names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	c = ascii_lower(c);
	return c >= 'a' && c <= 'z';
}

static char at_start(struct str s)
{
	return s.len > 0 ? s.data[0] : '\0';
}

static void skip_blanks(struct str *at)
{
	while (at_start(*at) == ' ' || at_start(*at) == '\t')
		*at = str_from(*at, 1);
}

static bool skip_char(struct str *at, char c)
{
	if (at_start(*at) != c)
		return false;
	*at = str_from(*at, 1);
	return true;
}

static bool number(struct str *at, size_t min, size_t max, int *out)
{
	size_t len = 0;
	int value = 0;

	while (len < at->len && len < max && is_digit(at->data[len]))
		value = value * 10 + (at->data[len++] - '0');
	if (len < min)
		return false;
	*at = str_from(*at, len);
	*out = value;
	return true;
}

static void skip_sender(struct str *at)
{
	bool quoted = false;

	while (at->len > 0 && (quoted || at_start(*at) != ' ')) {
		if (at_start(*at) == '"')
			quoted = !quoted;
		*at = str_from(*at, 1);
	}
	skip_blanks(at);
}

static bool weekday(struct str *at)
{
	if (at->len < 4 || !is_alpha(at->data[0]) || !is_alpha(at->data[1]) ||
	    !is_alpha(at->data[2]))
		return false;
	*at = str_from(*at, 3);
	skip_char(at, ',');
	if (at_start(*at) != ' ')
		return false;
	skip_blanks(at);
	return true;
}

static bool month(struct str *at, int *out)
{
	char name[3];

	if (at->len < 4 || at->data[3] != ' ')
		return false;
	for (size_t i = 0; i < 3; i++)
		name[i] = ascii_lower(at->data[i]);
	for (int i = 0; i < 12; i++) {
		if (memcmp(month_names + (ptrdiff_t)3 * i, name, 3) == 0) {
			*out = i;
			*at = str_from(*at, 3);
			skip_blanks(at);
			return true;
		}
	}
	return false;
}

static bool day(struct str *at, int *out)
{
	if (!number(at, 1, 2, out) || at_start(*at) != ' ')
		return false;
	skip_blanks(at);
	return true;
}

static bool clock_time(struct str *at, struct tm *tm)
{
	if (!number(at, 2, 2, &tm->tm_hour) || !skip_char(at, ':') ||
	    !number(at, 2, 2, &tm->tm_min))
		return false;
	if (skip_char(at, ':') && !number(at, 2, 2, &tm->tm_sec))
		return false;
	if (at_start(*at) != ' ')
		return false;
	skip_blanks(at);
	return true;
}

static bool year(struct str *at, int *out)
{
	struct str rest = *at;

	if (!number(&rest, 4, 4, out))
		return false;
	*at = rest;
	return true;
}

/* "EST" or "+0100" in front of the year. */
static void skip_zone(struct str *at)
{
	struct str rest = *at;
	int ignored;

	if (skip_char(&rest, '+') || skip_char(&rest, '-')) {
		if (!number(&rest, 4, 4, &ignored))
			return;
	} else {
		while (is_alpha(at_start(rest)))
			rest = str_from(rest, 1);
	}
	if (at_start(rest) != ' ')
		return;
	skip_blanks(&rest);
	*at = rest;
}

/* A number behind the year: seconds east of Greenwich. */
static bool zone_offset(struct str at, int *out)
{
	int sign, hhmm;

	if (!skip_char(&at, ' '))
		return false;
	if (at_start(at) != '+' && at_start(at) != '-')
		return false;
	sign = at_start(at) == '-' ? -1 : 1;
	at = str_from(at, 1);
	if (!number(&at, 4, 4, &hhmm))
		return false;
	*out = sign * ((hhmm / 100) * 3600 + (hhmm % 100) * 60);
	return true;
}

/* Seconds that the zone of this system is east of Greenwich at that time. */
static int64_t local_offset(int64_t time)
{
	time_t seconds = (time_t)time;
	struct tm tm;

	return localtime_r(&seconds, &tm) == NULL ? 0 : tm.tm_gmtoff;
}

/* What a clock on the wall of this system showed, as UTC. Not with mktime(),
 * which looks at /etc/localtime each time. */
static int64_t local_to_utc(int64_t shown)
{
	int64_t utc = shown - local_offset(shown);

	return shown - local_offset(utc);
}

bool mbox_from_parse(struct str line, int64_t *time_out)
{
	struct tm tm = {0};
	int full_year, offset;
	int64_t shown;

	if (!str_starts(line, "From "))
		return false;
	line = str_from(line, 5);
	skip_sender(&line);
	if (!weekday(&line))
		return false;
	if (is_digit(at_start(line))
		    ? !day(&line, &tm.tm_mday) || !month(&line, &tm.tm_mon)
		    : !month(&line, &tm.tm_mon) || !day(&line, &tm.tm_mday))
		return false;
	/* "Sat, 28 Nov 2026 20:15:24 +0100" */
	if (line.len > 4 && year(&line, &full_year)) {
		skip_blanks(&line);
		/* Nothing need follow the time here. */
		if (!number(&line, 2, 2, &tm.tm_hour) ||
		    !skip_char(&line, ':') || !number(&line, 2, 2, &tm.tm_min))
			return false;
		if (skip_char(&line, ':') && !number(&line, 2, 2, &tm.tm_sec))
			return false;
	} else {
		if (!clock_time(&line, &tm))
			return false;
		if (!year(&line, &full_year)) {
			skip_zone(&line);
			if (!year(&line, &full_year))
				return false;
		}
	}
	tm.tm_year = full_year - 1900;
	shown = timegm(&tm);
	*time_out = zone_offset(line, &offset) ? shown - offset
					       : local_to_utc(shown);
	return true;
}

struct str mbox_from_sender(struct str line)
{
	struct str sender = str_from(line, strlen("From ")), rest = sender;

	skip_sender(&rest);
	sender.len -= rest.len;
	return str_trim(sender);
}

void mbox_from_write(const char *sender, int64_t time, struct buf *out)
{
	time_t seconds = (time_t)time;
	char date[64];
	struct tm tm;

	if (localtime_r(&seconds, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	/* Years of more or fewer digits would make it no such line. */
	if (tm.tm_year < 0 || tm.tm_year > 9999 - 1900)
		tm = (struct tm){.tm_mday = 1, .tm_year = 70, .tm_wday = 4};
	/* The C locale's names are meant, and that is ours. */
	strftime(date, sizeof(date), "%a %b %d %H:%M:%S %Y", &tm);
	buf_printf(out, "From %s  %s\n", sender, date);
}
