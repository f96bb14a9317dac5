/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/extracttext.c - extracttext (RFC 5703 section 7).
 */
#include "sieve/ext.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "mime/body.h"
#include "mime/parse.h"
#include "sieve/ext/foreverypart.h"
#include "sieve/part.h"

/* Of media types that are no text, Dovecot has the content, too. */
static bool is_decodable(struct sieve_run *run, const struct mime_part *part)
{
	struct str header = sieve_part_header(run->message, part);

	return part->kind == MIME_TEXT &&
	       content_encoding_parse(header) != ENCODING_UNKNOWN;
}

static int extracttext_run(struct sieve_run *run, const struct sieve_args *args,
			   bool *, struct err *err)
{
	const struct sieve_value *first = sieve_args_tag(args, "first");
	const struct mime_part *part = sieve_loop_part(run);
	uint64_t max = sieve_engine_settings(run->engine)->sieve_max_memory;
	CLEANUP(buf_free) struct buf text = buf_init((size_t)max);
	struct str value;

	if (part != NULL && is_decodable(run, part))
		sieve_part_text(run->message, part, &text);
	if (text.overflow)
		return err_set(err, ERR_LIMIT,
			       "the part is too large to be looked at "
			       "(sieve_max_memory)");
	value = str_n(text.data, text.len);
	if (first != NULL)
		value = utf8_head(value, first->number);
	if (sieve_run_work(run, 1 + text.len / 64, err) < 0 ||
	    sieve_run_modify(run, args, &value, err) < 0)
		return -1;
	return sieve_run_set(run, args->params[0].variable, value, err);
}

static void extracttext_check(struct sieve_check *check,
			      struct sieve_node *node)
{
	if (!sieve_loop_around(check))
		sieve_error(check, node->at,
			    "the extracttext command is not placed inside a "
			    "foreverypart loop");
}

static const struct sieve_tag tags[] = {
	{.name = "first",
	 .param = {"number of characters", SIEVE_NUMBER, 0, NULL}},
	SIEVE_END,
};

static const struct sieve_command commands[] = {
	{.name = "extracttext",
	 .takes = "modifier",
	 .tags = tags,
	 .params = {{"variable name", SIEVE_STRING, SIEVE_VARIABLE, NULL}},
	 .check = extracttext_check,
	 .run = extracttext_run},
	SIEVE_END,
};

const struct sieve_extension ext_extracttext = {.name = "extracttext",
						.commands = commands};
