/* SPDX-License-Identifier: MIT */
/*
 * sieve/calendar.h - calendar objects that come by mail (RFC 5546, iTIP) and
 * what becomes of those that are stored, for processcalendar (RFC 9671).
 *
 * libical reads and writes them. Before it sees a text, its size, lines and
 * depth are bounded; recurrences are followed for CALENDAR_MAX_FOLLOWED
 * instances of a mail only, as one may take libical a quarter of a second,
 * and time zones of others (VTIMEZONE) never.
 */
#ifndef SIEVE_CALENDAR_H
#define SIEVE_CALENDAR_H
#include <stdbool.h>

#include "base/str.h"

enum {
	CALENDAR_MAX_SIZE = 256 * 1024,
	CALENDAR_MAX_LINES = 5000,
	CALENDAR_MAX_COMMAS = 5000, /* values of properties */
	CALENDAR_MAX_DEPTH = 4,
	CALENDAR_MAX_PARTS = 200,
	CALENDAR_MAX_INSTANCES = 40000,
	CALENDAR_MAX_YEARS = 100, /* of recurrences */
	CALENDAR_MAX_FOLLOWED = 10,
	CALENDAR_MAX_UID = 255,
};

enum calendar_outcome {
	CALENDAR_NO_ACTION,
	CALENDAR_ADDED,
	CALENDAR_UPDATED,
};

struct calendar_options {
	/* Whether an address is one of the user's, and whether (NULL: all are)
	 * an organizer may send such mails. */
	bool (*is_own)(void *ctx, struct str address);
	bool (*is_welcome)(void *ctx, struct str address);
	void *ctx;
	bool allow_public, updates_only, delete_cancelled;
};

struct calendar;

/* One object with all its instances. NULL, and why, if the text is none, or
 * more than the bounds allow. Child of ctx. */
struct calendar *calendar_read(const void *ctx, struct str text,
			       const char **reason_out);
const char *calendar_uid(const struct calendar *calendar);
/* Whether METHOD is what the mail says of it (RFC 6047 section 2.4). */
bool calendar_has_method(const struct calendar *calendar, struct str method);
/* Whether both say the same, in whatever order. */
bool calendar_equal(const struct calendar *a, const struct calendar *b);
/* What `mail` makes of the stored object of the same UID (NULL: there is none).
 * Unless the outcome is CALENDAR_NO_ACTION, *text_out is the new one, a child
 * of ctx; data NULL: it is to be removed. Both calendars are used up. */
enum calendar_outcome calendar_process(const void *ctx, struct calendar *mail,
				       struct calendar *stored,
				       const struct calendar_options *options,
				       struct str *text_out,
				       const char **reason_out);

/* All of it for struct sieve_host; of the module sieve-calendar
 * (base/module.h): only who has calendars loads libical, which takes a
 * millisecond of each start.
 */
struct calendar_code {
	struct calendar *(*read)(const void *ctx, struct str text,
				 const char **reason_out);
	const char *(*uid)(const struct calendar *calendar);
	bool (*has_method)(const struct calendar *calendar, struct str method);
	bool (*equal)(const struct calendar *a, const struct calendar *b);
	enum calendar_outcome (*process)(const void *ctx, struct calendar *mail,
					 struct calendar *stored,
					 const struct calendar_options *options,
					 struct str *text_out,
					 const char **reason_out);
};
extern const struct calendar_code calendar_code;

#endif
