/* SPDX-License-Identifier: MIT */
/*
 * sieve/calendar_itip.c - what scheduling messages do to stored objects
 * (RFC 5546). REFRESH, COUNTER and DECLINECOUNTER are for people to decide.
 */
#include <string.h>

#include "base/mem.h"
#include "sieve/calendar_file.h"

struct process {
	struct calendar *mail, *stored; /* the latter may be NULL */
	const struct calendar_options *options;
	struct calendar *result; /* NULL: the object is to be removed */
	const char *reason;
};

static enum calendar_outcome refuse(struct process *process, const char *why)
{
	process->reason = why;
	return CALENDAR_NO_ACTION;
}

static icalproperty *first(icalcomponent *component, icalproperty_kind kind)
{
	return component == NULL
		       ? NULL
		       : icalcomponent_get_first_property(component, kind);
}

static icalproperty *recurrence_id(icalcomponent *component)
{
	return first(component, ICAL_RECURRENCEID_PROPERTY);
}

/* who */

static struct str organizer_of(const struct calendar *calendar)
{
	CALENDAR_FOREACH(calendar, at)
	{
		struct str address =
			calendar_address(first(at, ICAL_ORGANIZER_PROPERTY));

		if (address.data != NULL)
			return address;
	}
	return (struct str){NULL, 0};
}

static bool is_own(const struct process *process, struct str address)
{
	const struct calendar_options *options = process->options;

	return address.data != NULL && address.len > 0 &&
	       options->is_own(options->ctx, address);
}

static icalproperty *find_attendee(icalcomponent *component, struct str address)
{
	for (icalproperty *at = first(component, ICAL_ATTENDEE_PROPERTY);
	     at != NULL; at = icalcomponent_get_next_property(
				 component, ICAL_ATTENDEE_PROPERTY)) {
		if (str_case_equal(calendar_address(at), address))
			return at;
	}
	return NULL;
}

static void copy_status(icalproperty *from, icalproperty *to)
{
	icalparameter *status =
		icalproperty_get_first_parameter(from, ICAL_PARTSTAT_PARAMETER);

	icalproperty_remove_parameter_by_kind(to, ICAL_PARTSTAT_PARAMETER);
	if (status != NULL)
		icalproperty_add_parameter(to, icalparameter_new_clone(status));
}

/* Whether any attendee is the user; *any_out: whether there are attendees. */
static bool is_attendee(const struct process *process, bool *any_out)
{
	*any_out = false;
	CALENDAR_FOREACH(process->mail, at)
	{
		for (icalproperty *prop = first(at, ICAL_ATTENDEE_PROPERTY);
		     prop != NULL; prop = icalcomponent_get_next_property(
					   at, ICAL_ATTENDEE_PROPERTY)) {
			*any_out = true;
			if (is_own(process, calendar_address(prop)))
				return true;
		}
	}
	return false;
}

/* RFC 9671 section 4.6. */
static bool is_welcome(const struct process *process)
{
	const struct calendar_options *options = process->options;
	struct str organizer = organizer_of(process->mail);

	return options->is_welcome == NULL ||
	       (organizer.data != NULL &&
		options->is_welcome(options->ctx, organizer));
}

/* RFC 9671 section 4.1. */
static bool is_target(const struct process *process)
{
	icalproperty_method method = process->mail->method;
	bool any, attends = is_attendee(process, &any);

	if (process->options->allow_public)
		return attends || !any;
	return attends && method != ICAL_METHOD_PUBLISH &&
	       method != ICAL_METHOD_NONE;
}

/* NULL: it is for this user, by somebody who may send it. */
static const char *check_people(const struct process *process)
{
	const struct calendar_options *options = process->options;
	struct str organizer = organizer_of(process->mail), owner;

	if (!is_target(process))
		return "it is not addressed to the user";
	if (!options->allow_public && organizer.data == NULL)
		return "it has no organizer";
	if (is_own(process, organizer))
		return "the user is its organizer";
	if (!is_welcome(process))
		return "its organizer is not in the list";
	if (process->stored == NULL)
		return NULL;
	owner = organizer_of(process->stored);
	if (owner.data == NULL && organizer.data == NULL)
		return NULL;
	return owner.data == NULL || organizer.data == NULL ||
			       !str_case_equal(owner, organizer)
		       ? "its organizer is not that of the stored object"
		       : NULL;
}

/* versions */

static struct icaltimetype stamp_of(icalcomponent *component)
{
	icalproperty *stamp = first(component, ICAL_DTSTAMP_PROPERTY);

	return stamp == NULL ? icaltime_null_time()
			     : icalproperty_get_dtstamp(stamp);
}

/* Section 2.1.5: by SEQUENCE, then by DTSTAMP. */
static bool is_older(icalcomponent *mail, icalcomponent *stored)
{
	int a, b;

	if (stored == NULL)
		return false;
	a = icalcomponent_get_sequence(mail);
	b = icalcomponent_get_sequence(stored);
	return a != b ? a < b
		      : icaltime_compare(stamp_of(mail), stamp_of(stored)) < 0;
}

static void set_version(icalcomponent *component, icalcomponent *mail)
{
	icalproperty *stamp = first(mail, ICAL_DTSTAMP_PROPERTY);

	icalcomponent_set_sequence(component, icalcomponent_get_sequence(mail));
	if (stamp == NULL)
		return;
	calendar_drop(component, ICAL_DTSTAMP_PROPERTY);
	icalcomponent_add_property(component, icalproperty_new_clone(stamp));
}

/* merging */

/* Alarms are the user's own: nobody else sets, or removes, them. */
static void keep_alarms(icalcomponent *mail, icalcomponent *stored)
{
	calendar_drop_components(mail, ICAL_VALARM_COMPONENT);
	if (stored == NULL)
		return;
	for (icalcomponent *at = icalcomponent_get_first_component(
		     stored, ICAL_VALARM_COMPONENT);
	     at != NULL; at = icalcomponent_get_next_component(
				 stored, ICAL_VALARM_COMPONENT))
		icalcomponent_add_component(mail, icalcomponent_new_clone(at));
}

/* RFC 9671 section 4: nobody else answers for the user. */
static void keep_status(const struct process *process, icalcomponent *mail,
			icalcomponent *stored)
{
	for (icalproperty *at = first(mail, ICAL_ATTENDEE_PROPERTY); at != NULL;
	     at = icalcomponent_get_next_property(mail,
						  ICAL_ATTENDEE_PROPERTY)) {
		struct str address = calendar_address(at);
		icalproperty *old = stored != NULL && is_own(process, address)
					    ? find_attendee(stored, address)
					    : NULL;

		if (old != NULL)
			copy_status(old, at);
	}
}

/* What is the user's own in an instance: `whole` has it for new ones. */
static void keep_own(const struct process *process, icalcomponent *mail,
		     icalcomponent *old)
{
	keep_alarms(mail, old);
	keep_status(process, mail,
		    old != NULL ? old : calendar_find(process->stored, NULL));
}

static bool has_zone(const struct calendar *calendar, const char *tzid)
{
	for (icalcomponent *at = icalcomponent_get_first_component(
		     calendar->root, ICAL_VTIMEZONE_COMPONENT);
	     at != NULL; at = icalcomponent_get_next_component(
				 calendar->root, ICAL_VTIMEZONE_COMPONENT)) {
		icalproperty *own = first(at, ICAL_TZID_PROPERTY);

		if (own != NULL &&
		    strcmp(icalproperty_get_tzid(own), tzid) == 0)
			return true;
	}
	return false;
}

static void add_zones(const struct calendar *from, struct calendar *to)
{
	for (icalcomponent *at = icalcomponent_get_first_component(
		     from->root, ICAL_VTIMEZONE_COMPONENT);
	     at != NULL; at = icalcomponent_get_next_component(
				 from->root, ICAL_VTIMEZONE_COMPONENT)) {
		icalproperty *id = first(at, ICAL_TZID_PROPERTY);

		if (id != NULL && !has_zone(to, icalproperty_get_tzid(id)))
			icalcomponent_add_component(
				to->root, icalcomponent_new_clone(at));
	}
}

static void replace(struct calendar *calendar, icalcomponent *old,
		    icalcomponent *new)
{
	if (old != NULL) {
		icalcomponent_remove_component(calendar->root, old);
		icalcomponent_free(old);
	}
	icalcomponent_add_component(calendar->root, new);
}

/* Section 3.2.2: the whole replaces all there is, an instance only itself. */
static enum calendar_outcome update(struct process *process)
{
	struct calendar *mail = process->mail, *stored = process->stored;
	icalcomponent *whole = calendar_find(mail, NULL);
	bool newer = false;

	if (whole != NULL && is_older(whole, calendar_find(stored, NULL)))
		return refuse(process, "it is out of date");
	if (whole != NULL) {
		CALENDAR_FOREACH(mail, at)
		keep_own(process, at, calendar_find(stored, recurrence_id(at)));
		process->result = mail;
		return CALENDAR_UPDATED;
	}
	CALENDAR_FOREACH(mail, at)
	{
		icalcomponent *old = calendar_find(stored, recurrence_id(at));

		if (is_older(at, old))
			continue;
		keep_own(process, at, old);
		replace(stored, old, icalcomponent_new_clone(at));
		newer = true;
	}
	add_zones(mail, stored);
	process->result = stored;
	return newer ? CALENDAR_UPDATED : refuse(process, "it is out of date");
}

static enum calendar_outcome invite(struct process *process)
{
	CALENDAR_FOREACH(process->mail, at)
	{
		if (process->mail->kind == ICAL_VEVENT_COMPONENT &&
		    first(at, ICAL_DTSTART_PROPERTY) == NULL)
			return refuse(process,
				      "the calendar data is malformed");
	}
	if (process->stored != NULL)
		return update(process);
	if (process->options->updates_only)
		return refuse(process, "it is no update of a stored object");
	CALENDAR_FOREACH(process->mail, at)
	keep_alarms(at, NULL);
	process->result = process->mail;
	return CALENDAR_ADDED;
}

static void copy_zone(icalproperty *from, icalproperty *to)
{
	icalparameter *tzid =
		icalproperty_get_first_parameter(from, ICAL_TZID_PARAMETER);

	if (tzid != NULL)
		icalproperty_add_parameter(to, icalparameter_new_clone(tzid));
}

/* Section 3.2.4: an instance more, which becomes an RDATE. */
static enum calendar_outcome add(struct process *process)
{
	struct calendar *stored = process->stored;
	icalcomponent *whole = calendar_find(stored, NULL);
	icalcomponent *at = calendar_find(process->mail, NULL), *old;
	icalproperty *start = first(at, ICAL_DTSTART_PROPERTY), *date;
	struct icaldatetimeperiodtype when = {
		.period = icalperiodtype_null_period()};

	if (whole == NULL || start == NULL)
		return refuse(process, "there is nothing to add it to");
	if (is_older(at, whole))
		return refuse(process, "it is out of date");
	when.time = icalproperty_get_dtstart(start);
	date = icalproperty_new_recurrenceid(when.time);
	copy_zone(start, date);
	icalcomponent_add_property(at, date);
	old = calendar_find(stored, date);
	if (old == NULL) {
		date = icalproperty_new_rdate(when);
		copy_zone(start, date);
		icalcomponent_add_property(whole, date);
	}
	keep_own(process, at, old);
	set_version(whole, at);
	replace(stored, old, icalcomponent_new_clone(at));
	add_zones(process->mail, stored);
	process->result = stored;
	return CALENDAR_UPDATED;
}

/* cancelling */

static void exclude(icalcomponent *whole, icalproperty *id)
{
	icalproperty *date = icalproperty_new_exdate(
		icalvalue_get_datetimedate(icalproperty_get_value(id)));

	copy_zone(id, date);
	icalcomponent_add_property(whole, date);
}

/* False: there is no such instance, or one that is newer. */
static bool cancel_instance(struct process *process, icalcomponent *at)
{
	struct calendar *stored = process->stored;
	icalcomponent *whole = calendar_find(stored, NULL);
	icalcomponent *old = calendar_instance(stored, recurrence_id(at));

	if (old == NULL || is_older(at, old))
		return false;
	if (!process->options->delete_cancelled) {
		icalcomponent_set_status(old, ICAL_STATUS_CANCELLED);
		set_version(old, at);
		return true;
	}
	if (whole != NULL)
		exclude(whole, recurrence_id(old));
	icalcomponent_remove_component(stored->root, old);
	icalcomponent_free(old);
	return true;
}

static enum calendar_outcome cancel_whole(struct process *process,
					  icalcomponent *mail)
{
	struct calendar *stored = process->stored;

	if (is_older(mail, calendar_find(stored, NULL)))
		return refuse(process, "it is out of date");
	if (process->options->delete_cancelled)
		return CALENDAR_UPDATED;
	CALENDAR_FOREACH(stored, at)
	{
		icalcomponent_set_status(at, ICAL_STATUS_CANCELLED);
		set_version(at, mail);
	}
	process->result = stored;
	return CALENDAR_UPDATED;
}

static bool has_range(icalcomponent *component)
{
	icalproperty *id = recurrence_id(component);

	return id != NULL && icalproperty_get_first_parameter(
				     id, ICAL_RANGE_PARAMETER) != NULL;
}

static enum calendar_outcome cancel(struct process *process)
{
	struct calendar *stored = process->stored;
	icalcomponent *whole = calendar_find(process->mail, NULL);
	bool done = false;

	if (whole != NULL)
		return cancel_whole(process, whole);
	CALENDAR_FOREACH(process->mail, at)
	done |= cancel_instance(process, at);
	if (!done)
		return refuse(process, "there is no such instance");
	if (icalcomponent_count_components(stored->root, stored->kind) > 0)
		process->result = stored;
	return CALENDAR_UPDATED;
}

/* answers */

/* Section 3.2.3. NULL: done. */
static const char *answer(struct process *process, icalcomponent *at)
{
	icalproperty *id = recurrence_id(at);
	icalproperty *from = first(at, ICAL_ATTENDEE_PROPERTY), *to;
	struct str address = calendar_address(from);
	icalcomponent *old;

	if (is_own(process, address))
		return "nobody else answers for the user";
	old = id == NULL ? calendar_find(process->stored, NULL)
			 : calendar_instance(process->stored, id);
	if (old == NULL)
		return "there is no such instance";
	to = address.data == NULL ? NULL : find_attendee(old, address);
	if (to == NULL)
		return "who answers is not invited";
	if (icalcomponent_get_sequence(at) < icalcomponent_get_sequence(old))
		return "it is out of date";
	icalproperty_remove_parameter_by_kind(to, ICAL_RSVP_PARAMETER);
	copy_status(from, to);
	return NULL;
}

static enum calendar_outcome reply(struct process *process)
{
	const char *wrong = NULL;
	bool done = false;

	CALENDAR_FOREACH(process->mail, at)
	{
		const char *why = answer(process, at);

		done |= why == NULL;
		if (why != NULL)
			wrong = why;
	}
	process->result = process->stored;
	return done ? CALENDAR_UPDATED : refuse(process, wrong);
}

/* the whole */

static enum calendar_outcome by_organizer(struct process *process)
{
	const char *wrong = check_people(process);

	if (wrong != NULL)
		return refuse(process, wrong);
	CALENDAR_FOREACH(process->mail, at)
	{
		if (has_range(at))
			return refuse(process, "RANGE is not supported");
	}
	switch (process->mail->method) {
	case ICAL_METHOD_ADD:
		return add(process);
	case ICAL_METHOD_CANCEL:
		return cancel(process);
	default:
		return invite(process);
	}
}

static enum calendar_outcome by_attendee(struct process *process)
{
	if (!is_own(process, organizer_of(process->mail)) ||
	    !is_own(process, organizer_of(process->stored)))
		return refuse(process, "the user is not its organizer");
	if (!is_welcome(process))
		return refuse(process, "its organizer is not in the list");
	return reply(process);
}

static enum calendar_outcome run(struct process *process)
{
	const struct calendar_options *options = process->options;

	if (process->stored != NULL &&
	    process->stored->kind != process->mail->kind)
		return refuse(process, "the stored object is of another kind");
	switch (process->mail->method) {
	case ICAL_METHOD_REQUEST:
	case ICAL_METHOD_PUBLISH:
		return by_organizer(process);
	case ICAL_METHOD_ADD:
	case ICAL_METHOD_CANCEL:
	case ICAL_METHOD_REPLY:
		if (process->stored == NULL)
			return refuse(process, "there is no such object");
		return process->mail->method == ICAL_METHOD_REPLY
			       ? by_attendee(process)
			       : by_organizer(process);
	case ICAL_METHOD_NONE:
		return options->allow_public && options->is_welcome == NULL
			       ? by_organizer(process)
			       : refuse(process, "it has no method");
	default:
		return refuse(process, "its method asks for a person");
	}
}

static struct str text_of(const void *ctx, const struct calendar *calendar)
{
	char *text;
	const char *copy;

	calendar_drop(calendar->root, ICAL_METHOD_PROPERTY);
	text = icalcomponent_as_ical_string_r(calendar->root);
	copy = mem_strdup(ctx, text);
	icalmemory_free_buffer(text);
	return str_of(copy);
}

enum calendar_outcome calendar_process(const void *ctx, struct calendar *mail,
				       struct calendar *stored,
				       const struct calendar_options *options,
				       struct str *text_out,
				       const char **reason_out)
{
	struct process process = {
		.mail = mail,
		.stored = stored,
		.options = options,
		.reason = "",
	};
	enum calendar_outcome outcome = run(&process);

	*text_out = (struct str){NULL, 0};
	if (outcome != CALENDAR_NO_ACTION && process.result != NULL)
		*text_out = text_of(ctx, process.result);
	if (text_out->len > CALENDAR_MAX_SIZE ||
	    (process.result != NULL &&
	     icalcomponent_count_components(process.result->root,
					    ICAL_ANY_COMPONENT) >
		     CALENDAR_MAX_PARTS))
		outcome = refuse(&process, "the object is too large");
	*reason_out = process.reason;
	return outcome;
}

const struct calendar_code calendar_code = {
	.read = calendar_read,
	.uid = calendar_uid,
	.has_method = calendar_has_method,
	.equal = calendar_equal,
	.process = calendar_process,
};
