/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/base_tests.c - address, exists, header, size, and the tags of match
 * types and address parts (RFC 5228 sections 2.7, 5).
 */
#include "base/cleanup.h"
#include "sieve/ext.h"

/* header */

static int header_run(struct sieve_run *run, const struct sieve_args *args,
		      bool *result_out, struct err *err)
{
	const struct sieve_value *names = &args->params[0];
	struct sieve_fields fields;
	struct sieve_field *field;
	struct sieve_match match;

	sieve_match_begin(&match, run, args, &args->params[1]);
	sieve_fields_begin(&fields, run, args, names->list, names->count);
	while (!match.found && (field = sieve_fields_next(&fields)) != NULL) {
		if (sieve_match_value(&match,
				      sieve_field_text(run->message, field),
				      err) < 0)
			return -1;
	}
	return sieve_match_end(&match, result_out, err);
}

/* address */

static int match_addresses(struct sieve_run *run, const struct sieve_args *args,
			   struct sieve_field *field, struct sieve_match *match,
			   struct err *err)
{
	unsigned max = sieve_engine_settings(run->engine)->sieve_max_addresses;
	const struct sieve_address *list;
	unsigned count;
	struct str part;

	list = sieve_field_addresses(run->message, field, max, &count);
	for (unsigned i = 0; i < count && !match->found; i++) {
		if (!sieve_run_part(run, args, &list[i], &part))
			match->count++; /* as Dovecot has it */
		else if (sieve_match_value(match, part, err) < 0)
			return -1;
	}
	return sieve_run_work(run, field->value.len / 64, err);
}

static int address_run(struct sieve_run *run, const struct sieve_args *args,
		       bool *result_out, struct err *err)
{
	const struct sieve_value *names = &args->params[0];
	struct sieve_fields fields;
	struct sieve_field *field;
	struct sieve_match match;

	sieve_match_begin(&match, run, args, &args->params[1]);
	sieve_fields_begin(&fields, run, args, names->list, names->count);
	while (!match.found && (field = sieve_fields_next(&fields)) != NULL) {
		if (match_addresses(run, args, field, &match, err) < 0)
			return -1;
	}
	return sieve_match_end(&match, result_out, err);
}

/* Section 5.1: only fields that have addresses: those that Dovecot knows, and
 * of RFC 5536, 5703, 8098 and 9057. */
static void address_field_check(struct sieve_check *check,
				const struct sieve_arg *arg)
{
	static const char *const names[] = {
		"from",
		"sender",
		"reply-to",
		"to",
		"cc",
		"bcc",
		"resent-from",
		"resent-sender",
		"resent-reply-to",
		"resent-to",
		"resent-cc",
		"resent-bcc",
		"errors-to",
		"delivered-to",
		"x-original-to",
		"abuse-reports-to",
		"apparently-to",
		"mail-followup-to",
		"mail-reply-to",
		"x-admin",
		"x-beenthere",
		"x-report-abuse-to",
		"return-receipt-to",
		"disposition-notification-to",
		"approved",
		"author",
		"original-from",
		"content-from",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (str_case_is(arg->text, names[i]))
			return;
	}
	sieve_error(check, arg->at,
		    "specified header '%.*s' is not allowed for the address "
		    "test",
		    STR_FMT(arg->text));
}

/* exists, size */

static int exists_run(struct sieve_run *run, const struct sieve_args *args,
		      bool *result_out, struct err *)
{
	const struct sieve_value *names = &args->params[0];

	*result_out = true;
	for (unsigned i = 0; i < names->count && *result_out; i++) {
		struct sieve_fields fields;

		sieve_fields_begin(&fields, run, args, &names->list[i], 1);
		*result_out = sieve_fields_next(&fields) != NULL;
	}
	return 0;
}

static int size_run(struct sieve_run *run, const struct sieve_args *args,
		    bool *result_out, struct err *)
{
	uint64_t size = sieve_message_size(run->message);
	uint64_t limit = args->params[0].number;

	*result_out = sieve_args_tag(args, "over") != NULL ? size > limit
							   : size < limit;
	return 0;
}

static void size_check(struct sieve_check *check, struct sieve_node *node)
{
	if (sieve_node_tag(node, "over") == NULL &&
	    sieve_node_tag(node, "under") == NULL)
		sieve_error(check, node->at,
			    "the size test requires either the :under or the "
			    ":over tag to be specified");
}

/* parts of addresses */

static bool part_all(struct sieve_run *, const struct sieve_address *address,
		     struct str *out)
{
	*out = address->all;
	return true;
}

static bool part_local(struct sieve_run *, const struct sieve_address *address,
		       struct str *out)
{
	*out = address->local;
	return out->data != NULL;
}

static bool part_domain(struct sieve_run *, const struct sieve_address *address,
			struct str *out)
{
	*out = address->domain;
	return out->data != NULL;
}

/* comparators */

static void comparator_check(struct sieve_check *check, struct sieve_node *node,
			     const struct sieve_arg *tag)
{
	struct str name = tag->value->text;
	const struct sieve_comparator *comparator =
		sieve_comparator_find(sieve_check_engine(check), name);
	const struct sieve_match_type *type = &sieve_match_is;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "name");
	char *ext = mem_printf(ctx, "comparator-%s",
			       comparator == NULL ? "" : comparator->name);

	for (const struct sieve_arg *arg = node->args; arg; arg = arg->next) {
		if (arg->tag != NULL && arg->tag->match_type != NULL)
			type = arg->tag->match_type;
	}
	if (comparator == NULL)
		sieve_error(check, tag->value->at, "unknown comparator '%.*s'",
			    STR_FMT(name));
	else if (!sieve_check_active(check, ext))
		sieve_error(check, tag->value->at,
			    "unknown comparator '%.*s': require \"%s\" is "
			    "missing",
			    STR_FMT(name), ext);
	else if ((type->needs & ~comparator->flags) != 0)
		sieve_error(check, tag->value->at,
			    "the specified %s comparator does not support "
			    "the :%s match type",
			    comparator->name, type->name);
}

static const struct sieve_tag size_tags[] = {
	{.name = "over", .group = "size"},
	{.name = "under", .group = "size"},
	SIEVE_END,
};

static const struct sieve_command commands[] = {
	{.name = "address",
	 .flags = SIEVE_IS_TEST,
	 .takes = "match address-part fields mime",
	 .params = {{"header list", SIEVE_STRINGS, 0, address_field_check},
		    {"key list", SIEVE_STRINGS, 0, NULL}},
	 .run = address_run},
	{.name = "header",
	 .flags = SIEVE_IS_TEST,
	 .takes = "match fields mime",
	 .params = {{"header names", SIEVE_STRINGS, 0, sieve_check_header_name},
		    {"key list", SIEVE_STRINGS, 0, NULL}},
	 .run = header_run},
	{.name = "exists",
	 .flags = SIEVE_IS_TEST,
	 .takes = "mime",
	 .params = {{"header names", SIEVE_STRINGS, 0,
		     sieve_check_header_name}},
	 .run = exists_run},
	{.name = "size",
	 .flags = SIEVE_IS_TEST,
	 .tags = size_tags,
	 .params = {{"limit", SIEVE_NUMBER, 0, NULL}},
	 .check = size_check,
	 .run = size_run},
	SIEVE_END,
};

static const struct sieve_tag tags[] = {
	SIEVE_MATCH_TAG("is", sieve_match_is),
	SIEVE_MATCH_TAG("contains", sieve_match_contains),
	SIEVE_MATCH_TAG("matches", sieve_match_matches),
	{.name = "comparator",
	 .of = "@match",
	 .param = {"comparator name", SIEVE_STRING, SIEVE_LITERAL, NULL},
	 .check = comparator_check},
	SIEVE_PART_TAG("all", part_all),
	SIEVE_PART_TAG("localpart", part_local),
	SIEVE_PART_TAG("domain", part_domain),
	SIEVE_END,
};

const struct sieve_extension ext_base_tests = {.name = "@tests",
					       .flags = SIEVE_EXT_BASE,
					       .commands = commands,
					       .tags = tags};
