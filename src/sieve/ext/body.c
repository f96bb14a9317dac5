/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/body.c - body (RFC 5173).
 */
#include "base/cleanup.h"
#include "mime/imap.h"
#include "mime/parse.h"
#include "sieve/ext.h"
#include "sieve/part.h"

/* What is compared of a part, or of the message. */
enum what { RAW, HEADER, PROLOGUE, EPILOGUE, DECODED, TEXT };

/* Made for the message at hand; a `replace` or `filter` makes another tree, so
 * that nothing of the old one is found. */
struct made {
	const struct mime_part *part;
	enum what what;
	struct str value;
	struct made *next;
};

extern const struct sieve_extension ext_body;

struct state {
	unsigned generation;
	struct made *made;
	uint64_t size; /* of all that was made in this run */
};

static struct str as_it_stands(struct sieve_run *run,
			       const struct mime_part *part, enum what what)
{
	if (what == HEADER)
		return sieve_part_header(run->message, part);
	if (what == PROLOGUE)
		return sieve_part_prologue(run->message, part);
	if (what == EPILOGUE)
		return sieve_part_epilogue(run->message, part);
	return sieve_message_body(run->message);
}

static int make(struct sieve_run *run, const struct mime_part *part,
		enum what what, struct str *out, struct err *err)
{
	struct state *state = sieve_run_state(run, &ext_body);
	uint64_t max = sieve_engine_settings(run->engine)->sieve_max_memory;
	CLEANUP(buf_free)
	struct buf made =
		buf_init(max > state->size ? (size_t)(max - state->size) : 0);
	bool last_cr = false;

	if (what == TEXT) {
		sieve_part_text(run->message, part, &made);
	} else if (what == DECODED) {
		sieve_part_decode(run->message, part, &made);
	} else {
		*out = as_it_stands(run, part, what);
		if (crlf_size(*out, false) == out->len)
			return 0;
		crlf_append(*out, &last_cr, &made);
	}
	if (made.overflow)
		return err_set(err, ERR_LIMIT,
			       "the body is too large to be looked at "
			       "(sieve_max_memory)");
	*out = sieve_arena_str(run->arena, str_n(made.data, made.len));
	state->size += made.len;
	return 0;
}

static int get(struct sieve_run *run, const struct mime_part *part,
	       enum what what, struct str *out, struct err *err)
{
	struct state *state = sieve_run_state(run, &ext_body);
	struct made *found;

	if (state->generation != sieve_message_generation(run->message)) {
		state->generation = sieve_message_generation(run->message);
		state->made = NULL;
	}
	for (found = state->made; found != NULL; found = found->next) {
		if (found->part == part && found->what == what) {
			*out = found->value;
			return 0;
		}
	}
	if (make(run, part, what, out, err) < 0)
		return -1;
	found = sieve_arena_new_of(run->arena, struct made);
	found->part = part;
	found->what = what;
	found->value = *out;
	found->next = state->made;
	state->made = found;
	return 0;
}

static int match_it(struct sieve_run *run, struct sieve_match *match,
		    const struct mime_part *part, enum what what,
		    struct err *err)
{
	struct str value;

	return get(run, part, what, &value, err) < 0
		       ? -1
		       : sieve_match_value(match, value, err);
}

/* :raw */

static int match_raw(struct sieve_run *run, struct sieve_match *match,
		     struct err *err)
{
	struct str raw = sieve_message_raw(run->message);
	struct str body = sieve_message_body(run->message);
	size_t header = raw.len - body.len;

	/* Section 4: a header without the empty line has no body. */
	if (body.len == 0 && header > 0 &&
	    !(header >= 2 && raw.data[header - 1] == '\n' &&
	      (raw.data[header - 2] == '\n' ||
	       (header >= 3 && raw.data[header - 2] == '\r' &&
		raw.data[header - 3] == '\n'))))
		return 0;
	return match_it(run, match, NULL, RAW, err);
}

/* :content, :text */

static bool is_wanted(const struct mime_part *part,
		      const struct sieve_value *types)
{
	for (unsigned i = 0; i < types->count; i++) {
		if (sieve_part_is(part, types->list[i]))
			return true;
	}
	return false;
}

static int match_part(struct sieve_run *run, struct sieve_match *match,
		      const struct mime_part *part, bool text, struct err *err)
{
	if (part->kind == MIME_MESSAGE && part->children != NULL)
		return match_it(run, match, part->children, HEADER, err);
	if (part->kind != MIME_MULTIPART)
		return match_it(run, match, part, text ? TEXT : DECODED, err);
	if (match_it(run, match, part, PROLOGUE, err) < 0)
		return -1;
	return match->found ? 0 : match_it(run, match, part, EPILOGUE, err);
}

static int match_parts(struct sieve_run *run, struct sieve_match *match,
		       const struct sieve_value *types, bool text,
		       struct err *err)
{
	const struct mime_part *top = sieve_message_mime(run->message)->root;
	const struct mime_part *part = NULL;

	while (!match->found && (part = sieve_part_next(top, part)) != NULL) {
		if (sieve_run_work(run, 1 + part->body.physical / 64, err) < 0)
			return -1;
		if (is_wanted(part, types) &&
		    match_part(run, match, part, text, err) < 0)
			return -1;
	}
	return 0;
}

static int body_run(struct sieve_run *run, const struct sieve_args *args,
		    bool *result_out, struct err *err)
{
	static const struct str text = {"text", 4};
	static const struct sieve_value texts = {
		.type = SIEVE_STRINGS, .list = &text, .count = 1};
	const struct sieve_value *content = sieve_args_tag(args, "content");
	struct sieve_match match;
	int result;

	sieve_match_begin(&match, run, args, &args->params[0]);
	match.keeps_matches = true;
	if (sieve_args_tag(args, "raw") != NULL)
		result = match_raw(run, &match, err);
	else
		result = match_parts(run, &match,
				     content != NULL ? content : &texts,
				     content == NULL, err);
	return result < 0 ? -1 : sieve_match_end(&match, result_out, err);
}

static const struct sieve_tag tags[] = {
	{.name = "raw", .group = "BODY-TRANSFORM"},
	{.name = "text", .group = "BODY-TRANSFORM"},
	{.name = "content",
	 .group = "BODY-TRANSFORM",
	 .param = {"content types", SIEVE_STRINGS, 0, NULL}},
	SIEVE_END,
};

static const struct sieve_command commands[] = {
	{.name = "body",
	 .flags = SIEVE_IS_TEST,
	 .takes = "match",
	 .tags = tags,
	 .params = {{"key list", SIEVE_STRINGS, 0, NULL}},
	 .run = body_run},
	SIEVE_END,
};

const struct sieve_extension ext_body = {
	.name = "body", .commands = commands, .run_size = sizeof(struct state)};
