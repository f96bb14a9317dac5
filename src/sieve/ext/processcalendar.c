/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/processcalendar.c - processcalendar (RFC 9671): what calendar data
 * in the message makes of the user's calendar.
 *
 * The outcome is known at once, from what is stored now; storing is an action,
 * which is carried out with the others. If there is nothing to store it stands
 * there all the same: a script has one, and not beside reject (section 4.9).
 */
#include "base/cleanup.h"
#include "mime/header.h"
#include "mime/param.h"
#include "mime/parse.h"
#include "sieve/calendar.h"
#include "sieve/ext.h"
#include "sieve/part.h"

enum { PARTS_MAX = 4 };

struct process {
	struct sieve_run *run;
	const struct sieve_args *args;
	const void *ctx;
	int failed; /* what is_welcome() could not find out */
	struct err err;
	const char *outcome, *reason;
};

/* whose it is */

static bool names(struct process *process, struct str text, struct str address)
{
	struct sieve_address own;

	if (text.data == NULL || text.len == 0)
		return false;
	if (!sieve_address_parse(process->ctx, text, false, &own))
		return str_case_equal(text, address);
	return str_case_equal(own.all, address);
}

static bool is_own(void *ctx, struct str address)
{
	struct process *process = ctx;
	struct sieve_run *run = process->run;
	const struct sieve_settings *set = sieve_engine_settings(run->engine);
	const struct sieve_value *more =
		sieve_args_tag(process->args, "addresses");
	const char *user = run->host->user;

	if (names(process, run->envelope->to.all, address) ||
	    names(process, run->envelope->original_to.all, address) ||
	    names(process, str_of(set->sieve_user_email), address) ||
	    (user != NULL && names(process, str_of(user), address)))
		return true;
	for (unsigned i = 0; more != NULL && i < more->count; i++) {
		if (names(process, more->list[i], address))
			return true;
	}
	return false;
}

static bool is_welcome(void *ctx, struct str address)
{
	struct process *process = ctx;
	const struct sieve_host *host = process->run->host;
	const char *list =
		sieve_run_tag(process->run, process->args, "organizers");
	bool has = false;

	process->failed = host->list_has == NULL
				  ? err_set(&process->err, ERR_INVALID,
					    "unknown list '%.200s'", list)
				  : host->list_has(host->ctx, list, address,
						   &has, &process->err);
	return has;
}

/* what comes, what is stored */

/* The next part that is calendar data; NULL: there is none. */
static const struct mime_part *next_part(struct sieve_message *message,
					 const struct mime_part *part)
{
	const struct mime_part *root = sieve_message_mime(message)->root;

	do {
		part = sieve_part_next(root, part);
	} while (part != NULL && !sieve_part_is(part, STR("text/calendar")) &&
		 !sieve_part_is(part, STR("application/ics")));
	return part;
}

/* Whether the part's Content-Type tells of another METHOD. */
static bool contradicts(const struct calendar_code *code, const void *ctx,
			const struct mime_part *part,
			const struct calendar *calendar)
{
	struct header_field field;
	struct mime_value value;

	if (!header_find(part->header_text, "Content-Type", &field) ||
	    !mime_value_parse(ctx, field.value, &value))
		return false;
	for (size_t i = 0; i < value.count; i++) {
		if (str_case_is(value.params[i].name, "method"))
			return !code->has_method(calendar,
						 value.params[i].value);
	}
	return false;
}

static struct calendar *read_part(struct process *process,
				  const struct mime_part *part)
{
	const struct calendar_code *code = process->run->host->calendar;
	CLEANUP(buf_free) struct buf text = buf_init(CALENDAR_MAX_SIZE + 1);
	struct calendar *calendar;

	sieve_part_decode(process->run->message, part, &text);
	calendar = code->read(process->ctx, str_n(text.data, text.len),
			      &process->reason);
	if (calendar == NULL ||
	    !contradicts(code, process->ctx, part, calendar))
		return calendar;
	process->reason = "the calendar data is malformed";
	return NULL;
}

/* Section 4: what is in several parts has to be the same. */
static struct calendar *read_mail(struct process *process)
{
	struct sieve_message *message = process->run->message;
	const struct mime_part *part = next_part(message, NULL);
	struct calendar *first = NULL, *calendar;

	process->reason = "there is no calendar data";
	for (unsigned i = 0; part != NULL; i++) {
		calendar = i < PARTS_MAX ? read_part(process, part) : NULL;
		if (i == PARTS_MAX)
			process->reason = "there are too many parts";
		if (calendar == NULL)
			return NULL;
		process->reason = "its parts differ";
		if (first != NULL &&
		    !process->run->host->calendar->equal(first, calendar))
			return NULL;
		first = calendar;
		part = next_part(message, part);
	}
	return first;
}

static int find_stored(struct process *process, struct sieve_calendar *object,
		       struct err *err)
{
	const struct sieve_host *host = process->run->host;

	return host->calendar_object(
		host->ctx, process->ctx, object->uid,
		sieve_run_tag(process->run, process->args, "calendarid"),
		&object->before, &object->calendar, err);
}

static bool has(const struct process *process, const char *tag)
{
	return sieve_args_tag(process->args, tag) != NULL;
}

static int merge(struct process *process, struct calendar *mail,
		 struct sieve_calendar *object_out, struct err *err)
{
	const struct calendar_options options = {
		.is_own = is_own,
		.is_welcome = has(process, "organizers") ? is_welcome : NULL,
		.ctx = process,
		.allow_public = has(process, "allowpublic"),
		.updates_only = has(process, "updatesonly"),
		.delete_cancelled = has(process, "deletecancelled"),
	};
	const struct calendar_code *code = process->run->host->calendar;
	struct sieve_calendar object = {.uid = code->uid(mail)};
	struct calendar *stored = NULL;
	enum calendar_outcome outcome;

	if (find_stored(process, &object, err) < 0)
		return -1;
	if (object.before.data != NULL)
		stored = code->read(process->ctx, object.before,
				    &process->reason);
	if (object.before.data != NULL && stored == NULL) {
		process->outcome = "error";
		return 0;
	}
	outcome = code->process(process->ctx, mail, stored, &options,
				&object.after, &process->reason);
	if (process->failed < 0)
		return err_set(err, process->err.code, "%s", process->err.text);
	if (outcome == CALENDAR_NO_ACTION)
		return 0;
	process->outcome = outcome == CALENDAR_ADDED ? "added" : "updated";
	*object_out = object;
	return 0;
}

/* the command */

static int set(struct process *process, const char *tag, const char *value,
	       struct err *err)
{
	const struct sieve_value *name = sieve_args_tag(process->args, tag);

	return name == NULL ? 0
			    : sieve_run_set(process->run, name->variable,
					    str_of(value), err);
}

static int processcalendar_run(struct sieve_run *run,
			       const struct sieve_args *args, bool *,
			       struct err *err)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "calendar");
	struct process process = {
		.run = run, .args = args, .ctx = ctx, .outcome = "no_action"};
	struct sieve_action action = {.kind = SIEVE_ACTION_CALENDAR};
	struct calendar *mail = NULL;

	if (sieve_run_work(run, 1000, err) < 0)
		return -1;
	if (run->host->calendar_object == NULL)
		process.reason = "the user has no calendar";
	else
		mail = read_mail(&process);
	if ((mail != NULL &&
	     merge(&process, mail, &action.calendar, err) < 0) ||
	    sieve_run_action(run, args, &action, err) < 0)
		return -1;
	sieve_trace(run, SIEVE_TRACE_COMMANDS, "outcome: %s: %s",
		    process.outcome, process.reason);
	if (set(&process, "outcome", process.outcome, err) < 0)
		return -1;
	return set(&process, "reason", process.reason, err);
}

static void organizers_check(struct sieve_check *check, struct sieve_node *,
			     const struct sieve_arg *tag)
{
	if (!sieve_check_active(check, "extlists"))
		sieve_error(check, tag->at,
			    "the :organizers argument needs the extlists "
			    "extension");
}

static const struct sieve_tag tags[] = {
	{.name = "allowpublic"},
	{.name = "addresses",
	 .param = {"list of addresses", SIEVE_STRINGS, 0, sieve_check_address}},
	{.name = "updatesonly", .group = "new objects"},
	{.name = "calendarid",
	 .group = "new objects",
	 .param = {"calendar id", SIEVE_STRING, 0, NULL}},
	{.name = "deletecancelled"},
	{.name = "organizers",
	 .param = {"list name", SIEVE_STRING, 0, NULL},
	 .check = organizers_check},
	{.name = "outcome",
	 .param = {"variable name", SIEVE_STRING, SIEVE_VARIABLE, NULL}},
	{.name = "reason",
	 .param = {"variable name", SIEVE_STRING, SIEVE_VARIABLE, NULL}},
	SIEVE_END,
};

static const struct sieve_command commands[] = {
	{.name = "processcalendar", .tags = tags, .run = processcalendar_run},
	SIEVE_END,
};

const struct sieve_extension ext_processcalendar = {.name = "processcalendar",
						    .flags = SIEVE_EXT_OFF,
						    .excludes = "imapsieve",
						    .commands = commands};
