/* SPDX-License-Identifier: MIT */
/*
 * sieve/calendar.c - reading calendar objects, and finding instances in them.
 */
#include "sieve/calendar_file.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"

enum { COMPARE_MAX = 4 * CALENDAR_MAX_SIZE };

/* reading */

static int calendar_free(struct calendar *calendar)
{
	if (calendar->root != NULL)
		icalcomponent_free(calendar->root);
	return 0;
}

/* For icalparser_get_line(): as fgets(). */
static char *next_line(char *out, size_t size, void *ctx)
{
	struct str *rest = ctx;
	size_t len = str_find_char(*rest, '\n');

	if (rest->len == 0 || size < 2)
		return NULL;
	len = len < rest->len ? len + 1 : rest->len;
	if (len > size - 1)
		len = size - 1;
	memcpy(out, rest->data, len);
	out[len] = '\0';
	*rest = str_from(*rest, len);
	return out;
}

/* How deep components are in one another after that line. */
static void count_depth(const char *line, int *depth)
{
	if (strncasecmp(line, "BEGIN:", 6) == 0)
		++*depth;
	else if (strncasecmp(line, "END:", 4) == 0)
		--*depth;
}

/* One unfolded line. False: enough; *root is the only component, or NULL. */
static bool take_line(icalparser *parser, char *line, int *depth,
		      icalcomponent **root)
{
	icalcomponent *found;

	count_depth(line, depth);
	if (*depth < 0 || *depth > CALENDAR_MAX_DEPTH)
		return false;
	found = icalparser_add_line(parser, line);
	if (found == NULL)
		return true;
	if (*root == NULL) {
		*root = found;
		return true;
	}
	icalcomponent_free(found);
	return false;
}

/* NULL: there is no component, or more than one, or too much. */
static icalcomponent *parse_lines(icalparser *parser, struct str *rest)
{
	icalcomponent *root = NULL;
	int depth = 0, lines = 0;
	bool good = true;

	icalparser_set_gen_data(parser, rest);
	while (good) {
		char *line = icalparser_get_line(parser, next_line);

		if (line == NULL)
			return root;
		good = ++lines <= CALENDAR_MAX_LINES &&
		       take_line(parser, line, &depth, &root);
		icalmemory_free_buffer(line);
	}
	if (root != NULL)
		icalcomponent_free(root);
	return NULL;
}

static icalcomponent *parse(struct str text)
{
	struct str rest = text;
	size_t commas = 0;
	icalparser *parser;
	icalcomponent *root;

	for (size_t i = 0; i < text.len; i++)
		commas += text.data[i] == ',';
	if (text.len > CALENDAR_MAX_SIZE || commas > CALENDAR_MAX_COMMAS ||
	    memchr(text.data, '\0', text.len) != NULL)
		return NULL;
	icalerror_set_errors_are_fatal(0);
	parser = icalparser_new();
	root = parse_lines(parser, &rest);
	icalparser_free(parser);
	return root;
}

/* VALUE= may say otherwise, and libical believes it: what is read here is of
 * its own kind. */
static bool is_sound(icalproperty *prop)
{
	icalvalue *value = icalproperty_get_value(prop);
	icalvalue_kind kind =
		value == NULL ? ICAL_NO_VALUE : icalvalue_isa(value);

	switch (icalproperty_isa(prop)) {
	case ICAL_DTSTART_PROPERTY:
	case ICAL_DTEND_PROPERTY:
	case ICAL_DUE_PROPERTY:
	case ICAL_EXDATE_PROPERTY:
	case ICAL_RECURRENCEID_PROPERTY:
		return kind == ICAL_DATE_VALUE || kind == ICAL_DATETIME_VALUE ||
		       kind == ICAL_DATETIMEDATE_VALUE;
	case ICAL_RDATE_PROPERTY:
		return kind == ICAL_DATE_VALUE || kind == ICAL_DATETIME_VALUE ||
		       kind == ICAL_DATETIMEPERIOD_VALUE ||
		       kind == ICAL_PERIOD_VALUE;
	case ICAL_ATTENDEE_PROPERTY:
	case ICAL_ORGANIZER_PROPERTY:
	case ICAL_DTSTAMP_PROPERTY:
	case ICAL_METHOD_PROPERTY:
	case ICAL_RRULE_PROPERTY:
	case ICAL_SEQUENCE_PROPERTY:
	case ICAL_STATUS_PROPERTY:
	case ICAL_TZID_PROPERTY:
	case ICAL_UID_PROPERTY:
		return kind ==
		       icalproperty_kind_to_value_kind(icalproperty_isa(prop));
	default:
		return true;
	}
}

static bool all_sound(icalcomponent *component)
{
	icalproperty *at =
		icalcomponent_get_first_property(component, ICAL_ANY_PROPERTY);

	for (; at != NULL; at = icalcomponent_get_next_property(
				   component, ICAL_ANY_PROPERTY)) {
		if (!is_sound(at))
			return false;
	}
	return true;
}

/* Properties that libical could not read are X-LIC-ERROR then. */
static bool is_whole(icalcomponent *root)
{
	return icalcomponent_isa(root) == ICAL_VCALENDAR_COMPONENT &&
	       icalcomponent_count_errors(root) == 0 && all_sound(root);
}

static const char *take_instance(struct calendar *calendar, icalcomponent *at)
{
	icalcomponent_kind kind = icalcomponent_isa(at);
	const char *uid;

	if (!all_sound(at))
		return "the calendar data is malformed";
	if (kind == ICAL_VTIMEZONE_COMPONENT)
		return NULL;
	if (kind != ICAL_VEVENT_COMPONENT && kind != ICAL_VTODO_COMPONENT &&
	    kind != ICAL_VJOURNAL_COMPONENT)
		return "it is neither an event nor a task nor a journal entry";
	uid = icalcomponent_get_uid(at);
	if (uid == NULL || uid[0] == '\0' || strlen(uid) > CALENDAR_MAX_UID)
		return "it has no UID, or a long one";
	if (calendar->uid == NULL) {
		calendar->uid = mem_strdup(calendar, uid);
		calendar->kind = kind;
	}
	return calendar->kind != kind || strcmp(calendar->uid, uid) != 0
		       ? "there are several objects"
		       : NULL;
}

/* What is wrong with it; NULL: nothing. */
static const char *take(struct calendar *calendar)
{
	unsigned wholes = 0;
	const char *wrong;

	if (calendar->root == NULL || !is_whole(calendar->root))
		return "the calendar data is malformed";
	for (icalcomponent *at = icalcomponent_get_first_component(
		     calendar->root, ICAL_ANY_COMPONENT);
	     at != NULL; at = icalcomponent_get_next_component(
				 calendar->root, ICAL_ANY_COMPONENT)) {
		wrong = take_instance(calendar, at);
		if (wrong != NULL)
			return wrong;
	}
	if (calendar->uid == NULL)
		return "there is no object";
	if (icalcomponent_count_components(calendar->root, ICAL_ANY_COMPONENT) >
	    CALENDAR_MAX_PARTS)
		return "it has too many instances";
	CALENDAR_FOREACH(calendar, at)
	wholes += icalcomponent_get_first_property(
			  at, ICAL_RECURRENCEID_PROPERTY) == NULL;
	return wholes > 1 ? "there are several objects" : NULL;
}

struct calendar *calendar_read(const void *ctx, struct str text,
			       const char **reason_out)
{
	struct calendar *calendar = mem_new(ctx, struct calendar);

	talloc_set_destructor(calendar, calendar_free);
	calendar->root = parse(text);
	*reason_out = take(calendar);
	if (*reason_out != NULL) {
		mem_free(calendar);
		return NULL;
	}
	calendar->method = icalcomponent_get_method(calendar->root);
	return calendar;
}

const char *calendar_uid(const struct calendar *calendar)
{
	return calendar->uid;
}

bool calendar_has_method(const struct calendar *calendar, struct str method)
{
	const char *name = icalproperty_method_to_string(calendar->method);

	return name != NULL && str_case_is(method, name);
}

/* comparing */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In an order of its own, at most *room octets; CALENDAR_MAX_DEPTH bounds the
 * recursion. NULL: it is too long, which values with long parameters can be. */
static const char *sorted(const void *ctx, icalcomponent *component,
			  size_t *room)
{
	CLEANUP(buf_free) struct buf out = buf_init(COMPARE_MAX);
	int max = icalcomponent_count_properties(component, ICAL_ANY_PROPERTY) +
		  icalcomponent_count_components(component, ICAL_ANY_COMPONENT);
	const char **texts = mem_array(ctx, const char *, (size_t)max + 1);
	size_t count = 0;

	for (icalproperty *at = icalcomponent_get_first_property(
		     component, ICAL_ANY_PROPERTY);
	     at != NULL; at = icalcomponent_get_next_property(
				 component, ICAL_ANY_PROPERTY)) {
		char *text = icalproperty_as_ical_string_r(at);
		size_t len = text == NULL ? *room : strlen(text);

		if (len < *room)
			texts[count++] = mem_strdup(texts, text);
		icalmemory_free_buffer(text);
		if (len >= *room)
			return NULL;
		*room -= len;
	}
	for (icalcomponent *at = icalcomponent_get_first_component(
		     component, ICAL_ANY_COMPONENT);
	     at != NULL; at = icalcomponent_get_next_component(
				 component, ICAL_ANY_COMPONENT)) {
		texts[count] = sorted(texts, at, room);
		if (texts[count++] == NULL)
			return NULL;
	}
	qsort(texts, count, sizeof(*texts), by_text);
	buf_printf(&out, "BEGIN:%s\n",
		   icalcomponent_kind_to_string(icalcomponent_isa(component)));
	for (size_t i = 0; i < count; i++)
		buf_add(&out, texts[i]);
	buf_add(&out, "END\n");
	return out.overflow ? NULL : buf_steal(ctx, &out);
}

bool calendar_equal(const struct calendar *a, const struct calendar *b)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "calendars");
	size_t room_a = COMPARE_MAX, room_b = COMPARE_MAX;
	const char *text_a = sorted(ctx, a->root, &room_a);
	const char *text_b = sorted(ctx, b->root, &room_b);

	return text_a != NULL && text_b != NULL && strcmp(text_a, text_b) == 0;
}

/* what is in it */

struct str calendar_address(icalproperty *prop)
{
	icalvalue *value = prop == NULL ? NULL : icalproperty_get_value(prop);
	const char *text =
		value == NULL ? NULL : icalvalue_get_caladdress(value);

	if (text == NULL)
		return (struct str){NULL, 0};
	if (strchr(text, ':') == NULL)
		return (struct str){NULL, 0};
	if (strncasecmp(text, "mailto:", 7) == 0)
		text += 7;
	return str_trim(str_of(text));
}

void calendar_drop(icalcomponent *component, icalproperty_kind kind)
{
	icalproperty *at;

	while ((at = icalcomponent_get_first_property(component, kind)) !=
	       NULL) {
		icalcomponent_remove_property(component, at);
		icalproperty_free(at);
	}
}

void calendar_drop_components(icalcomponent *component, icalcomponent_kind kind)
{
	icalcomponent *at;

	while ((at = icalcomponent_get_first_component(component, kind)) !=
	       NULL) {
		icalcomponent_remove_component(component, at);
		icalcomponent_free(at);
	}
}

/* instances */

/* The system's zone of that name: others' can't be trusted to end. */
static icaltimezone *zone_of(icalproperty *prop)
{
	icalparameter *tzid =
		icalproperty_get_first_parameter(prop, ICAL_TZID_PARAMETER);

	return tzid == NULL ? NULL
			    : icaltimezone_get_builtin_timezone(
				      icalparameter_get_tzid(tzid));
}

static struct icaltimetype time_of(icalproperty *prop)
{
	icalvalue *value = prop == NULL ? NULL : icalproperty_get_value(prop);

	if (value == NULL)
		return icaltime_null_time();
	switch (icalvalue_isa(value)) {
	case ICAL_DATE_VALUE:
		return icalvalue_get_date(value);
	case ICAL_DATETIME_VALUE:
		return icalvalue_get_datetime(value);
	case ICAL_DATETIMEDATE_VALUE:
		return icalvalue_get_datetimedate(value);
	default:
		return icaltime_null_time();
	}
}

static bool same_clock(struct icaltimetype a, struct icaltimetype b)
{
	return a.year == b.year && a.month == b.month && a.day == b.day &&
	       a.is_date == b.is_date &&
	       (a.is_date || (a.hour == b.hour && a.minute == b.minute &&
			      a.second == b.second));
}

/* As the clock shows it where `like` is: clients may answer in UTC. */
static struct icaltimetype time_like(icalproperty *prop, icalproperty *like)
{
	struct icaltimetype time = time_of(prop);
	icaltimezone *from = icaltime_is_utc(time)
				     ? icaltimezone_get_utc_timezone()
				     : zone_of(prop);
	icaltimezone *to = icaltime_is_utc(time_of(like))
				   ? icaltimezone_get_utc_timezone()
				   : zone_of(like);

	if (!time.is_date && from != NULL && to != NULL && from != to)
		icaltimezone_convert_time(&time, from, to);
	return time;
}

static bool same_time(icalproperty *a, icalproperty *b)
{
	return same_clock(time_like(a, b), time_of(b));
}

icalcomponent *calendar_find(const struct calendar *calendar,
			     icalproperty *recurrence_id)
{
	CALENDAR_FOREACH(calendar, at)
	{
		icalproperty *own = icalcomponent_get_first_property(
			at, ICAL_RECURRENCEID_PROPERTY);

		if ((own == NULL && recurrence_id == NULL) ||
		    (own != NULL && recurrence_id != NULL &&
		     same_time(recurrence_id, own)))
			return at;
	}
	return NULL;
}

static bool at_most_one(const short *list)
{
	return list[0] == ICAL_RECURRENCE_ARRAY_MAX ||
	       list[1] == ICAL_RECURRENCE_ARRAY_MAX;
}

/* One whose next instance is found in a moment, or is none. */
static bool is_quick(const struct icalrecurrencetype *rule)
{
	switch (rule->freq) {
	case ICAL_DAILY_RECURRENCE:
	case ICAL_WEEKLY_RECURRENCE:
	case ICAL_MONTHLY_RECURRENCE:
	case ICAL_YEARLY_RECURRENCE:
		return rule->rscale == NULL && at_most_one(rule->by_hour) &&
		       at_most_one(rule->by_minute) &&
		       at_most_one(rule->by_second);
	default:
		return false;
	}
}

static bool rule_has(icalproperty *prop, struct icaltimetype start,
		     struct icaltimetype time)
{
	struct icalrecurrencetype rule = icalproperty_get_rrule(prop);
	icalrecur_iterator *iterator;
	struct icaltimetype next;
	bool found = false;

	if (!is_quick(&rule) || time.year > start.year + CALENDAR_MAX_YEARS)
		return false;
	/* Or one without instances is followed for centuries. */
	if (rule.count == 0)
		rule.until = time;
	iterator = icalrecur_iterator_new(rule, start);
	for (int i = 0; iterator != NULL && i < CALENDAR_MAX_INSTANCES; i++) {
		next = icalrecur_iterator_next(iterator);
		if (icaltime_is_null_time(next) ||
		    icaltime_compare(next, time) > 0)
			break;
		found |= same_clock(next, time);
	}
	if (iterator != NULL)
		icalrecur_iterator_free(iterator);
	return found;
}

static bool lists(icalcomponent *whole, icalproperty_kind kind,
		  icalproperty *recurrence_id)
{
	for (icalproperty *at = icalcomponent_get_first_property(whole, kind);
	     at != NULL; at = icalcomponent_get_next_property(whole, kind)) {
		icalvalue *value = icalproperty_get_value(at);

		if (kind == ICAL_RDATE_PROPERTY
			    ? same_clock(time_like(recurrence_id, at),
					 icalproperty_get_rdate(at).time)
			    : value != NULL && same_time(recurrence_id, at))
			return true;
	}
	return false;
}

static bool is_instance(struct calendar *calendar, icalcomponent *whole,
			icalproperty *recurrence_id)
{
	icalproperty *first =
		icalcomponent_get_first_property(whole, ICAL_DTSTART_PROPERTY);
	struct icaltimetype start = time_of(first), time;
	icalproperty *rule;

	if (icaltime_is_null_time(start) ||
	    lists(whole, ICAL_EXDATE_PROPERTY, recurrence_id))
		return false;
	time = time_like(recurrence_id, first);
	/* The clock alone counts. */
	time.zone = start.zone;
	if (same_clock(time, start) ||
	    lists(whole, ICAL_RDATE_PROPERTY, recurrence_id))
		return true;
	/* RFC 5545 section 3.8.5.3: there should be one. */
	rule = icalcomponent_get_first_property(whole, ICAL_RRULE_PROPERTY);
	return rule != NULL && calendar->followed++ < CALENDAR_MAX_FOLLOWED &&
	       rule_has(rule, start, time);
}

static void move_end(icalcomponent *instance, struct icaltimetype from,
		     struct icaltimetype to)
{
	static const icalproperty_kind kinds[] = {ICAL_DTEND_PROPERTY,
						  ICAL_DUE_PROPERTY};

	for (size_t i = 0; i < 2; i++) {
		icalproperty *end =
			icalcomponent_get_first_property(instance, kinds[i]);
		struct icaltimetype time = time_of(end);

		if (end != NULL && !icaltime_is_null_time(time))
			icalvalue_set_datetimedate(
				icalproperty_get_value(end),
				icaltime_add(to,
					     icaltime_subtract(time, from)));
	}
}

/* The whole at that time: no recurrences, and RECURRENCE-ID as DTSTART. */
static icalcomponent *make_instance(icalcomponent *whole,
				    icalproperty *recurrence_id)
{
	icalcomponent *instance = icalcomponent_new_clone(whole);
	icalproperty *start = icalcomponent_get_first_property(
		instance, ICAL_DTSTART_PROPERTY);
	struct icaltimetype from = time_of(start);
	struct icaltimetype to = time_like(recurrence_id, start);
	icalproperty *id = icalproperty_new_recurrenceid(to);
	icalparameter *tzid =
		icalproperty_get_first_parameter(start, ICAL_TZID_PARAMETER);

	to.zone = from.zone;
	if (tzid != NULL)
		icalproperty_add_parameter(id, icalparameter_new_clone(tzid));
	calendar_drop(instance, ICAL_RRULE_PROPERTY);
	calendar_drop(instance, ICAL_RDATE_PROPERTY);
	calendar_drop(instance, ICAL_EXDATE_PROPERTY);
	calendar_drop(instance, ICAL_EXRULE_PROPERTY);
	icalcomponent_add_property(instance, id);
	move_end(instance, from, to);
	icalvalue_set_datetimedate(icalproperty_get_value(start), to);
	return instance;
}

icalcomponent *calendar_instance(struct calendar *calendar,
				 icalproperty *recurrence_id)
{
	icalcomponent *found = calendar_find(calendar, recurrence_id);
	icalcomponent *whole = calendar_find(calendar, NULL);

	if (found != NULL || whole == NULL ||
	    !is_instance(calendar, whole, recurrence_id))
		return found;
	found = make_instance(whole, recurrence_id);
	icalcomponent_add_component(calendar->root, found);
	return found;
}
