/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/vacation.c - vacation (RFC 5230), :seconds (RFC 6131).
 */
#include "sieve/ext/vacation.h"

#include "base/cleanup.h"
#include "sieve/code.h"
#include "sieve/ext.h"

#define SETTINGS_STRUCT struct vacation_settings
static const struct setting settings[] = {
	S(sieve_vacation_default_period, "7 days",
	  "Time between two answers to a sender, if a script does not say."),
	S(sieve_vacation_min_period, "1 days",
	  "Least of such times that a script can ask for."),
	S(sieve_vacation_max_period, "0", "Longest; 0: no limit."),
	S(sieve_vacation_default_subject, "Automated reply",
	  "Subject of an answer to a mail that has none."),
	S(sieve_vacation_default_subject_template, "Auto: %{subject}",
	  "Subject of an answer, if a script does not say."),
	S(sieve_vacation_max_subject_codepoints, "256",
	  "Longest subject of an answer, in characters; 0: no limit."),
	S(sieve_vacation_use_original_recipient, "no",
	  "Answer also what came to the original recipient."),
	S(sieve_vacation_dont_check_recipient, "no",
	  "Answer also mails that do not name the user as a recipient."),
	S(sieve_vacation_send_from_recipient, "no",
	  "The envelope sender is the recipient, not <>."),
	S(sieve_vacation_to_header_ignore_envelope, "no",
	  "The To field of an answer names who is in Sender, Reply-To or From; "
	  "it goes to the envelope sender anyway."),
	SETTINGS_END,
};
#undef SETTINGS_STRUCT

/* Section 4.1: within what the administrator allows. */
static uint64_t clamp(const struct vacation_settings *set, uint64_t seconds)
{
	uint64_t min = set->sieve_vacation_min_period.ms / 1000;
	uint64_t max = set->sieve_vacation_max_period.ms / 1000;

	if (max > 0 && max < min)
		max = min;
	if (seconds < min)
		return min;
	return max > 0 && seconds > max ? max : seconds;
}

static void check_period(struct sieve_check *check, const struct sieve_arg *tag,
			 uint64_t seconds)
{
	const struct vacation_settings *set =
		sieve_engine_set(sieve_check_engine(check), &ext_vacation);
	uint64_t allowed = clamp(set, seconds);

	if (allowed != seconds)
		sieve_warning(check, tag->value->at,
			      "specified :%s value '%llu' is %s the %simum",
			      tag->tag->name,
			      (unsigned long long)tag->value->number,
			      allowed > seconds ? "under" : "over",
			      allowed > seconds ? "min" : "max");
}

enum { DAY = 86400 };

static uint64_t days(uint64_t number)
{
	return number > UINT32_MAX ? (uint64_t)UINT32_MAX * DAY : number * DAY;
}

static void days_check(struct sieve_check *check, struct sieve_node *,
		       const struct sieve_arg *tag)
{
	check_period(check, tag, days(tag->value->number));
}

static void seconds_check(struct sieve_check *check, struct sieve_node *,
			  const struct sieve_arg *tag)
{
	check_period(check, tag, tag->value->number);
}

static uint64_t period(struct sieve_run *run, const struct sieve_args *args)
{
	const struct vacation_settings *set =
		sieve_engine_set(run->engine, &ext_vacation);
	const struct sieve_value *number = sieve_args_tag(args, "days");

	if (number != NULL)
		return clamp(set, days(number->number));
	number = sieve_args_tag(args, "seconds");
	if (number != NULL)
		return clamp(set, number->number);
	return set->sieve_vacation_default_period.ms / 1000;
}

/* Append an argument as it stands in the script; whether it has variables. */
static bool add_source(const struct sieve_arg *arg, struct buf *out)
{
	if (arg != NULL)
		buf_add_str(out, arg->text);
	buf_putc(out, '\0');
	return arg != NULL && arg->pieces != NULL;
}

/* Section 4.2: responses are told apart by their arguments before variables
 * are put in, or each Subject would get one. */
static void vacation_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_arg *subject = sieve_node_tag(node, "subject");
	const struct sieve_arg *from = sieve_node_tag(node, "from");
	CLEANUP(buf_free) struct buf text = buf_init(SIZE_MAX);
	bool varies = add_source(node->params[0], &text);

	varies |= add_source(subject == NULL ? NULL : subject->value, &text);
	varies |= add_source(from == NULL ? NULL : from->value, &text);
	buf_putc(&text, sieve_node_tag(node, "mime") != NULL ? 'm' : 'p');
	node->params[1] = sieve_check_number(
		check, varies ? sieve_checksum(str_n(text.data, text.len)) : 0);
}

static int vacation_run(struct sieve_run *run, const struct sieve_args *args,
			bool *, struct err *err)
{
	const struct sieve_value *addresses = sieve_args_tag(args, "addresses");
	struct sieve_action action = {
		.kind = SIEVE_ACTION_VACATION,
		.vacation = {
			.reason = sieve_run_text(run, args->params[0].text),
			.subject = sieve_run_tag(run, args, "subject"),
			.from = sieve_run_tag(run, args, "from"),
			.handle = sieve_run_tag(run, args, "handle"),
			.seconds = period(run, args),
			.mime = sieve_args_tag(args, "mime") != NULL,
			.source = args->params[1].number,
		}};

	if (addresses != NULL)
		action.vacation.addresses = sieve_run_texts(run, addresses);
	return sieve_run_action(run, args, &action, err);
}

/* What is none of the user's addresses does no harm; the answer still goes. */
static void own_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	if (!sieve_address_valid(arg->text))
		sieve_warning(check, arg->at,
			      "specified :addresses item '%.*s' is invalid and "
			      "will be ignored",
			      STR_FMT(arg->text));
}

/* Section 5: such a header should not be sent; but scripts that have it were
 * never refused. */
static void mime_check(struct sieve_check *check, struct sieve_node *node,
		       const struct sieve_arg *)
{
	const struct sieve_arg *reason = node->params[0];
	struct str rest = reason->text, line;

	while (reason->pieces == NULL && str_split(&rest, '\n', &line) &&
	       str_trim(line).len > 0) {
		if (str_is_ascii(line))
			continue;
		sieve_warning(check, reason->at,
			      "the header of the :mime reason has 8bit "
			      "characters");
		return;
	}
}

static const struct sieve_tag vacation_tags[] = {
	{.name = "days",
	 .group = "period",
	 .param = {"days between answers", SIEVE_NUMBER, 0, NULL},
	 .check = days_check},
	{.name = "subject", .param = {"subject", SIEVE_STRING, 0, NULL}},
	{.name = "from",
	 .param = {"sender", SIEVE_STRING, 0, sieve_check_address}},
	{.name = "addresses",
	 .param = {"addresses", SIEVE_STRINGS, 0, own_check}},
	{.name = "handle", .param = {"handle", SIEVE_STRING, 0, NULL}},
	{.name = "mime", .check = mime_check},
	SIEVE_END,
};

static const struct sieve_command commands[] = {
	{.name = "vacation",
	 .takes = "fcc",
	 .tags = vacation_tags,
	 .params = {{"reason", SIEVE_STRING, 0, NULL},
		    {"source", SIEVE_NUMBER, SIEVE_HIDDEN, NULL}},
	 .check = vacation_check,
	 .run = vacation_run},
	SIEVE_END,
};

const struct sieve_extension ext_vacation = {
	.name = "vacation",
	.flags = SIEVE_EXT_ENVELOPE,
	.commands = commands,
	.settings = settings,
	.settings_size = sizeof(struct vacation_settings)};

static const struct sieve_tag seconds_tags[] = {
	{.name = "seconds",
	 .of = "vacation",
	 .group = "period",
	 .param = {"seconds between answers", SIEVE_NUMBER, 0, NULL},
	 .check = seconds_check},
	SIEVE_END,
};

const struct sieve_extension ext_vacation_seconds = {
	.name = "vacation-seconds",
	.flags = SIEVE_EXT_OFF | SIEVE_EXT_ENVELOPE,
	.implies = "vacation",
	.tags = seconds_tags};
