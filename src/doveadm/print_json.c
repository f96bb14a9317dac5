/* SPDX-License-Identifier: MIT */
/*
 * doveadm/print_json.c - all rows as one array of objects (RFC 8259); every
 * value is a string, as with Dovecot.
 */
#include <string.h>

#include "base/encode.h"
#include "doveadm/print_internal.h"

static void json_char(FILE *out, struct str text, uint32_t code)
{
	switch (code) {
	case '"':
	case '\\':
		fprintf(out, "\\%c", (char)code);
		break;
	case '\n':
		fputs("\\n", out);
		break;
	case '\r':
		fputs("\\r", out);
		break;
	case '\t':
		fputs("\\t", out);
		break;
	default:
		if (code < 0x20 || code == 0x7f)
			fprintf(out, "\\u%04x", (unsigned)code);
		else
			fwrite(text.data, 1, text.len, out);
	}
}

/* Whether more octets may make it a character. */
static bool is_start(struct str text)
{
	unsigned char lead = (unsigned char)text.data[0];
	size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;

	if (lead < 0xc2 || lead > 0xf4 || text.len >= len)
		return false;
	for (size_t i = 1; i < text.len; i++) {
		if (((unsigned char)text.data[i] & 0xc0) != 0x80)
			return false;
	}
	return true;
}

/* What is not UTF-8 becomes U+FFFD: a name or a mail may hold anything. Returns
 * what may go on in the next piece. */
static struct str json_text(FILE *out, struct str rest)
{
	while (rest.len > 0) {
		uint32_t code;
		size_t len = utf8_get(rest, &code);

		if (len == 0 && is_start(rest))
			break;
		if (len == 0)
			fputs("\\ufffd", out);
		else
			json_char(out, str_n(rest.data, len), code);
		rest = str_from(rest, len == 0 ? 1 : len);
	}
	return rest;
}

static void json_string(FILE *out, const char *text)
{
	fputc('"', out);
	if (json_text(out, str_of(text)).len > 0)
		fputs("\\ufffd", out);
	fputc('"', out);
}

static void json_begin(struct printer *printer)
{
	fputc('[', printer->out);
}

static void json_key(struct printer *printer, unsigned i)
{
	if (i == 0 && printer->rows > 0)
		fputc(',', printer->out);
	fputc(i == 0 ? '{' : ',', printer->out);
	json_string(printer->out, printer->columns[i].key);
	fputc(':', printer->out);
}

static void json_value(struct printer *printer, unsigned i, const char *text)
{
	json_key(printer, i);
	json_string(printer->out, text);
}

static void json_piece_begin(struct printer *printer, unsigned i)
{
	json_key(printer, i);
	fputc('"', printer->out);
	printer->cut_len = 0;
}

/* A character cut in two is put together first. */
static void json_piece(struct printer *printer, struct str text)
{
	struct str rest;

	while (printer->cut_len > 0 && text.len > 0) {
		printer->cut[printer->cut_len++] = text.data[0];
		text = str_from(text, 1);
		rest = json_text(printer->out,
				 str_n(printer->cut, printer->cut_len));
		memmove(printer->cut, rest.data, rest.len);
		printer->cut_len = rest.len;
	}
	rest = json_text(printer->out, text);
	if (rest.len > 0)
		memcpy(printer->cut, rest.data, rest.len);
	printer->cut_len += rest.len;
}

static void json_piece_end(struct printer *printer)
{
	if (printer->cut_len > 0)
		fputs("\\ufffd", printer->out);
	fputc('"', printer->out);
}

static void json_row_end(struct printer *printer)
{
	fputc('}', printer->out);
}

static void json_end(struct printer *printer)
{
	fputc(']', printer->out);
}

const struct print_format print_json = {
	.name = "json",
	.begin = json_begin,
	.value = json_value,
	.piece_begin = json_piece_begin,
	.piece = json_piece,
	.piece_end = json_piece_end,
	.row_end = json_row_end,
	.end = json_end,
};
