/* SPDX-License-Identifier: MIT */
#include "mime/unbinary.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "mime/content.h"
#include "mime/header.h"
#include "mime/parse.h"

/* Octets of a line of base64 (RFC 2045 section 6.8). */
enum { LINE_IN = 57, LINE_OUT = 80 };

struct unbinary {
	struct str in;
	uint64_t at; /* so far it is written */
	void (*write)(void *ctx, const void *data, size_t len);
	void *ctx;
};

static void put(const struct unbinary *job, struct str text)
{
	job->write(job->ctx, text.data, text.len);
}

/* As it is, but for the ends of lines. */
static void copy_to(struct unbinary *job, uint64_t end)
{
	struct str rest;
	ptrdiff_t cr;

	if (end <= job->at)
		return;
	rest = str_n(job->in.data + job->at, (size_t)(end - job->at));
	while ((cr = str_find_char(rest, '\r')) >= 0) {
		size_t len = (size_t)cr;

		if (len + 1 >= rest.len || rest.data[len + 1] != '\n')
			len++;
		put(job, str_n(rest.data, len));
		rest = str_from(rest, (size_t)cr + 1);
	}
	put(job, rest);
	job->at = end;
}

static void encode_to(struct unbinary *job, uint64_t end)
{
	CLEANUP(buf_free) struct buf line = buf_init(LINE_OUT);

	while (job->at < end) {
		uint64_t left = end - job->at;
		size_t len = left < LINE_IN ? (size_t)left : LINE_IN;

		buf_reset(&line);
		base64_encode(str_n(job->in.data + job->at, len), &line);
		job->at += len;
		/* The last line end is the next boundary's. */
		if (job->at < end || end == job->in.len)
			buf_putc(&line, '\n');
		put(job, str_n(line.data, line.len));
	}
}

/* As `field` has one, but where the header ends at a boundary. */
static void put_line_end(const struct unbinary *job, struct str field)
{
	if (field.data[field.len - 1] == '\n')
		put(job, STR("\n"));
}

static bool is_encoding(const struct header_field *field)
{
	return str_case_is(field->name, "Content-Transfer-Encoding");
}

static bool is_binary(const struct header_field *field)
{
	CLEANUP(buf_free) struct buf flat = buf_init(SIZE_MAX);

	return str_case_is(content_encoding(lex_flat(field->value, &flat)),
			   "binary");
}

/* True if the body is binary. `instead` is what the field then says, and those
 * of its name behind it, lest anybody believe them. */
static bool take_header(struct unbinary *job, const struct mime_part *part,
			const char *instead)
{
	struct str rest = str_n(job->in.data + part->offset,
				(size_t)part->header.physical);
	struct header_field field;
	bool binary = false;

	while (header_next(&rest, &field)) {
		size_t start = (size_t)(field.full.data - job->in.data);

		if (!is_encoding(&field))
			continue;
		if (!binary && !is_binary(&field))
			break;
		copy_to(job, start);
		put(job, STR("Content-Transfer-Encoding: "));
		put(job, str_of(instead));
		put_line_end(job, field.full);
		job->at = start + field.full.len;
		binary = true;
	}
	copy_to(job, part->offset + part->header.physical);
	return binary;
}

static void take_part(struct unbinary *job, const struct mime_part *part)
{
	/* What has parts must not be base64 itself (RFC 2045 section 6.4). */
	bool leaf = part->kind == MIME_TEXT;

	copy_to(job, part->offset);
	if (take_header(job, part, leaf ? "base64" : "8bit") && leaf)
		encode_to(job, job->at + part->body.physical);
}

/* Parts are in the order in which they stand: what is in one comes next. */
static const struct mime_part *next_of(const struct mime_part *part)
{
	if (part->children != NULL)
		return part->children;
	while (part != NULL && part->next == NULL)
		part = part->parent;
	return part == NULL ? NULL : part->next;
}

void mime_unbinary(struct str in, const struct mime_message *message,
		   void (*write)(void *ctx, const void *data, size_t len),
		   void *ctx)
{
	struct unbinary job = {.in = in, .write = write, .ctx = ctx};

	for (const struct mime_part *part = message->root; part != NULL;
	     part = next_of(part))
		take_part(&job, part);
	copy_to(&job, in.len);
}
