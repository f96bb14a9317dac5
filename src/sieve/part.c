/* SPDX-License-Identifier: MIT */
#include "sieve/part.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "mime/body.h"
#include "mime/charset.h"
#include "mime/html.h"
#include "mime/imap.h"
#include "mime/parse.h"
#include "sieve/message.h"

const struct mime_part *sieve_part_next(const struct mime_part *top,
					const struct mime_part *part)
{
	if (part == NULL)
		return top;
	if (part->children != NULL)
		return part->children;
	while (part != top && part->next == NULL)
		part = part->parent;
	return part == top ? NULL : part->next;
}

static struct str cut(const struct sieve_message *message, uint64_t from,
		      uint64_t len)
{
	struct str raw = str_from(sieve_message_raw(message), (size_t)from);

	return len < raw.len ? str_n(raw.data, (size_t)len) : raw;
}

struct str sieve_part_header(const struct sieve_message *message,
			     const struct mime_part *part)
{
	return cut(message, part->offset, part->header.physical);
}

struct str sieve_part_body(const struct sieve_message *message,
			   const struct mime_part *part)
{
	return cut(message, part->offset + part->header.physical,
		   part->body.physical);
}

/* text in UTF-8 */

static void to_utf8(struct str in, const struct content_type *type,
		    struct buf *out)
{
	bool text = type->type[0] == '\0' || strcmp(type->type, "text") == 0;

	if (text || type->charset[0] != '\0')
		charset_to_utf8(str_of(type->charset), in, out);
	else
		buf_add_str(out, in);
}

/* Lines behind `from`, where they are: a large text is not copied. */
static void make_crlf(struct buf *out, size_t from)
{
	struct str text = str_n(out->data + from, out->len - from);
	size_t more = (size_t)(crlf_size(text, false) - text.len);
	char *to, *at;

	if (more == 0 || buf_space(out, more) == NULL)
		return;
	at = out->data + out->len;
	buf_grew(out, more);
	to = out->data + out->len;
	while (to != at) {
		*--to = *--at;
		if (*at == '\n' && (at == out->data + from || at[-1] != '\r'))
			*--to = '\r';
	}
}

void sieve_part_decode(const struct sieve_message *message,
		       const struct mime_part *part, struct buf *out)
{
	struct str header = sieve_part_header(message, part);
	struct str body = sieve_part_body(message, part);
	struct body_decoder decoder = {.encoding =
					       content_encoding_parse(header)};
	CLEANUP(buf_free) struct buf plain = buf_init(out->max);
	struct content_type type;
	size_t from = out->len;

	content_type_parse(header, &type);
	if (decoder.encoding == ENCODING_NONE ||
	    decoder.encoding == ENCODING_UNKNOWN) {
		to_utf8(body, &type, out);
	} else {
		body_decoder_feed(&decoder, body, true, &plain);
		to_utf8(str_n(plain.data, plain.len), &type, out);
		out->overflow |= plain.overflow;
	}
	if (decoder.encoding != ENCODING_BASE64) /* it has its own lines */
		make_crlf(out, from);
}

/* without mark-up */

static bool ends_in_blank(const struct buf *out)
{
	return out->len > 0 && out->data[out->len - 1] == ' ';
}

static void add_text(struct str utf8, void *ctx)
{
	if (ends_in_blank(ctx) && utf8.len > 0 && utf8.data[0] == ' ')
		utf8 = str_from(utf8, 1);
	buf_add_str(ctx, utf8);
}

/* So that words on both sides do not run together. */
static void add_blank(const char *, bool, void *ctx)
{
	struct buf *out = ctx;

	if (out->len > 0 && !ends_in_blank(out))
		buf_putc(out, ' ');
}

void sieve_part_text(const struct sieve_message *message,
		     const struct mime_part *part, struct buf *out)
{
	const struct html_sink sink = {add_text, add_blank, out};
	CLEANUP(buf_free) struct buf plain = buf_init(out->max);
	struct html html = {.state = HTML_TEXT};

	if (!sieve_part_is(part, STR("text/html"))) {
		sieve_part_decode(message, part, out);
		return;
	}
	sieve_part_decode(message, part, &plain);
	html_feed(&html, str_n(plain.data, plain.len), &sink);
	html_end(&html, &sink);
	out->overflow |= plain.overflow;
}

/* multipart */

static struct str skip_eol(struct str text)
{
	if (text.len > 0 && text.data[0] == '\r')
		text = str_from(text, 1);
	return text.len > 0 && text.data[0] == '\n' ? str_from(text, 1) : text;
}

struct str sieve_part_prologue(const struct sieve_message *message,
			       const struct mime_part *part)
{
	struct str body = sieve_part_body(message, part);
	const char *first = sieve_message_raw(message).data, *line;

	if (part->children == NULL)
		return body;
	first += part->children->offset;
	if (first < body.data || first > body.data + body.len)
		return STR("");
	body.len = (size_t)(first - body.data);
	/* without the line "--boundary" */
	if (body.len > 0)
		body.len--;
	line = memrchr(body.data, '\n', body.len);
	body.len = line == NULL ? 0 : (size_t)(line + 1 - body.data);
	return body;
}

struct str sieve_part_epilogue(const struct sieve_message *message,
			       const struct mime_part *part)
{
	struct str body = sieve_part_body(message, part), rest;
	const struct mime_part *last = part->children;
	ptrdiff_t eol;

	if (last == NULL)
		return STR("");
	while (last->next != NULL)
		last = last->next;
	rest = sieve_part_body(message, last);
	rest = str_n(rest.data + rest.len,
		     (size_t)(body.data + body.len - (rest.data + rest.len)));
	rest = skip_eol(rest);
	if (!str_starts(rest, "--"))
		return rest;
	eol = str_find_char(rest, '\n');
	return eol < 0 ? STR("") : str_from(rest, (size_t)eol + 1);
}

/* media types */

static bool is_type(const char *known, const char *missing, struct str wanted)
{
	return str_case_is(wanted, known[0] == '\0' ? missing : known);
}

bool sieve_part_is(const struct mime_part *part, struct str type)
{
	ptrdiff_t slash = str_find_char(type, '/');
	struct content_type own;
	struct str subtype;

	if (type.len == 0)
		return true;
	content_type_parse(part->header_text, &own);
	if (own.subtype[0] == '\0') /* malformed (RFC 2045 section 5.2) */
		own.type[0] = '\0';
	if (slash < 0)
		return is_type(own.type, "text", type);
	subtype = str_from(type, (size_t)slash + 1);
	if (slash == 0 || subtype.len == 0 || str_find_char(subtype, '/') >= 0)
		return false;
	return is_type(own.type, "text", str_n(type.data, (size_t)slash)) &&
	       is_type(own.subtype, "plain", subtype);
}
