/* SPDX-License-Identifier: MIT */
/*
 * sieve/check_args.c - the arguments of a command or test, held against what it
 * declares (RFC 5228 section 2.6).
 */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/encode.h"
#include "sieve/compile.h"

bool sieve_command_takes(const struct sieve_command *command,
			 const struct sieve_tag *tag)
{
	struct str rest = STR(""), word;

	if (tag->of != NULL)
		rest = str_of(tag->of);
	for (const struct sieve_tag *own = command->tags;
	     own != NULL && own->name != NULL; own++) {
		if (own == tag)
			return true;
	}

	while (str_word(&rest, &word)) {
		if (word.data[0] != '@') {
			if (str_is(word, command->name))
				return true;
			continue;
		}
		word = str_from(word, 1);
		for (struct str takes = str_of(command->takes ? command->takes
							      : ""),
				part;
		     str_word(&takes, &part);) {
			if (str_equal(part, word))
				return true;
		}
	}
	return false;
}

static const struct sieve_tag *find_tag(struct sieve_check *check,
					const struct sieve_command *command,
					struct str name)
{
	const struct sieve_tag *tag = command->tags;
	struct sieve_word *first, *word;

	for (; tag != NULL && tag->name != NULL; tag++) {
		if (str_case_is(name, tag->name))
			return tag;
	}
	first = sieve_check_word(check, ':', name);
	if (first != NULL && first->with == command)
		return first->meant;
	for (word = first; word != NULL; word = word->more) {
		if (!sieve_command_takes(command, word->tag))
			continue;
		first->with = command;
		first->meant = word->tag;
		return word->tag;
	}
	return NULL;
}

/* strings */

static void check_string(struct sieve_check *check, struct sieve_arg *arg,
			 const struct sieve_param *param)
{
	unsigned errors = check->errors;

	if ((param->flags & SIEVE_VARIABLE) != 0) {
		arg->pieces =
			sieve_arena_new_of(check->tree, struct sieve_piece);
		(void)sieve_check_reference(check, arg->at, arg->text, true,
					    arg->pieces);
		return;
	}
	for (unsigned i = 0; i < check->string_count; i++)
		check->strings[i]->string(check, arg);
	if (arg->pieces != NULL && (param->flags & SIEVE_LITERAL) != 0)
		sieve_error(check, arg->at,
			    "%s must be a constant string, without variables",
			    param->name);
	if (arg->pieces == NULL && param->check != NULL &&
	    check->errors == errors)
		param->check(check, arg);
}

static const char *type_name(enum sieve_type type)
{
	static const char *const names[] = {"nothing", "a number", "a string",
					    "a string list", "a tag"};

	return names[type];
}

/* What errors speak of: "%s %s". */
#define WHAT(node) (node)->command->name, sieve_node_kind(node)

/* A value for `param`, of a tag if that is not NULL; false after an error. */
static bool check_value(struct sieve_check *check, struct sieve_arg *arg,
			const struct sieve_param *param,
			const struct sieve_node *node,
			const struct sieve_tag *tag, unsigned number)
{
	if (arg->type != param->type &&
	    !(param->type == SIEVE_STRINGS && arg->type == SIEVE_STRING)) {
		const char *tag_name = tag == NULL ? "" : tag->name;
		char place[60] = "";

		if (tag == NULL)
			snprintf(place, sizeof(place), " as argument %u",
				 number);
		sieve_error(check, arg->at,
			    "the %s%s%s%s %s expects %s%s (%s), but %s was "
			    "found",
			    tag == NULL ? "" : ":", tag_name,
			    tag == NULL ? "" : " tag for the ", WHAT(node),
			    type_name(param->type), place, param->name,
			    type_name(arg->type));
		return false;
	}
	if (arg->type == SIEVE_STRING)
		check_string(check, arg, param);
	for (struct sieve_arg *item = arg->items; item; item = item->next)
		check_string(check, item, param);
	return true;
}

static void check_variable_use(struct sieve_check *check,
			       const struct sieve_arg *arg,
			       const struct sieve_param *param)
{
	if ((param->flags & SIEVE_VARIABLE) != 0 &&
	    !sieve_check_active(check, "variables"))
		sieve_error(check, arg->at,
			    "%s given, but require \"variables\" is missing",
			    param->name);
}

/* tags */

static bool same_group(const struct sieve_tag *a, const struct sieve_tag *b)
{
	return a == b || (a->group != NULL && b->group != NULL &&
			  strcmp(a->group, b->group) == 0);
}

static void check_double(struct sieve_check *check,
			 const struct sieve_node *node,
			 const struct sieve_arg *arg)
{
	unsigned count = 0;

	for (const struct sieve_arg *other = node->args; other != arg;
	     other = other->next) {
		if (other->tag == NULL)
			continue;
		count++;
		if (!same_group(other->tag, arg->tag))
			continue;
		sieve_error(check, arg->at,
			    "duplicate %s argument :%s for the %s %s",
			    arg->tag->group ? arg->tag->group : "tagged",
			    arg->tag->name, WHAT(node));
		return;
	}
	if (count >= SIEVE_MAX_TAGS)
		sieve_error(check, arg->at, "too many tags for the %s %s",
			    WHAT(node));
}

/* Once for each command and tag; later ones are passed over. */
static void unknown_tag(struct sieve_check *check,
			const struct sieve_node *node, struct sieve_arg *arg)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "tag");
	struct str key = str_of(
		mem_printf(ctx, "%s %s %.*s", WHAT(node), STR_FMT(arg->text)));

	if (sieve_check_word(check, '?', key) != NULL) {
		check->errors++; /* it is not told, but it is one */
		return;
	}
	sieve_error(check, arg->at,
		    "unknown tagged argument ':%.*s' for the %s %s (only "
		    "reported once)",
		    STR_FMT(arg->text), WHAT(node));
	sieve_check_note(check, '?', key);
}

/* The tag, and the argument behind it that is its value. */
static void check_tag(struct sieve_check *check, struct sieve_node *node,
		      struct sieve_arg *arg)
{
	const struct sieve_tag *tag = find_tag(check, node->command, arg->text);
	struct sieve_arg *value = arg->next;

	if (tag == NULL) {
		unknown_tag(check, node, arg);
		return;
	}
	arg->tag = tag;
	check_double(check, node, arg);
	if (tag->param.type == SIEVE_NONE)
		return;
	if (value == NULL) {
		sieve_error(check, arg->at,
			    "the :%s tag for the %s %s requires %s (%s)",
			    tag->name, WHAT(node), type_name(tag->param.type),
			    tag->param.name);
		return;
	}
	arg->value = value;
	arg->next = value->next;
	value->next = NULL;
	if (check_value(check, value, &tag->param, node, tag, 0))
		check_variable_use(check, value, &tag->param);
}

/* positional arguments */

static unsigned count_params(const struct sieve_command *command,
			     unsigned *required_out, unsigned *most_out)
{
	unsigned count = 0;

	*required_out = *most_out = 0;
	for (; count < SIEVE_MAX_PARAMS &&
	       command->params[count].type != SIEVE_NONE;
	     count++) {
		unsigned flags = command->params[count].flags;

		*required_out += (flags & (SIEVE_OPTIONAL | SIEVE_HIDDEN)) == 0;
		*most_out += (flags & SIEVE_HIDDEN) == 0;
	}
	return count;
}

static unsigned count_positional(const struct sieve_node *node)
{
	unsigned count = 0;

	for (struct sieve_arg *arg = node->args; arg; arg = arg->next)
		count += arg->type != SIEVE_TAG;
	return count;
}

/* Those that are optional are left out from the left, when there are too few.
 */
static void check_positional(struct sieve_check *check, struct sieve_node *node)
{
	const struct sieve_command *command = node->command;
	unsigned given = count_positional(node), required, most, number = 0;
	unsigned count = count_params(command, &required, &most);
	unsigned spare = given > required ? given - required : 0;
	struct sieve_arg *arg = node->args;
	unsigned errors = check->errors;

	if (given < required || given > most) {
		sieve_error(check, node->at,
			    "the %s %s requires %u positional argument(s), but "
			    "%u is/are specified",
			    WHAT(node), required, given);
		return;
	}
	for (unsigned i = 0; i < count && check->errors == errors; i++) {
		const struct sieve_param *param = &command->params[i];

		if ((param->flags & SIEVE_HIDDEN) != 0)
			continue;
		if ((param->flags & SIEVE_OPTIONAL) != 0 && spare-- == 0) {
			spare = 0;
			continue;
		}
		while (arg != NULL && arg->type == SIEVE_TAG)
			arg = arg->next;
		if (arg == NULL)
			break;
		number++;
		if (check_value(check, arg, param, node, NULL, number))
			check_variable_use(check, arg, param);
		node->params[i] = arg;
		arg = arg->next;
	}
}

static void check_order(struct sieve_check *check,
			const struct sieve_node *node)
{
	bool positional = false;

	for (const struct sieve_arg *arg = node->args; arg; arg = arg->next) {
		if (arg->type != SIEVE_TAG) {
			positional = true;
		} else if (positional) {
			sieve_error(check, arg->at,
				    "encountered tagged argument ':%.*s' "
				    "behind a positional argument of the %s %s",
				    STR_FMT(arg->text), WHAT(node));
			return;
		}
	}
}

void sieve_check_args(struct sieve_check *check, struct sieve_node *node)
{
	unsigned errors = check->errors;

	for (struct sieve_arg *arg = node->args;
	     arg != NULL && check->errors == errors; arg = arg->next) {
		if (arg->type == SIEVE_TAG)
			check_tag(check, node, arg);
	}
	if (check->errors == errors)
		check_order(check, node);
	if (check->errors == errors)
		check_positional(check, node);
	if (check->errors != errors)
		return;
	for (struct sieve_arg *arg = node->args; arg; arg = arg->next) {
		if (arg->tag != NULL && arg->tag->check != NULL)
			arg->tag->check(check, node, arg);
	}
}

struct sieve_arg *sieve_check_number(struct sieve_check *check, uint64_t number)
{
	struct sieve_arg *arg =
		sieve_arena_new_of(check->tree, struct sieve_arg);

	arg->type = SIEVE_NUMBER;
	arg->number = number;
	return arg;
}

/* values */

void sieve_check_header_name(struct sieve_check *check,
			     const struct sieve_arg *arg)
{
	if (!sieve_field_name_valid(arg->text))
		sieve_warning(check, arg->at,
			      "specified header field name '%.*s' is invalid: "
			      "no header field has it",
			      STR_FMT(arg->text));
}

void sieve_check_address(struct sieve_check *check, const struct sieve_arg *arg)
{
	if (!sieve_address_valid(arg->text))
		sieve_error(check, arg->at,
			    "specified address '%.*s' is invalid: expected "
			    "user@domain, or a name with <user@domain>",
			    STR_FMT(arg->text));
}

bool sieve_mailbox_valid(struct str name)
{
	return name.len > 0 && utf8_valid(name) &&
	       memchr(name.data, '\0', name.len) == NULL;
}

void sieve_check_mailbox(struct sieve_check *check, const struct sieve_arg *arg)
{
	if (!sieve_mailbox_valid(arg->text))
		sieve_error(check, arg->at,
			    "invalid mailbox name '%.*s': expected UTF-8, and "
			    "not empty",
			    STR_FMT(arg->text));
}

void sieve_check_fcc(struct sieve_check *check, struct sieve_node *node,
		     const struct sieve_arg *tag)
{
	if (!str_case_is(node->name, "fileinto") &&
	    !str_case_is(node->name, "keep") &&
	    sieve_node_tag(node, "fcc") == NULL)
		sieve_error(check, tag->at,
			    "the :%s tag for the %s command cannot be used "
			    "without the :fcc tag",
			    tag->tag->name, node->command->name);
}
