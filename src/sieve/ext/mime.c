/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/mime.c - :mime, :anychild, :type, :subtype, :contenttype, :param of
 * header, address and exists (RFC 5703 section 4).
 */
#include "base/cleanup.h"
#include "mime/header.h"
#include "mime/param.h"
#include "mime/parse.h"
#include "sieve/ext.h"
#include "sieve/ext/foreverypart.h"
#include "sieve/part.h"

/* The fields that are found, in order. */
struct found {
	struct sieve_run *run;
	struct sieve_field *first, *last;
};

static void add_field(struct found *found, const struct header_field *field)
{
	struct sieve_field *add =
		sieve_arena_new_of(found->run->scratch, struct sieve_field);

	add->name = field->name;
	add->value = field->value;
	add->full = field->full;
	if (found->last == NULL)
		found->first = add;
	else
		found->last->same = add;
	found->last = add;
}

/* A field whose value is known already. */
static void add_value(struct found *found, struct str name, struct str value)
{
	struct header_field field = {.name = name};

	if (value.len == 0)
		value = STR("");
	field.value = field.full = sieve_arena_str(found->run->scratch, value);
	add_field(found, &field);
	found->last->flat = found->last->text = field.value;
}

/* :type, :subtype, :contenttype, :param */

static bool is_wanted(const struct sieve_value *names, struct str name)
{
	for (unsigned i = 0; i < names->count; i++) {
		if (str_case_equal(names->list[i], name))
			return true;
	}
	return false;
}

static void add_content_type(struct found *found, struct str name,
			     const struct mime_value *value)
{
	CLEANUP(buf_free) struct buf text = buf_init(SIZE_MAX);

	buf_add_str(&text, value->type);
	if (value->subtype.len > 0)
		buf_printf(&text, "/%.*s", STR_FMT(value->subtype));
	add_value(found, name, str_n(text.data, text.len));
}

static void add_params(struct found *found, const struct sieve_value *names,
		       struct str name, const struct mime_value *value)
{
	for (size_t i = 0; i < value->count; i++) {
		if (is_wanted(names, value->params[i].name))
			add_value(found, name, value->params[i].value);
	}
}

/* Section 4.2: of fields but these two, a type is an empty string, and there
 * are no parameters. */
static void add_option(struct found *found, const struct sieve_args *args,
		       const struct header_field *field)
{
	const struct sieve_value *params = sieve_args_tag(args, "param");
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "mime value");
	struct mime_value value = {0};

	if ((!str_case_is(field->name, "Content-Type") &&
	     !str_case_is(field->name, "Content-Disposition")) ||
	    !mime_value_parse(ctx, field->value, &value))
		value = (struct mime_value){0};
	if (sieve_args_tag(args, "type") != NULL)
		add_value(found, field->name, value.type);
	else if (sieve_args_tag(args, "subtype") != NULL)
		add_value(found, field->name, value.subtype);
	else if (sieve_args_tag(args, "contenttype") != NULL)
		add_content_type(found, field->name, &value);
	else
		add_params(found, params, field->name, &value);
}

static bool has_option(const struct sieve_args *args)
{
	return sieve_args_tag(args, "type") != NULL ||
	       sieve_args_tag(args, "subtype") != NULL ||
	       sieve_args_tag(args, "contenttype") != NULL ||
	       sieve_args_tag(args, "param") != NULL;
}

/* fields of parts */

static void add(struct found *found, const struct sieve_args *args,
		const struct header_field *field)
{
	if (has_option(args))
		add_option(found, args, field);
	else
		add_field(found, field);
}

static void add_part(struct found *found, const struct sieve_args *args,
		     const struct mime_part *part, struct str name)
{
	struct str rest = sieve_part_header(found->run->message, part);
	struct header_field field;

	while (header_next(&rest, &field)) {
		if (str_case_equal(field.name, name))
			add(found, args, &field);
	}
}

/* The message's own header is the one that scripts may have edited. */
static void add_root(struct found *found, const struct sieve_args *args,
		     struct str name)
{
	struct sieve_field *field =
		sieve_message_field(found->run->message, name);

	for (; field != NULL; field = field->same) {
		const struct header_field as = {
			.name = field->name,
			.value = field->value,
			.full = field->full,
		};

		add(found, args, &as);
	}
}

static struct sieve_field *mime_fields(struct sieve_run *run,
				       const struct sieve_args *args,
				       struct str name)
{
	const struct mime_part *root = sieve_message_mime(run->message)->root;
	const struct mime_part *top = sieve_loop_part(run), *part = NULL;
	struct found found = {.run = run};

	if (top == NULL)
		top = root;
	while ((part = sieve_part_next(top, part)) != NULL) {
		if (part == root)
			add_root(&found, args, name);
		else
			add_part(&found, args, part, name);
		if (sieve_args_tag(args, "anychild") == NULL)
			break;
	}
	return found.first;
}

static void needs_mime(struct sieve_check *check, struct sieve_node *node,
		       const struct sieve_arg *tag)
{
	if (sieve_node_tag(node, "mime") == NULL)
		sieve_error(check, tag->at,
			    "the :%s tag for the %s test cannot be used "
			    "without the :mime tag",
			    tag->tag->name, node->command->name);
}

#define OPTION(option)                                                         \
	{                                                                      \
		.name = option, .of = "header", .group = "MIMEOPTS",           \
		.check = needs_mime                                            \
	}

static const struct sieve_tag tags[] = {
	{.name = "mime", .of = "@mime", .fields = mime_fields},
	{.name = "anychild", .of = "@mime", .check = needs_mime},
	OPTION("type"),
	OPTION("subtype"),
	OPTION("contenttype"),
	{.name = "param",
	 .of = "header",
	 .group = "MIMEOPTS",
	 .param = {"parameter names", SIEVE_STRINGS, 0, NULL},
	 .check = needs_mime},
	SIEVE_END,
};

const struct sieve_extension ext_mime = {.name = "mime", .tags = tags};
