/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/metadata.c - tests of annotations, of mailboxes and of the server
 * (RFC 5490 sections 4, 5; RFC 5464 has the names).
 */
#include "base/encode.h"
#include "sieve/ext.h"

/* RFC 5464 section 3.2: "/private/..." or "/shared/..." */
static bool is_entry(struct str name)
{
	bool right = str_case_starts(name, "/private/") ||
		     str_case_starts(name, "/shared/");

	for (size_t i = 0; right && i < name.len; i++) {
		unsigned char c = (unsigned char)name.data[i];

		right = c > 0x1f && c < 0x7f && c != '*' && c != '%' &&
			(c != '/' ||
			 (i + 1 < name.len && name.data[i + 1] != '/'));
	}
	return right;
}

/* No mailbox has it: no error, and nothing matches, as with Pigeonhole. */
static void entry_check(struct sieve_check *check, const struct sieve_arg *arg)
{
	if (!is_entry(arg->text))
		sieve_warning(check, arg->at,
			      "specified annotation name '%.*s' is invalid: "
			      "expected /private/... or /shared/...",
			      STR_FMT(arg->text));
}

/* data is NULL if there is no such annotation. */
static int get(struct sieve_run *run, const struct str *mailbox,
	       struct str entry, struct str *out, struct err *err)
{
	const struct sieve_host *host = run->host;
	const char *name = NULL;
	char *lower;

	*out = (struct str){NULL, 0};
	if (host->metadata == NULL || !is_entry(entry))
		return 0;
	/* RFC 5464 section 3.2: in any case. */
	lower = (char *)(uintptr_t)sieve_arena_str(run->scratch, entry).data;
	for (size_t i = 0; i < entry.len; i++)
		lower[i] = ascii_lower(lower[i]);
	if (mailbox != NULL) {
		if (!sieve_mailbox_valid(*mailbox))
			return 0;
		name = sieve_run_text(run, *mailbox);
	}
	return host->metadata(host->ctx, run->scratch, name, lower, out, err);
}

static int exist(struct sieve_run *run, const struct str *mailbox,
		 const struct sieve_value *entries, bool *result_out,
		 struct err *err)
{
	struct str value;

	*result_out = true;
	for (unsigned i = 0; *result_out && i < entries->count; i++) {
		if (get(run, mailbox, entries->list[i], &value, err) < 0)
			return -1;
		*result_out = value.data != NULL;
	}
	return 0;
}

/* Sections 3.3, 4.1: what is not there does not match, not even by :count. */
static int match(struct sieve_run *run, const struct sieve_args *args,
		 const struct str *mailbox, struct str entry,
		 const struct sieve_value *keys, bool *result_out,
		 struct err *err)
{
	struct sieve_match match;
	struct str value;

	*result_out = false;
	if (get(run, mailbox, entry, &value, err) < 0)
		return -1;
	if (value.data == NULL)
		return 0;
	sieve_match_begin(&match, run, args, keys);
	if (sieve_match_value(&match, value, err) < 0)
		return -1;
	return sieve_match_end(&match, result_out, err);
}

static int metadata_run(struct sieve_run *run, const struct sieve_args *args,
			bool *result_out, struct err *err)
{
	return match(run, args, &args->params[0].text, args->params[1].text,
		     &args->params[2], result_out, err);
}

static int metadataexists_run(struct sieve_run *run,
			      const struct sieve_args *args, bool *result_out,
			      struct err *err)
{
	return exist(run, &args->params[0].text, &args->params[1], result_out,
		     err);
}

static int servermetadata_run(struct sieve_run *run,
			      const struct sieve_args *args, bool *result_out,
			      struct err *err)
{
	return match(run, args, NULL, args->params[0].text, &args->params[1],
		     result_out, err);
}

static int servermetadataexists_run(struct sieve_run *run,
				    const struct sieve_args *args,
				    bool *result_out, struct err *err)
{
	return exist(run, NULL, &args->params[0], result_out, err);
}

static const struct sieve_command mailbox_commands[] = {
	{.name = "metadata",
	 .flags = SIEVE_IS_TEST,
	 .takes = "match",
	 .params = {{"mailbox name", SIEVE_STRING, 0, sieve_check_mailbox},
		    {"annotation name", SIEVE_STRING, 0, entry_check},
		    {"key list", SIEVE_STRINGS, 0, NULL}},
	 .run = metadata_run},
	{.name = "metadataexists",
	 .flags = SIEVE_IS_TEST,
	 .params = {{"mailbox name", SIEVE_STRING, 0, sieve_check_mailbox},
		    {"annotation names", SIEVE_STRINGS, 0, entry_check}},
	 .run = metadataexists_run},
	SIEVE_END,
};

static const struct sieve_command server_commands[] = {
	{.name = "servermetadata",
	 .flags = SIEVE_IS_TEST,
	 .takes = "match",
	 .params = {{"annotation name", SIEVE_STRING, 0, entry_check},
		    {"key list", SIEVE_STRINGS, 0, NULL}},
	 .run = servermetadata_run},
	{.name = "servermetadataexists",
	 .flags = SIEVE_IS_TEST,
	 .params = {{"annotation names", SIEVE_STRINGS, 0, entry_check}},
	 .run = servermetadataexists_run},
	SIEVE_END,
};

const struct sieve_extension ext_mboxmetadata = {.name = "mboxmetadata",
						 .flags = SIEVE_EXT_OFF,
						 .commands = mailbox_commands};
const struct sieve_extension ext_servermetadata = {.name = "servermetadata",
						   .flags = SIEVE_EXT_OFF,
						   .commands = server_commands};
