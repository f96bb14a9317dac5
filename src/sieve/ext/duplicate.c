/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/duplicate.c - duplicate (RFC 7352).
 *
 * Whether an id is known, the host tells; that it was seen is marked by an
 * action, when all else has succeeded.
 */
#include "base/cleanup.h"
#include "sieve/ext.h"

struct duplicate_settings {
	struct duration sieve_duplicate_default_period;
	struct duration sieve_duplicate_max_period;
};

#define SETTINGS_STRUCT struct duplicate_settings
static const struct setting settings[] = {
	S(sieve_duplicate_default_period, "12 hours",
	  "How long an id is remembered, if a script does not say."),
	S(sieve_duplicate_max_period, "2 days",
	  "Longest of such times that a script can ask for."),
	SETTINGS_END,
};
#undef SETTINGS_STRUCT

extern const struct sieve_extension ext_duplicate;

static void seconds_check(struct sieve_check *check, struct sieve_node *,
			  const struct sieve_arg *tag)
{
	const struct duplicate_settings *set =
		sieve_engine_set(sieve_check_engine(check), &ext_duplicate);

	if (tag->value->number * 1000 > set->sieve_duplicate_max_period.ms)
		sieve_warning(check, tag->value->at,
			      "specified :seconds value '%llu' is over the "
			      "maximum",
			      (unsigned long long)tag->value->number);
}

static void duplicate_check(struct sieve_check *check, struct sieve_node *node)
{
	if (sieve_node_tag(node, "header") != NULL &&
	    sieve_node_tag(node, "uniqueid") != NULL)
		sieve_error(check, node->at,
			    "conflicting :header and :uniqueid arguments "
			    "specified for the duplicate test");
}

static uint64_t period(struct sieve_run *run, const struct sieve_args *args)
{
	const struct duplicate_settings *set =
		sieve_engine_set(run->engine, &ext_duplicate);
	const struct sieve_value *seconds = sieve_args_tag(args, "seconds");
	uint64_t max = set->sieve_duplicate_max_period.ms / 1000;

	if (seconds == NULL)
		return set->sieve_duplicate_default_period.ms / 1000;
	return seconds->number > max ? max : seconds->number;
}

/* Section 3.1: the tag's value, or that of a header field; data NULL if there
 * is none. */
static struct str unique_id(struct sieve_run *run,
			    const struct sieve_args *args)
{
	const struct sieve_value *given = sieve_args_tag(args, "uniqueid");
	const struct sieve_value *header = sieve_args_tag(args, "header");
	struct sieve_field *field;

	if (given != NULL)
		return given->text;
	field = sieve_message_field(run->message, header != NULL
							  ? header->text
							  : STR("Message-ID"));
	return field == NULL ? (struct str){NULL, 0}
			     : sieve_field_text(run->message, field);
}

/* Ids of different handles are different (section 3.2), and those of the tag
 * and of header fields are not: they are compared as they are. */
static void put_key(const struct sieve_args *args, struct str id,
		    struct buf *out)
{
	const struct sieve_value *handle = sieve_args_tag(args, "handle");

	if (handle != NULL)
		buf_add_str(out, handle->text);
	buf_putc(out, '\0');
	buf_add_str(out, id);
}

static int duplicate_run(struct sieve_run *run, const struct sieve_args *args,
			 bool *result_out, struct err *err)
{
	bool last = sieve_args_tag(args, "last") != NULL;
	CLEANUP(buf_free) struct buf key = buf_init(2 << 20);
	struct str id = unique_id(run, args);
	struct sieve_action action = {.kind = SIEVE_ACTION_DUPLICATE_MARK};

	*result_out = false;
	if (id.data == NULL || id.len == 0 || run->host->duplicate == NULL)
		return 0;
	put_key(args, id, &key);
	action.mark.id =
		sieve_arena_str(run->scratch, str_n(key.data, key.len));
	action.mark.seconds = period(run, args);
	if (run->host->duplicate(run->host->ctx, action.mark.id, result_out,
				 err) < 0)
		return -1;
	/* Known ones are not marked anew, unless by :last (section 3.3). */
	if (*result_out && !last)
		return 0;
	return sieve_run_action(run, args, &action, err);
}

static const struct sieve_tag tags[] = {
	{.name = "header", .param = {"header name", SIEVE_STRING, 0, NULL}},
	{.name = "uniqueid", .param = {"unique id", SIEVE_STRING, 0, NULL}},
	{.name = "handle", .param = {"handle", SIEVE_STRING, 0, NULL}},
	{.name = "seconds",
	 .param = {"time to remember", SIEVE_NUMBER, 0, NULL},
	 .check = seconds_check},
	{.name = "last"},
	SIEVE_END,
};

static const struct sieve_command commands[] = {
	{.name = "duplicate",
	 .flags = SIEVE_IS_TEST,
	 .tags = tags,
	 .check = duplicate_check,
	 .run = duplicate_run},
	SIEVE_END,
};

const struct sieve_extension ext_duplicate = {
	.name = "duplicate",
	.commands = commands,
	.settings = settings,
	.settings_size = sizeof(struct duplicate_settings)};
