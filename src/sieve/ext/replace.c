/* SPDX-License-Identifier: MIT */
/*
 * sieve/ext/replace.c - replace, enclose (RFC 5703 sections 5, 6).
 */
#include "base/cleanup.h"
#include "base/encode.h"
#include "mime/parse.h"
#include "sieve/ext.h"
#include "sieve/ext/foreverypart.h"
#include "sieve/mail_out.h"
#include "sieve/part.h"

static const char *eol_of(struct sieve_run *run)
{
	struct str raw = sieve_message_raw(run->message);
	const char *eol = memchr(raw.data, '\n', raw.len);

	return eol != NULL && eol > raw.data && eol[-1] == '\r' ? "\r\n" : "\n";
}

/* A header's value: no line ends. */
static int hold_line(struct str value, const char *what, struct err *err)
{
	if (!utf8_valid(value) || memchr(value.data, '\0', value.len) ||
	    memchr(value.data, '\n', value.len) ||
	    memchr(value.data, '\r', value.len))
		return err_set(err, ERR_INVALID, "specified %s is invalid",
			       what);
	return 0;
}

/* Text with the message's line ends. */
static void add_lines(struct buf *out, struct str text, const char *eol)
{
	struct str line;

	while (str_split(&text, '\n', &line)) {
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		buf_add_str(out, line);
		if (text.data != NULL)
			buf_add(out, eol);
	}
}

static void add_plain_header(struct buf *out, const char *eol)
{
	buf_printf(out,
		   "Content-Type: text/plain; charset=utf-8%s"
		   "Content-Transfer-Encoding: 8bit%s",
		   eol, eol);
}

/* replace */

static bool is_content_field(struct str name)
{
	return str_case_starts(name, "Content-") ||
	       str_case_is(name, "MIME-Version");
}

/* The message's own fields; those that are replaced get another name (RFC 5703
 * section 5). */
static void add_own_header(struct sieve_run *run, const struct sieve_args *args,
			   struct buf *out)
{
	bool subject = sieve_args_tag(args, "subject") != NULL;
	bool from = sieve_args_tag(args, "from") != NULL;
	struct sieve_field *field = sieve_message_fields(run->message);

	for (; field != NULL; field = field->next) {
		if (is_content_field(field->name))
			continue;
		if ((subject && str_case_is(field->name, "Subject")) ||
		    (from && str_case_is(field->name, "From")))
			buf_add(out, "Original-");
		buf_add_str(out, field->full);
	}
}

static int add_from(const struct sieve_args *args, const char *eol,
		    struct buf *out, struct err *err)
{
	const struct sieve_value *from = sieve_args_tag(args, "from");

	if (from == NULL)
		return 0;
	if (hold_line(from->text, "from", err) < 0)
		return -1;
	buf_printf(out, "From: %.*s%s", STR_FMT(from->text), eol);
	return 0;
}

/* Section 5: in encoded words, if and only if it has to be. */
static int add_subject(const struct sieve_args *args, const char *eol,
		       struct buf *out, struct err *err)
{
	const struct sieve_value *subject = sieve_args_tag(args, "subject");
	CLEANUP(buf_free) struct buf field = buf_init(SIZE_MAX);

	if (subject == NULL)
		return 0;
	if (hold_line(subject->text, "subject", err) < 0)
		return -1;
	sieve_out_field(&field, "Subject", subject->text);
	add_lines(out, str_n(field.data, field.len), eol);
	return 0;
}

/* Section 5: of a message, the fields that are not of MIME stay; a part gives
 * place whole. */
static int replace_run(struct sieve_run *run, const struct sieve_args *args,
		       bool *, struct err *err)
{
	const struct mime_part *part = sieve_loop_part(run);
	bool mime = sieve_args_tag(args, "mime") != NULL;
	CLEANUP(buf_free) struct buf out = buf_init(SIZE_MAX);
	const char *eol = eol_of(run);

	if (part == NULL || part == sieve_message_mime(run->message)->root) {
		add_own_header(run, args, &out);
		if (add_from(args, eol, &out, err) < 0 ||
		    add_subject(args, eol, &out, err) < 0)
			return -1;
		buf_printf(&out, "MIME-Version: 1.0%s", eol);
	}
	if (!mime) {
		add_plain_header(&out, eol);
		buf_add(&out, eol);
	}
	add_lines(&out, args->params[0].text, eol);
	return sieve_loop_replace(run, str_n(out.data, out.len), err);
}

/* enclose */

/* No line of the message has it (RFC 2046 section 5.1.1). */
static void put_boundary(struct str raw, struct buf *out)
{
	unsigned number = 0;

	do {
		buf_reset(out);
		buf_printf(out, "enclosed-%zu-%u", raw.len, number++);
	} while (str_find(raw, str_n(out->data, out->len)) >= 0);
}

/* Fields that the enclosing message has as well (section 6). */
static bool is_trace_field(struct str name)
{
	static const char *const names[] = {
		"Received", "Return-Path", "Delivered-To", "From",
		"To",       "Cc",          "Date",         "Message-ID",
	};
	bool is = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		is |= str_case_is(name, names[i]);
	return is;
}

static void add_trace_header(struct sieve_run *run, bool subject,
			     struct buf *out)
{
	struct sieve_field *field = sieve_message_fields(run->message);

	for (; field != NULL; field = field->next) {
		if (is_trace_field(field->name) ||
		    (!subject && str_case_is(field->name, "Subject")))
			buf_add_str(out, field->full);
	}
}

/* "Name: value", or "Name": the message's own fields of that name. */
static int add_given_field(struct sieve_run *run, struct str given,
			   unsigned number, const char *eol, struct buf *out,
			   struct err *err)
{
	ptrdiff_t colon = str_find_char(given, ':');
	const struct sieve_field *own;

	if (hold_line(given, "header", err) < 0)
		return -1;
	if (colon > 0) {
		buf_add_str(out, given);
		buf_add(out, eol);
		return 0;
	}
	if (colon == 0 || !sieve_field_name_valid(given))
		return err_set(err, ERR_INVALID,
			       "specified header %u of enclose has no name",
			       number);
	if (is_trace_field(given)) /* it is there already */
		return 0;
	own = sieve_message_field(run->message, given);
	for (; own != NULL; own = own->same)
		buf_add_str(out, own->full);
	return 0;
}

static int add_given_header(struct sieve_run *run,
			    const struct sieve_args *args, const char *eol,
			    struct buf *out, struct err *err)
{
	const struct sieve_value *given = sieve_args_tag(args, "headers");

	for (unsigned i = 0; given != NULL && i < given->count; i++) {
		if (add_given_field(run, given->list[i], i + 1, eol, out, err) <
		    0)
			return -1;
	}
	return 0;
}

/* The message as a part of another one, whose first part is the text. */
static int enclose_run(struct sieve_run *run, const struct sieve_args *args,
		       bool *, struct err *err)
{
	bool subject = sieve_args_tag(args, "subject") != NULL;
	CLEANUP(buf_free) struct buf boundary = buf_init(100);
	uint64_t max = sieve_engine_settings(run->engine)->sieve_max_memory;
	CLEANUP(buf_free) struct buf out = buf_init((size_t)max);
	const char *eol = eol_of(run);

	put_boundary(sieve_message_raw(run->message), &boundary);
	add_trace_header(run, subject, &out);
	if (add_subject(args, eol, &out, err) < 0 ||
	    add_given_header(run, args, eol, &out, err) < 0)
		return -1;
	buf_printf(&out,
		   "MIME-Version: 1.0%sContent-Type: multipart/mixed; "
		   "boundary=\"%s\"%s%s--%s%s",
		   eol, boundary.data, eol, eol, boundary.data, eol);
	add_plain_header(&out, eol);
	buf_add(&out, eol);
	add_lines(&out, args->params[0].text, eol);
	buf_printf(&out, "%s--%s%sContent-Type: message/rfc822%s%s", eol,
		   boundary.data, eol, eol, eol);
	sieve_message_write(run->message, &out);
	buf_printf(&out, "%s--%s--%s", eol, boundary.data, eol);
	if (out.overflow)
		return err_set(err, ERR_LIMIT,
			       "the message is too large to be enclosed "
			       "(sieve_max_memory)");
	if (sieve_run_replace(run, str_n(out.data, out.len), err) < 0)
		return -1;
	/* the whole, the text, the part that it is in */
	sieve_loop_shift(run, 3);
	return sieve_run_work(run, 1 + out.len / 64, err);
}

static const struct sieve_tag replace_tags[] = {
	{.name = "mime"},
	{.name = "subject", .param = {"subject", SIEVE_STRING, 0, NULL}},
	{.name = "from",
	 .param = {"sender", SIEVE_STRING, 0, sieve_check_address}},
	SIEVE_END,
};

static const struct sieve_tag enclose_tags[] = {
	{.name = "subject", .param = {"subject", SIEVE_STRING, 0, NULL}},
	{.name = "headers", .param = {"headers", SIEVE_STRINGS, 0, NULL}},
	SIEVE_END,
};

static const struct sieve_command replace_commands[] = {
	{.name = "replace",
	 .tags = replace_tags,
	 .params = {{"replacement", SIEVE_STRING, 0, NULL}},
	 .run = replace_run},
	SIEVE_END,
};

static const struct sieve_command enclose_commands[] = {
	{.name = "enclose",
	 .tags = enclose_tags,
	 .params = {{"text", SIEVE_STRING, 0, NULL}},
	 .run = enclose_run},
	SIEVE_END,
};

const struct sieve_extension ext_replace = {.name = "replace",
					    .commands = replace_commands};
const struct sieve_extension ext_enclose = {.name = "enclose",
					    .commands = enclose_commands};
