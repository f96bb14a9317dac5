/* SPDX-License-Identifier: MIT */
/*
 * sieve/calendar_file.h - a calendar object in libical's terms. Only for
 * calendar*.c.
 */
#ifndef SIEVE_CALENDAR_FILE_H
#define SIEVE_CALENDAR_FILE_H
#include <libical/ical.h>

#include "sieve/calendar.h"

struct calendar {
	icalcomponent *root; /* VCALENDAR */
	icalproperty_method method;
	icalcomponent_kind kind; /* of what is not a time zone */
	const char *uid;
	unsigned followed; /* rules */
};

/* Each instance: what is of that kind. */
#define CALENDAR_FOREACH(calendar, at)                                         \
	for (icalcomponent *at = icalcomponent_get_first_component(            \
		     (calendar)->root, (calendar)->kind);                      \
	     at != NULL; at = icalcomponent_get_next_component(                \
				 (calendar)->root, (calendar)->kind))

/* "a@b" of "mailto:a@b", or another URI; data NULL if there is none. */
struct str calendar_address(icalproperty *prop);
/* The instance of that RECURRENCE-ID (NULL: the whole), or NULL. */
icalcomponent *calendar_find(const struct calendar *calendar,
			     icalproperty *recurrence_id);
/* The instance of that RECURRENCE-ID, made from the whole if it is one of its
 * recurrences; NULL if it is none. It is in the calendar. */
icalcomponent *calendar_instance(struct calendar *calendar,
				 icalproperty *recurrence_id);
/* Remove all properties of a kind; all components of a kind. */
void calendar_drop(icalcomponent *component, icalproperty_kind kind);
void calendar_drop_components(icalcomponent *component,
			      icalcomponent_kind kind);

#endif
