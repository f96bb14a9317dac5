/* SPDX-License-Identifier: MIT */
/*
 * mime/imap_structure.c - BODYSTRUCTURE and BODY (RFC 3501 section 7.4.2).
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "mime/body.h"
#include "mime/content.h"
#include "mime/header.h"
#include "mime/imap.h"
#include "mime/imap_string.h"

enum item {
	ITEM_TYPE,
	ITEM_ID,
	ITEM_DESCRIPTION,
	ITEM_ENCODING,
	ITEM_MD5,
	ITEM_DISPOSITION,
	ITEM_LANGUAGE,
	ITEM_LOCATION,
	ITEMS,
};

/* Behind "Content-". */
static const char *const names[ITEMS] = {
	[ITEM_TYPE] = "Type",
	[ITEM_ID] = "ID",
	[ITEM_DESCRIPTION] = "Description",
	[ITEM_ENCODING] = "Transfer-Encoding",
	[ITEM_MD5] = "MD5",
	[ITEM_DISPOSITION] = "Disposition",
	[ITEM_LANGUAGE] = "Language",
	[ITEM_LOCATION] = "Location",
};

struct writer {
	struct buf *out;
	struct buf flat, scratch;
	bool extended;
	TALLOC_CTX *ctx;
};

/* What a part's header says. */
struct fields {
	struct str value[ITEMS]; /* of the first field; data NULL if none */
	struct str type, subtype;
	struct content_params params; /* of the type */
};

/* a part's header */

static void take_field(struct fields *fields, const struct header_field *field)
{
	static const char prefix[] = "Content-";
	struct str name;

	if (!str_case_starts(field->name, prefix))
		return;
	name = str_from(field->name, sizeof(prefix) - 1);
	for (int i = 0; i < ITEMS; i++) {
		if (str_case_is(name, names[i])) {
			if (fields->value[i].data == NULL)
				fields->value[i] = field->value;
			return;
		}
	}
}

static void read_type(struct writer *writer, struct fields *fields,
		      bool in_digest)
{
	struct lex lex = {0};
	struct str value = fields->value[ITEM_TYPE];

	if (value.data == NULL) {
		fields->type = in_digest ? STR("message") : STR("text");
		fields->subtype = in_digest ? STR("rfc822") : STR("plain");
		return;
	}
	fields->type = fields->subtype = STR("");
	lex.rest = lex_flat(value, &writer->flat);
	if (!content_take_type(&lex, &fields->type, &fields->subtype)) {
		fields->type = fields->subtype = STR("");
		return;
	}
	if (str_case_is(fields->type, "multipart") && fields->subtype.len == 0)
		fields->type = STR("");
	else if (lex.rest.len > 0)
		content_take_params(writer->ctx, &lex, &fields->params);
}

static bool is_digest(const struct mime_part *part)
{
	struct content_type type;

	if (part == NULL || part->kind != MIME_MULTIPART)
		return false;
	content_type_parse(part->header_text, &type);
	return strcmp(type.subtype, "digest") == 0;
}

static void read_fields(struct writer *writer, const struct mime_part *part,
			struct fields *out)
{
	struct str rest = part->header_text;
	struct header_field field;
	bool is_mime =
		part->parent != NULL && part->parent->kind == MIME_MULTIPART;

	*out = (struct fields){0};
	while (header_next(&rest, &field)) {
		char c = ascii_lower(field.name.data[0]);

		if (c == 'c')
			take_field(out, &field);
		else if (c == 'm' && str_case_is(field.name, "MIME-Version"))
			is_mime = true;
	}
	/* Without a type and a version it is a message of RFC 822. */
	if (!is_mime && out->value[ITEM_TYPE].data == NULL)
		*out = (struct fields){0};
	read_type(writer, out,
		  out->value[ITEM_TYPE].data == NULL &&
			  is_digest(part->parent));
}

/* pieces */

static void write_params(struct writer *writer,
			 const struct content_params *params, bool charset)
{
	struct buf *out = writer->out;
	size_t count = params->count;

	if (charset && content_find(params, "charset") != NULL)
		charset = false;
	if (count == 0 && !charset) {
		buf_add(out, "NIL");
		return;
	}
	buf_putc(out, '(');
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_putc(out, ' ');
		mime_nstring(params->list[i].name, out);
		buf_putc(out, ' ');
		mime_nstring(params->list[i].value, out);
	}
	if (charset && count > 0)
		buf_putc(out, ' ');
	if (charset)
		buf_add(out, "\"charset\" \"us-ascii\"");
	buf_putc(out, ')');
}

static void write_field(struct writer *writer, const struct fields *fields,
			enum item item)
{
	buf_putc(writer->out, ' ');
	imap_string_field(fields->value[item], &writer->scratch, writer->out);
}

static void write_encoding(struct writer *writer, const struct fields *fields)
{
	struct str value = fields->value[ITEM_ENCODING];

	if (value.data != NULL)
		value = content_encoding(lex_flat(value, &writer->scratch));
	buf_putc(writer->out, ' ');
	mime_nstring(value.len == 0 ? STR("7bit") : value, writer->out);
}

static void write_disposition(struct writer *writer,
			      const struct fields *fields)
{
	struct str value = fields->value[ITEM_DISPOSITION];
	struct content_params params = {0};
	struct lex lex = {0};
	struct str token;

	buf_putc(writer->out, ' ');
	if (value.data == NULL) {
		buf_add(writer->out, "NIL");
		return;
	}
	lex.rest = lex_flat(value, &writer->scratch);
	lex_skip(&lex);
	token = lex_token(&lex);
	content_take_params(writer->ctx, &lex, &params);
	buf_putc(writer->out, '(');
	mime_nstring(token, writer->out);
	buf_putc(writer->out, ' ');
	write_params(writer, &params, false);
	buf_putc(writer->out, ')');
}

static void write_language(struct writer *writer, const struct fields *fields)
{
	struct str value = fields->value[ITEM_LANGUAGE];
	struct buf *out = writer->out;
	struct lex lex = {0};
	bool any = false;

	if (value.data != NULL)
		lex.rest = lex_flat(value, &writer->scratch);
	while (lex_skip(&lex)) {
		struct str tag = lex_token(&lex);

		if (tag.len == 0)
			break;
		buf_add(out, any ? " " : " (");
		mime_nstring(tag, out);
		any = true;
		if (!lex_skip(&lex) || lex_peek(&lex) != ',')
			break;
		lex_drop(&lex);
	}
	buf_add(out, any ? ")" : " NIL");
}

static void write_extension(struct writer *writer, const struct fields *fields)
{
	write_disposition(writer, fields);
	write_language(writer, fields);
	write_field(writer, fields, ITEM_LOCATION);
}

/* parts */

static void write_part(struct writer *writer, const struct mime_part *part);

static void write_multipart(struct writer *writer, const struct mime_part *part,
			    const struct fields *fields)
{
	struct buf *out = writer->out;

	for (const struct mime_part *child = part->children; child != NULL;
	     child = child->next)
		write_part(writer, child);
	if (part->children == NULL) {
		/* The grammar has no multipart without parts. */
		buf_add(out, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") "
			     "NIL NIL \"7bit\" 0 0");
		buf_add(out, writer->extended ? " NIL NIL NIL NIL)" : ")");
	}
	buf_putc(out, ' ');
	mime_nstring(fields->subtype, out);
	if (!writer->extended)
		return;
	buf_putc(out, ' ');
	write_params(writer, &fields->params, false);
	write_extension(writer, fields);
}

/* What has parts by its type but was beyond a limit of the parser. */
static bool is_opaque(const struct mime_part *part, const struct fields *fields)
{
	return part->kind == MIME_TEXT &&
	       (str_case_is(fields->type, "multipart") ||
		(str_case_is(fields->type, "message") &&
		 str_case_is(fields->subtype, "rfc822")));
}

static void write_single(struct writer *writer, const struct mime_part *part,
			 const struct fields *fields)
{
	struct buf *out = writer->out;
	bool text = str_case_is(fields->type, "text");

	if (is_opaque(part, fields)) {
		buf_add(out, "\"application\" \"octet-stream\"");
	} else if (part->kind == MIME_MESSAGE) {
		/* As RFC 3501 section 9 spells it. */
		buf_add(out, "\"message\" \"rfc822\"");
	} else {
		mime_nstring(fields->type, out);
		buf_putc(out, ' ');
		mime_nstring(fields->subtype, out);
	}
	buf_putc(out, ' ');
	write_params(writer, &fields->params, text);
	write_field(writer, fields, ITEM_ID);
	write_field(writer, fields, ITEM_DESCRIPTION);
	write_encoding(writer, fields);
	buf_putc(out, ' ');
	buf_number(out, part->body.virtual);
	if (part->kind == MIME_MESSAGE && part->children != NULL) {
		buf_putc(out, ' ');
		mime_envelope(part->children->header_text, out);
		buf_putc(out, ' ');
		write_part(writer, part->children);
		text = true;
	}
	if (text) {
		buf_putc(out, ' ');
		buf_number(out, part->body.lines);
	}
	if (!writer->extended)
		return;
	write_field(writer, fields, ITEM_MD5);
	write_extension(writer, fields);
}

/* As deep as the parser's limit. */
static void write_part(struct writer *writer, const struct mime_part *part)
{
	struct buf flat = writer->flat;
	struct fields fields;

	if (writer->out->overflow)
		return;
	/* What `fields` points to must outlast the parts inside. */
	writer->flat = buf_init(SIZE_MAX);
	read_fields(writer, part, &fields);
	buf_putc(writer->out, '(');
	if (part->kind == MIME_MULTIPART)
		write_multipart(writer, part, &fields);
	else
		write_single(writer, part, &fields);
	buf_putc(writer->out, ')');
	buf_free(&writer->flat);
	writer->flat = flat;
}

void mime_body_structure(const struct mime_message *message, bool extended,
			 struct buf *out)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "body structure");
	struct writer writer = {
		.out = out,
		.scratch = buf_init(SIZE_MAX),
		.extended = extended,
		.ctx = ctx,
	};

	write_part(&writer, message->root);
	buf_free(&writer.scratch);
}
