/* SPDX-License-Identifier: MIT */
/*
 * doveadm/print_json.c - all rows as one array of objects (RFC 8259); every
 * value is a string, as with Dovecot.
 */
#include "base/encode.h"
#include "doveadm/print_internal.h"

/* What is not UTF-8 becomes U+FFFD: a mailbox name may hold anything. */
static void json_string(FILE *out, const char *text)
{
	struct str rest = str_of(text);

	fputc('"', out);
	while (rest.len > 0) {
		uint32_t code;
		size_t len = utf8_get(rest, &code);

		if (len == 0) {
			fputs("\\ufffd", out);
			len = 1;
		} else if (code == '"' || code == '\\') {
			fprintf(out, "\\%c", (char)code);
		} else if (code == '\n') {
			fputs("\\n", out);
		} else if (code == '\r') {
			fputs("\\r", out);
		} else if (code == '\t') {
			fputs("\\t", out);
		} else if (code < 0x20 || code == 0x7f) {
			fprintf(out, "\\u%04x", (unsigned)code);
		} else {
			fwrite(rest.data, 1, len, out);
		}
		rest = str_from(rest, len);
	}
	fputc('"', out);
}

static void json_begin(struct printer *printer)
{
	fputc('[', printer->out);
}

static void json_row(struct printer *printer, const char *const *values)
{
	if (printer->rows > 0)
		fputc(',', printer->out);
	for (unsigned i = 0; i < printer->count; i++) {
		fputc(i == 0 ? '{' : ',', printer->out);
		json_string(printer->out, printer->columns[i].key);
		fputc(':', printer->out);
		json_string(printer->out, values[i]);
	}
	fputc('}', printer->out);
}

static void json_end(struct printer *printer)
{
	fputc(']', printer->out);
}

const struct print_format print_json = {
	.name = "json",
	.begin = json_begin,
	.row = json_row,
	.end = json_end,
};
