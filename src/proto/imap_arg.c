/* SPDX-License-Identifier: MIT */
/*
 * proto/imap_arg.c - what arguments mean: strings, numbers, sets, dates.
 */
#include "proto/imap.h"

#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/mem.h"

bool imap_arg_astring(const struct imap_arg *arg, struct str *out)
{
	switch (arg->kind) {
	case IMAP_ARG_ATOM:
	case IMAP_ARG_STRING:
	case IMAP_ARG_LITERAL:
		*out = arg->text;
		return true;
	case IMAP_ARG_END:
	case IMAP_ARG_NIL:
	case IMAP_ARG_LIST:
	case IMAP_ARG_STREAM:
		break;
	}
	return false;
}

bool imap_arg_atom_is(const struct imap_arg *arg, const char *word)
{
	return (arg->kind == IMAP_ARG_ATOM || arg->kind == IMAP_ARG_NIL) &&
	       str_case_is(arg->text, word);
}

bool imap_arg_number(const struct imap_arg *arg, uint32_t *out)
{
	return arg->kind == IMAP_ARG_ATOM && str_to_u32(arg->text, out);
}

/* sets */

static bool set_number(struct str text, uint32_t star, uint32_t *out)
{
	if (str_is(text, "*")) {
		*out = star;
		return true;
	}
	return str_to_u32(text, out) && *out != 0;
}

static bool set_range(struct str text, uint32_t star, struct range *out)
{
	ptrdiff_t colon = str_find_char(text, ':');
	uint32_t swap;

	if (colon < 0) {
		if (!set_number(text, star, &out->first))
			return false;
		out->last = out->first;
		return true;
	}
	if (!set_number(str_n(text.data, colon), star, &out->first) ||
	    !set_number(str_from(text, colon + 1), star, &out->last))
		return false;
	if (out->first > out->last) {
		swap = out->first;
		out->first = out->last;
		out->last = swap;
	}
	return true;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

bool imap_sequence_set(struct str text, uint32_t star, struct range_set *out)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "sequence set");
	struct range *ranges = NULL;
	size_t count = 0, cap = 0;
	struct str part;

	if (text.len == 0 || text.data[text.len - 1] == ',')
		return false;
	while (str_split(&text, ',', &part)) {
		if (count == cap) {
			cap = cap == 0 ? 8 : cap * 2;
			ranges = mem_resize(ctx, ranges, struct range, cap);
		}
		if (!set_range(part, star, &ranges[count++]))
			return false;
	}
	/* In order, each one is added at the end: a long list in any other
	 * order would cost its square. */
	qsort(ranges, count, sizeof(struct range), compare_ranges);
	for (size_t i = 0; i < count; i++)
		range_set_add(out, ranges[i].first, ranges[i].last);
	return true;
}

/* dates */

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Exactly `digits` digits. */
static bool take_number(struct str *text, size_t digits, int *out)
{
	uint32_t value;

	if (text->len < digits ||
	    !str_to_u32(str_n(text->data, digits), &value))
		return false;
	*out = (int)value;
	*text = str_from(*text, digits);
	return true;
}

static bool take_char(struct str *text, char c)
{
	if (text->len == 0 || text->data[0] != c)
		return false;
	*text = str_from(*text, 1);
	return true;
}

static bool take_month(struct str *text, int *out)
{
	if (text->len < 3)
		return false;
	for (int i = 0; i < 12; i++) {
		if (str_case_equal(str_n(text->data, 3),
				   str_n(months + (ptrdiff_t)3 * i, 3))) {
			*out = i;
			*text = str_from(*text, 3);
			return true;
		}
	}
	return false;
}

/* "7-Feb-1994", " 7-Feb-1994" or "07-Feb-1994". */
static bool take_date(struct str *text, struct tm *out)
{
	size_t digits = text->len > 1 && text->data[1] != '-' ? 2 : 1;

	if (take_char(text, ' '))
		digits = 1;
	if (!take_number(text, digits, &out->tm_mday) ||
	    !take_char(text, '-') || !take_month(text, &out->tm_mon) ||
	    !take_char(text, '-') || !take_number(text, 4, &out->tm_year))
		return false;
	out->tm_year -= 1900;
	return out->tm_mday >= 1 && out->tm_mday <= 31;
}

static bool take_time(struct str *text, struct tm *out)
{
	return take_number(text, 2, &out->tm_hour) && take_char(text, ':') &&
	       take_number(text, 2, &out->tm_min) && take_char(text, ':') &&
	       take_number(text, 2, &out->tm_sec) && out->tm_hour < 24 &&
	       out->tm_min < 60 && out->tm_sec <= 60;
}

static bool take_zone(struct str *text, int *out)
{
	bool minus = text->len > 0 && text->data[0] == '-';
	int hours, minutes;

	if (!take_char(text, minus ? '-' : '+') ||
	    !take_number(text, 2, &hours) || !take_number(text, 2, &minutes) ||
	    hours >= 24 || minutes >= 60)
		return false;
	*out = (hours * 60 + minutes) * (minus ? -1 : 1);
	return true;
}

bool imap_date_time(struct str text, int64_t *utc_out, int *zone_minutes_out)
{
	struct tm tm = {0};
	int zone;

	if (!take_date(&text, &tm) || !take_char(&text, ' ') ||
	    !take_time(&text, &tm) || !take_char(&text, ' ') ||
	    !take_zone(&text, &zone) || text.len != 0)
		return false;
	*utc_out = timegm(&tm) - (int64_t)zone * 60;
	*zone_minutes_out = zone;
	return true;
}

bool imap_date(struct str text, int64_t *out)
{
	struct tm tm = {0};

	if (!take_date(&text, &tm) || text.len != 0)
		return false;
	*out = timegm(&tm);
	return true;
}
