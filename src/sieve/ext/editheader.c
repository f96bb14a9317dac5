/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/editheader.c - addheader, deleteheader (RFC 5293).
 */
#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "sieve/ext.h"
#include "sieve/mail_out.h"

struct editheader_settings {
	const char *sieve_editheader_protected;
	const char *sieve_editheader_forbid_add;
	const char *sieve_editheader_forbid_delete;
	const char *sieve_editheader_header;
	uint64_t sieve_editheader_max_header_size;
};

#define SETTINGS_STRUCT struct editheader_settings
static const struct setting settings[] = {
	S(sieve_editheader_protected, "",
	  "Header fields that scripts can neither add nor delete."),
	S(sieve_editheader_forbid_add, "",
	  "Header fields that scripts can't add."),
	S(sieve_editheader_forbid_delete, "",
	  "Header fields that scripts can't delete."),
	S(sieve_editheader_header, "",
	  "Header fields with settings of their own: "
	  "sieve_editheader_header/FIELD/forbid_add, .../forbid_delete."),
	S(sieve_editheader_max_header_size, "2 k",
	  "Longest header field that scripts can add."),
	SETTINGS_END,
};
#undef SETTINGS_STRUCT

extern const struct sieve_extension ext_editheader;

static const struct editheader_settings *
get_settings(const struct sieve_engine *engine)
{
	return sieve_engine_set(engine, &ext_editheader);
}

static bool is_listed(const char *list, struct str name)
{
	struct str rest = str_of(list), word;

	while (str_word(&rest, &word)) {
		if (str_case_equal(word, name))
			return true;
	}
	return false;
}

/* What newer versions have: sieve_editheader_header lists ids, and
 * sieve_editheader_header/ID/KEY tells of the field ID, or ID/name. */
static const char *field_setting(const struct sieve_engine *engine,
				 struct str id, const char *key)
{
	const struct sieve_engine_options *options =
		sieve_engine_options(engine);
	char name[200];

	if (id.len > 100)
		return NULL;
	snprintf(name, sizeof(name), "sieve_editheader_header/%.*s/%s",
		 STR_FMT(id), key);
	return options->setting(options->ctx, name);
}

static bool is_forbidden(const struct sieve_engine *engine, struct str name,
			 const char *key)
{
	struct str rest = str_of(get_settings(engine)->sieve_editheader_header);
	struct str id;

	while (str_word(&rest, &id)) {
		const char *field = field_setting(engine, id, "name");
		const char *value = field_setting(engine, id, key);

		if (value != NULL && strcmp(value, "yes") == 0 &&
		    str_case_equal(name, field == NULL ? id : str_of(field)))
			return true;
	}
	return false;
}

/* Section 6: a Subject can always be deleted. */
static bool may_delete(const struct sieve_engine *engine, struct str name)
{
	const struct editheader_settings *set = get_settings(engine);

	if (str_case_is(name, "Subject"))
		return true;
	return !str_case_is(name, "Received") &&
	       !str_case_is(name, "Auto-Submitted") &&
	       !is_listed(set->sieve_editheader_protected, name) &&
	       !is_listed(set->sieve_editheader_forbid_delete, name) &&
	       !is_forbidden(engine, name, "forbid_delete");
}

static bool may_add(const struct sieve_engine *engine, struct str name)
{
	const struct editheader_settings *set = get_settings(engine);

	return (!is_listed(set->sieve_editheader_protected, name) ||
		str_case_is(name, "Subject")) &&
	       !is_listed(set->sieve_editheader_forbid_add, name) &&
	       !is_forbidden(engine, name, "forbid_add");
}

static bool is_too_large(const struct sieve_engine *engine, struct str name,
			 struct str value)
{
	return name.len + value.len >
	       get_settings(engine)->sieve_editheader_max_header_size;
}

/* Text in lines; lone CRs are no line ends. */
static bool is_field_value(struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] == '\0' ||
		    (value.data[i] == '\r' &&
		     (i + 1 == value.len || value.data[i + 1] != '\n')))
			return false;
	}
	return utf8_valid(value);
}

/* "If the specified field value does not match the RFC 2822 "unstructured"
 * syntax", it is encoded so that it does (section 4): what `text:` has in more
 * lines is folded, and without its last line end. */
static void write_value(struct str name, struct str value, struct buf *out)
{
	struct str line;

	for (bool first = true; value.len > 0;) {
		ptrdiff_t at = str_find_char(value, '\n');

		line = at < 0 ? value : str_n(value.data, (size_t)at);
		value = str_from(value,
				 at < 0 ? value.len : (size_t)at + 1);
		if (at >= 0 || !first)
			line = str_trim(line);
		if (line.len == 0)
			continue;
		if (!first)
			buf_add(out, "\n\t");
		sieve_out_folded(out, line, first ? name.len + 2 : 1);
		first = false;
	}
}

static void name_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	if (!sieve_field_name_valid(arg->text))
		sieve_error(check, arg->at,
			    "specified header field name '%.*s' is invalid",
			    STR_FMT(arg->text));
}

static void value_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	if (!is_field_value(arg->text))
		sieve_error(check, arg->at,
			    "specified value '%.*s' for the new header field "
			    "is invalid",
			    STR_FMT(arg->text));
}

/* Section 6 has it ignored in silence: when the script runs. */
static void warn_forbidden(struct sieve_check *check,
			   const struct sieve_arg *name, const char *what)
{
	sieve_warning(check, name->at,
		      "%s header field '%.*s' is forbidden: it will not be "
		      "done",
		      what, STR_FMT(name->text));
}

static void addheader_check(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_engine *engine = sieve_check_engine(check);
	const struct sieve_arg *name = node->params[0];
	const struct sieve_arg *value = node->params[1];

	if (name->pieces != NULL)
		return;
	if (!may_add(engine, name->text))
		warn_forbidden(check, name, "adding");
	else if (value->pieces == NULL &&
		 is_too_large(engine, name->text, value->text))
		sieve_error(check, value->at,
			    "header field '%.*s' is too large: %zu octets",
			    STR_FMT(name->text),
			    name->text.len + value->text.len);
}

static void deleteheader_check(struct sieve_check *check,
			       struct sieve_node *node)
{
	const struct sieve_arg *name = node->params[0];

	if (name->pieces == NULL &&
	    !may_delete(sieve_check_engine(check), name->text))
		warn_forbidden(check, name, "deleting");
}

static int addheader_run(struct sieve_run *run, const struct sieve_args *args,
			 bool *, struct err *err)
{
	struct str name = args->params[0].text, value = args->params[1].text;
	CLEANUP(buf_free) struct buf text = buf_init(64 << 20);

	if (!sieve_field_name_valid(name))
		return err_set(err, ERR_INVALID,
			       "specified field name '%.200s' is invalid",
			       sieve_run_text(run, name));
	if (!is_field_value(value))
		return err_set(err, ERR_INVALID,
			       "specified value for the header field '%.200s' "
			       "is invalid",
			       sieve_run_text(run, name));
	if (!may_add(run->engine, name))
		return 0;
	if (is_too_large(run->engine, name, value))
		return err_set(err, ERR_LIMIT,
			       "header field '%.200s' is too large: %zu octets",
			       sieve_run_text(run, name), name.len + value.len);
	write_value(name, value, &text);
	sieve_message_add(run->message, name, str_n(text.data, text.len),
			  sieve_args_tag(args, "last") != NULL);
	return 0;
}

/* Without patterns all of that name go. */
static int is_hit(struct sieve_run *run, const struct sieve_args *args,
		  struct sieve_field *field, bool *hit_out, struct err *err)
{
	struct sieve_match match;

	*hit_out = true;
	if (args->params[1].type == SIEVE_NONE)
		return 0;
	sieve_match_begin(&match, run, args, &args->params[1]);
	if (sieve_match_value(&match, sieve_field_text(run->message, field),
			      err) < 0)
		return -1;
	return sieve_match_end(&match, hit_out, err);
}

static int deleteheader_run(struct sieve_run *run,
			    const struct sieve_args *args, bool *,
			    struct err *err)
{
	struct str name = args->params[0].text;
	struct sieve_fields fields;
	struct sieve_field *field;
	bool hit;

	if (!sieve_field_name_valid(name))
		return err_set(err, ERR_INVALID,
			       "specified field name '%.200s' is invalid",
			       sieve_run_text(run, name));
	if (!may_delete(run->engine, name))
		return 0;
	sieve_fields_begin(&fields, run, args, &name, 1);
	while ((field = sieve_fields_next(&fields)) != NULL) {
		if (is_hit(run, args, field, &hit, err) < 0)
			return -1;
		if (hit)
			sieve_message_remove(run->message, field);
	}
	return 0;
}

static void index_check(struct sieve_check *check, struct sieve_node *node,
			const struct sieve_arg *tag)
{
	if (sieve_node_tag(node, "index") == NULL)
		sieve_error(check, tag->at,
			    "the :last tag for the deleteheader command cannot "
			    "be specified without the :index tag");
}

static void number_check(struct sieve_check *check, struct sieve_node *,
			 const struct sieve_arg *tag)
{
	if (tag->value->number == 0)
		sieve_error(check, tag->value->at,
			    "the :index tag for the deleteheader command "
			    "cannot be zero");
}

static const struct sieve_tag add_tags[] = {{.name = "last"}, SIEVE_END};

static const struct sieve_tag delete_tags[] = {
	{.name = "index",
	 .param = {"number of a field", SIEVE_NUMBER, 0, NULL},
	 .check = number_check},
	{.name = "last", .check = index_check},
	SIEVE_END,
};

static const struct sieve_command commands[] = {
	{.name = "addheader",
	 .tags = add_tags,
	 .params = {{"field name", SIEVE_STRING, 0, name_check},
		    {"value", SIEVE_STRING, 0, value_check}},
	 .check = addheader_check,
	 .run = addheader_run},
	{.name = "deleteheader",
	 .takes = "match",
	 .tags = delete_tags,
	 .params = {{"field name", SIEVE_STRING, 0, name_check},
		    {"value patterns", SIEVE_STRINGS, SIEVE_OPTIONAL, NULL}},
	 .check = deleteheader_check,
	 .run = deleteheader_run},
	SIEVE_END,
};

const struct sieve_extension ext_editheader = {
	.name = "editheader",
	.flags = SIEVE_EXT_OFF,
	.commands = commands,
	.settings = settings,
	.settings_size = sizeof(struct editheader_settings)};
