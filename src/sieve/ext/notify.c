/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/notify.c - notify and denotify, for old scripts: the draft that
 * became enotify (draft-martin-sieve-notify-01), with the method "mailto".
 */
#include "base/cleanup.h"
#include "base/encode.h"
#include "mime/parse.h"
#include "sieve/ext.h"
#include "sieve/ext/enotify.h"
#include "sieve/part.h"

/* checks */

static void method_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	if (!str_case_is(arg->text, "mailto"))
		sieve_error(check, arg->at,
			    "the notify command of the deprecated notify "
			    "extension only supports the 'mailto' method, not "
			    "'%.*s'",
			    STR_FMT(arg->text));
}

static bool is_recipient(struct str text)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "recipient");
	struct sieve_address address;

	/* Commas part the addresses of a URI. */
	return sieve_address_parse(ctx, text, false, &address) &&
	       str_find_char(text, ',') < 0;
}

static void recipient_check(struct sieve_check *check,
			    const struct sieve_arg *arg)
{
	if (!is_recipient(arg->text))
		sieve_error(check, arg->at,
			    "specified :options address '%.*s' is invalid: "
			    "expected user@domain",
			    STR_FMT(arg->text));
}

static void notify_check(struct sieve_check *check, struct sieve_node *node)
{
	if (sieve_node_tag(node, "options") == NULL)
		sieve_warning(check, node->at,
			      "no :options (and hence recipients) specified "
			      "for the notify command");
}

/* the message */

static struct str field_text(struct sieve_run *run, const char *name)
{
	struct sieve_field *field =
		sieve_message_field(run->message, str_of(name));

	return field == NULL ? STR("") : sieve_field_text(run->message, field);
}

static struct str get_from(struct sieve_run *run)
{
	return field_text(run, "from");
}

static struct str get_sender(struct sieve_run *run)
{
	return run->envelope->null_sender ? STR("") : run->envelope->from.all;
}

static struct str get_subject(struct sieve_run *run)
{
	return field_text(run, "subject");
}

/* "$NAME$" at the start of `in`: what is behind it. */
static bool take_name(struct sieve_run *run, struct str *in, struct buf *out)
{
	static const struct {
		const char *name;
		struct str (*get)(struct sieve_run *run);
	} all[] = {{"$from$", get_from},
		   {"$env-from$", get_sender},
		   {"$subject$", get_subject}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!str_case_starts(*in, all[i].name))
			continue;
		buf_add_str(out, all[i].get(run));
		*in = str_from(*in, strlen(all[i].name));
		return true;
	}
	return false;
}

/* The first part that is text. */
static void put_body(struct sieve_run *run, uint64_t characters,
		     struct buf *out)
{
	const struct mime_part *top = sieve_message_mime(run->message)->root;
	const struct mime_part *part = NULL;
	size_t max = sieve_message_raw(run->message).len * 4 + 1000;
	CLEANUP(buf_free) struct buf text = buf_init(max);

	do
		part = sieve_part_next(top, part);
	while (part != NULL &&
	       !(part->kind == MIME_TEXT && sieve_part_is(part, STR("text"))));
	if (part != NULL)
		sieve_part_text(run->message, part, &text);
	buf_add_str(out, utf8_head(str_n(text.data, text.len), characters));
}

/* "$text$", or "$text[N]$": no more than N characters; 0: all. */
static bool take_text(struct sieve_run *run, struct str *in, struct buf *out)
{
	uint64_t count = 0;
	struct str rest, number;

	if (!str_case_starts(*in, "$text"))
		return false;
	rest = str_from(*in, 5);
	if (str_starts(rest, "[")) {
		rest = str_from(rest, 1);
		if (!str_split(&rest, ']', &number) ||
		    !str_to_u64(number, &count))
			return false;
	}
	if (!str_starts(rest, "$"))
		return false;
	put_body(run, count == 0 ? UINT64_MAX : count, out);
	*in = str_from(rest, 1);
	return true;
}

static int expand(struct sieve_run *run, struct str message, struct buf *out,
		  struct err *err)
{
	while (message.len > 0) {
		if (message.data[0] == '$' && (take_name(run, &message, out) ||
					       take_text(run, &message, out))) {
			if (sieve_run_work(run, 1 + out->len / 64, err) < 0)
				return -1;
			continue;
		}
		buf_putc(out, message.data[0]);
		message = str_from(message, 1);
	}
	return 0;
}

/* notify */

/* "mailto:..." of all in :options. */
static void put_uri(const struct sieve_value *recipients, struct buf *out)
{
	buf_add(out, "mailto:");
	for (unsigned i = 0; i < recipients->count; i++) {
		if (i > 0)
			buf_putc(out, ',');
		url_encode(recipients->list[i], "@", out);
	}
}

static const char *const importances[][2] = {
	{"low", "3"}, {"normal", "2"}, {"high", "1"}};

/* As enotify has it; NULL if none is given. */
static const char *importance_of(const struct sieve_args *args)
{
	for (size_t i = 0; i < sizeof(importances) / sizeof(importances[0]);
	     i++) {
		if (sieve_args_tag(args, importances[i][0]) != NULL)
			return importances[i][1];
	}
	return NULL;
}

static int notify_run(struct sieve_run *run, const struct sieve_args *args,
		      bool *, struct err *err)
{
	uint64_t max =
		sieve_engine_settings(run->engine)->sieve_max_string_size;
	CLEANUP(buf_free) struct buf uri = buf_init((size_t)max);
	CLEANUP(buf_free) struct buf text = buf_init((size_t)max);
	const struct sieve_value *options = sieve_args_tag(args, "options");
	const struct sieve_value *message = sieve_args_tag(args, "message");
	const char *id = sieve_run_tag(run, args, "id");
	const char *importance = importance_of(args);
	struct sieve_action action = {.kind = SIEVE_ACTION_NOTIFY};

	if (options == NULL)
		return 0;
	for (unsigned i = 0; i < options->count; i++) {
		if (!is_recipient(options->list[i]))
			return err_set(err, ERR_INVALID,
				       "specified :options address '%s' is "
				       "invalid",
				       sieve_run_text(run, options->list[i]));
	}
	put_uri(options, &uri);
	if (expand(run,
		   message == NULL ? STR("$from$: $subject$") : message->text,
		   &text, err) < 0)
		return -1;
	action.notify = (struct sieve_notify){
		.method = sieve_run_text(run, str_n(uri.data, uri.len)),
		.message = sieve_run_text(run, str_n(text.data, text.len)),
		.importance = importance == NULL ? "1" : importance,
		.id = id == NULL ? "" : id,
	};
	return sieve_notify_by_mail(run, args, &action, err);
}

/* denotify */

/* Whether the id is one that is meant; without a match type, any is. */
static int match_id(struct sieve_run *run, const struct sieve_args *args,
		    const char *id, bool *found_out, struct err *err)
{
	struct sieve_value key = {.type = SIEVE_STRINGS, .count = 1};
	struct sieve_match match;

	sieve_match_begin(&match, run, args, &key);
	*found_out = true;
	if (match.param == NULL)
		return 0;
	key.list = &match.param->text;
	match.comparator = sieve_comparator_find(run->engine, STR("i;octet"));
	if (sieve_match_value(&match, str_of(id), err) < 0)
		return -1;
	return sieve_match_end(&match, found_out, err);
}

static int denotify_run(struct sieve_run *run, const struct sieve_args *args,
			bool *, struct err *err)
{
	const char *importance = importance_of(args);
	struct sieve_action *action = run->result->actions, *next;

	for (; action != NULL; action = next) {
		bool found;

		next = action->next;
		if (action->kind != SIEVE_ACTION_NOTIFY || action->done ||
		    action->notify.id == NULL ||
		    (importance != NULL &&
		     strcmp(importance, action->notify.importance) != 0))
			continue;
		if (match_id(run, args, action->notify.id, &found, err) < 0)
			return -1;
		if (found)
			sieve_result_remove(run->result, action);
	}
	return 0;
}

static const struct sieve_tag notify_tags[] = {
	{.name = "method",
	 .param = {"method", SIEVE_STRING, SIEVE_LITERAL, method_check}},
	{.name = "id", .param = {"id", SIEVE_STRING, 0, NULL}},
	{.name = "options",
	 .param = {"options", SIEVE_STRINGS, 0, recipient_check}},
	{.name = "message", .param = {"message", SIEVE_STRING, 0, NULL}},
	SIEVE_END,
};

static const struct sieve_tag denotify_tags[] = {
	{.name = "is",
	 .group = "MATCH-TYPE",
	 .param = {"key", SIEVE_STRING, 0, NULL},
	 .match_type = &sieve_match_is},
	{.name = "contains",
	 .group = "MATCH-TYPE",
	 .param = {"key", SIEVE_STRING, 0, NULL},
	 .match_type = &sieve_match_contains},
	{.name = "matches",
	 .group = "MATCH-TYPE",
	 .param = {"key", SIEVE_STRING, 0, NULL},
	 .match_type = &sieve_match_matches},
	SIEVE_END,
};

static const struct sieve_command commands[] = {
	{.name = "notify",
	 .tags = notify_tags,
	 .check = notify_check,
	 .run = notify_run},
	{.name = "denotify", .tags = denotify_tags, .run = denotify_run},
	SIEVE_END,
};

static const struct sieve_tag tags[] = {
	{.name = "low", .of = "notify denotify", .group = "importance"},
	{.name = "normal", .of = "notify denotify", .group = "importance"},
	{.name = "high", .of = "notify denotify", .group = "importance"},
	SIEVE_END,
};

const struct sieve_extension ext_notify = {.name = "notify",
					   .flags = SIEVE_EXT_OFF,
					   .excludes = "enotify",
					   .commands = commands,
					   .tags = tags};
