/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/variables.c - set, string, "${name}" (RFC 5229).
 */
#include "base/encode.h"
#include "sieve/ext.h"

/* "${...}" in strings (section 3) */

struct pieces {
	struct sieve_check *check;
	struct sieve_piece *first, *last;
};

static struct sieve_piece *add_piece(struct pieces *pieces)
{
	struct sieve_piece *piece = sieve_arena_new_of(
		sieve_check_arena(pieces->check), struct sieve_piece);

	if (pieces->last == NULL)
		pieces->first = piece;
	else
		pieces->last->next = piece;
	return pieces->last = piece;
}

static void add_text(struct pieces *pieces, struct str text)
{
	if (text.len == 0)
		return;
	add_piece(pieces)->text = text;
	pieces->last->kind = SIEVE_PIECE_TEXT;
}

static bool is_letter(char c)
{
	c = ascii_lower(c);
	return (c >= 'a' && c <= 'z') || c == '_';
}

/* At "${": the name's length if it is well-formed and closed, else 0. */
static size_t name_len(struct str at)
{
	size_t i = 2;
	bool start = true, number;

	number = i < at.len && at.data[i] >= '0' && at.data[i] <= '9';
	for (; i < at.len && at.data[i] != '}'; i++) {
		char c = at.data[i];
		bool digit = c >= '0' && c <= '9';

		if (c == '.' && !start && !number) {
			start = true;
			continue;
		}
		if (digit ? start && !number && i == 2
			  : !is_letter(c) || number)
			return 0;
		start = false;
	}
	return i < at.len && !start ? i - 2 : 0;
}

static void substitute(struct sieve_check *check, struct sieve_arg *arg)
{
	struct pieces pieces = {.check = check};
	struct str rest = arg->text;
	size_t from = 0, at = 0;

	while (at + 3 < rest.len) {
		struct str here = str_from(rest, at);
		size_t len = here.data[0] == '$' && here.data[1] == '{'
				     ? name_len(here)
				     : 0;
		struct sieve_piece piece;

		if (len == 0) {
			at++;
			continue;
		}
		if (!sieve_check_reference(check, arg->at,
					   str_n(here.data + 2, len), false,
					   &piece))
			return;
		add_text(&pieces, str_n(rest.data + from, at - from));
		*add_piece(&pieces) = piece;
		at += len + 3;
		from = at;
	}
	if (pieces.first == NULL)
		return;
	add_text(&pieces, str_from(rest, from));
	arg->pieces = pieces.first;
}

/* set */

static int set_run(struct sieve_run *run, const struct sieve_args *args, bool *,
		   struct err *err)
{
	struct str value = args->params[1].text;

	if (sieve_run_modify(run, args, &value, err) < 0)
		return -1;
	return sieve_run_set(run, args->params[0].variable, value, err);
}

/* Section 6: cut when the script runs, but told before. With modifiers, nobody
 * knows how long it gets. */
static void value_check(struct sieve_check *check, struct sieve_node *node)
{
	uint64_t max = sieve_engine_settings(sieve_check_engine(check))
			       ->sieve_variables_max_variable_size;
	const struct sieve_arg *value = node->params[1];

	if (node->args == node->params[0] && value->pieces == NULL &&
	    value->text.len > max)
		sieve_warning(check, value->at,
			      "the value of variable '%.*s' is too long (%zu "
			      "octets): all behind the first %llu is cut",
			      STR_FMT(node->params[0]->text), value->text.len,
			      (unsigned long long)max);
}

static void modifier_check(struct sieve_check *check, struct sieve_node *node,
			   const struct sieve_arg *tag)
{
	for (const struct sieve_arg *arg = node->args; arg != tag;
	     arg = arg->next) {
		if (arg->tag != NULL && arg->tag->modify != NULL &&
		    arg->tag->precedence == tag->tag->precedence)
			sieve_error(check, tag->at,
				    "modifiers :%s and :%s specified for the "
				    "%s command conflict having equal "
				    "precedence",
				    arg->tag->name, tag->tag->name,
				    node->command->name);
	}
}

static int all(struct str in, struct buf *out, char (*change)(char))
{
	for (size_t i = 0; i < in.len; i++)
		buf_putc(out, change(in.data[i]));
	return 0;
}

static int first(struct str in, struct buf *out, char (*change)(char))
{
	if (in.len == 0)
		return 0;
	buf_putc(out, change(in.data[0]));
	buf_add_str(out, str_from(in, 1));
	return 0;
}

static int modify_lower(struct sieve_run *, struct str in, struct buf *out,
			struct err *)
{
	return all(in, out, ascii_lower);
}

static int modify_upper(struct sieve_run *, struct str in, struct buf *out,
			struct err *)
{
	return all(in, out, ascii_upper);
}

static int modify_lower_first(struct sieve_run *, struct str in,
			      struct buf *out, struct err *)
{
	return first(in, out, ascii_lower);
}

static int modify_upper_first(struct sieve_run *, struct str in,
			      struct buf *out, struct err *)
{
	return first(in, out, ascii_upper);
}

static int modify_quote_wildcard(struct sieve_run *, struct str in,
				 struct buf *out, struct err *)
{
	for (size_t i = 0; i < in.len; i++) {
		if (in.data[i] != '\0' && strchr("*?\\", in.data[i]) != NULL)
			buf_putc(out, '\\');
		buf_putc(out, in.data[i]);
	}
	return 0;
}

/* In characters, not octets (section 4.1.4). */
static int modify_length(struct sieve_run *, struct str in, struct buf *out,
			 struct err *)
{
	buf_printf(out, "%zu", utf8_count(in));
	return 0;
}

/* string */

static int string_run(struct sieve_run *run, const struct sieve_args *args,
		      bool *result_out, struct err *err)
{
	const struct sieve_value *source = &args->params[0];
	struct sieve_match match;

	sieve_match_begin(&match, run, args, &args->params[1]);
	for (unsigned i = 0; i < source->count && !match.found; i++) {
		/* Section 5: an empty one does not count. */
		if (match.type->count != NULL && source->list[i].len == 0)
			continue;
		if (sieve_match_value(&match, source->list[i], err) < 0)
			return -1;
	}
	return sieve_match_end(&match, result_out, err);
}

#define MODIFIER(tag_name, prec, fn)                                           \
	{                                                                      \
		.name = tag_name, .of = "@modifier", .precedence = prec,       \
		.modify = fn, .check = modifier_check                          \
	}

static const struct sieve_tag tags[] = {
	MODIFIER("lower", 40, modify_lower),
	MODIFIER("upper", 40, modify_upper),
	MODIFIER("lowerfirst", 30, modify_lower_first),
	MODIFIER("upperfirst", 30, modify_upper_first),
	MODIFIER("quotewildcard", 20, modify_quote_wildcard),
	MODIFIER("length", 10, modify_length),
	SIEVE_END,
};

static const struct sieve_command commands[] = {
	{.name = "set",
	 .takes = "modifier",
	 .params = {{"variable name", SIEVE_STRING, SIEVE_VARIABLE, NULL},
		    {"value", SIEVE_STRING, 0, NULL}},
	 .check = value_check,
	 .run = set_run},
	{.name = "string",
	 .flags = SIEVE_IS_TEST,
	 .takes = "match",
	 .params = {{"source", SIEVE_STRINGS, 0, NULL},
		    {"key list", SIEVE_STRINGS, 0, NULL}},
	 .run = string_run},
	SIEVE_END,
};

const struct sieve_extension ext_variables = {.name = "variables",
					      .commands = commands,
					      .tags = tags,
					      .string = substitute};
