/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/envelope.c - the envelope test (RFC 5228 section 5.4), with
 * Dovecot's parts "auth" and "orig_to"; as with Dovecot, "to" is the original
 * recipient, too, if the MTA tells who that was. envelope-dsn and
 * envelope-deliverby, parts with what SMTP's DSN and DELIVERBY said (RFC 6009
 * sections 2, 3).
 */
#include "sieve/ext.h"

/* Parts, and the extension that has them. */
static const struct {
	const char *name, *ext;
} parts[] = {
	{"from", "envelope"},
	{"to", "envelope"},
	{"auth", "envelope"},
	{"orig_to", "envelope"},
	{"notify", "envelope-dsn"},
	{"orcpt", "envelope-dsn"},
	{"ret", "envelope-dsn"},
	{"envid", "envelope-dsn"},
	{"bytimerelative", "envelope-deliverby"},
	{"bytimeabsolute", "envelope-deliverby"},
	{"bymode", "envelope-deliverby"},
	{"bytrace", "envelope-deliverby"},
};

static void part_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (str_case_is(arg->text, parts[i].name) &&
		    sieve_check_active(check, parts[i].ext))
			return;
	}
	sieve_error(check, arg->at,
		    "specified envelope part '%.*s' is not supported by the "
		    "envelope test",
		    STR_FMT(arg->text));
}

/* Of RFC 6009: a text, not an address, so that only :all is in it. */
static void get_extra(const struct sieve_envelope *envelope, struct str name,
		      struct sieve_address *out)
{
	const char *const(*extra)[2] = envelope->extra;

	for (; extra != NULL && (*extra)[0] != NULL; extra++) {
		if (str_case_is(name, (*extra)[0]))
			out->all = str_of((*extra)[1]);
	}
}

/* The address of a part; false if there is none. */
static bool get_part(const struct sieve_envelope *envelope, struct str name,
		     struct sieve_address *out)
{
	*out = (struct sieve_address){0};
	if (str_case_is(name, "from")) {
		*out = envelope->from;
		/* Section 5.4: the null sender is an empty string. */
		if (envelope->null_sender)
			out->all = out->local = out->domain = STR("");
	} else if (str_case_is(name, "to") || str_case_is(name, "orig_to")) {
		*out = envelope->original_to.all.data != NULL
			       ? envelope->original_to
			       : envelope->to;
	} else if (str_case_is(name, "auth") && envelope->auth != NULL) {
		out->all = out->local = str_of(envelope->auth);
	} else {
		get_extra(envelope, name, out);
	}
	return out->all.data != NULL;
}

static int envelope_run(struct sieve_run *run, const struct sieve_args *args,
			bool *result_out, struct err *err)
{
	const struct sieve_value *names = &args->params[0];
	struct sieve_match match;

	sieve_match_begin(&match, run, args, &args->params[1]);
	for (unsigned i = 0; i < names->count && !match.found; i++) {
		struct sieve_address address;
		struct str part;

		if (!get_part(run->envelope, names->list[i], &address))
			continue;
		/* The null sender is no address (RFC 5231 section 4.2). */
		if (match.type->count != NULL && address.all.len == 0)
			continue;
		if (!sieve_run_part(run, args, &address, &part))
			match.count++;
		else if (sieve_match_value(&match, part, err) < 0)
			return -1;
	}
	return sieve_match_end(&match, result_out, err);
}

static const struct sieve_command commands[] = {
	{.name = "envelope",
	 .flags = SIEVE_IS_TEST,
	 .takes = "match address-part",
	 .params = {{"envelope part", SIEVE_STRINGS, 0, part_check},
		    {"key list", SIEVE_STRINGS, 0, NULL}},
	 .run = envelope_run},
	SIEVE_END,
};

const struct sieve_extension ext_envelope = {
	.name = "envelope", .flags = SIEVE_EXT_ENVELOPE, .commands = commands};
const struct sieve_extension ext_envelope_dsn = {.name = "envelope-dsn",
						 .flags = SIEVE_EXT_OFF |
							  SIEVE_EXT_ENVELOPE,
						 .implies = "envelope"};
const struct sieve_extension ext_envelope_deliverby = {
	.name = "envelope-deliverby",
	.flags = SIEVE_EXT_OFF | SIEVE_EXT_ENVELOPE,
	.implies = "envelope"};
