/* SPDX-License-Identifier: MIT */
#include "sievetools/import.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "sieve/message.h"

enum { TEXT_MAX = 32 << 20, SHOWN_MAX = 200 };

void import_require(struct import *import, const char *name)
{
	unsigned i = 0;

	while (i < IMPORT_MAX_REQUIRES && import->requires[i] != NULL &&
	       strcmp(import->requires[i], name) != 0)
		i++;
	if (i < IMPORT_MAX_REQUIRES)
		import->requires[i] = name;
}

static void put_line(struct import *import, const char *front, const char *fmt,
		     va_list args)
{
	for (unsigned i = 0; i < import->indent; i++)
		buf_putc(&import->body, '\t');
	buf_add(&import->body, front);
	buf_vprintf(&import->body, fmt, args);
	buf_putc(&import->body, '\n');
}

void import_line(struct import *import, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	put_line(import, "", fmt, args);
	va_end(args);
}

void import_rule(struct import *import, const char *fmt, ...)
{
	va_list args;

	buf_putc(&import->body, '\n');
	va_start(args, fmt);
	put_line(import, "# ", fmt, args);
	va_end(args);
}

void import_skip(struct import *import, unsigned line, struct str text,
		 const char *fmt, ...)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "skip");
	const char *shown = str_sanitize(ctx, str_trim(text), SHOWN_MAX);
	const char *why;
	va_list args;

	va_start(args, fmt);
	why = mem_vprintf(ctx, fmt, args);
	va_end(args);
	import->skipped++;
	import_line(import, "# NOT TRANSLATED, line %u (%s): %s", line, why,
		    shown);
	fprintf(stderr, "%s: line %u: not translated (%s): %s\n", import->name,
		line, why, shown);
}

struct str import_steal(struct import *import, struct buf *buf)
{
	struct str out = {.len = buf->len};

	out.data = out.len == 0 ? "" : buf_steal(import->ctx, buf);
	return out;
}

/* Strings of Sieve are UTF-8 without NUL. */
static void add_quoted(struct buf *out, struct str text, const char *escaped,
		       const char *escape)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (c == '\0')
			continue;
		if (strchr(escaped, c) != NULL)
			buf_add(out, escape);
		if (c == '"' || c == '\\')
			buf_putc(out, '\\');
		buf_putc(out, c);
	}
}

const char *import_quote(struct import *import, struct str text)
{
	struct buf out = buf_init(TEXT_MAX);

	buf_putc(&out, '"');
	add_quoted(&out, text, "", "");
	buf_putc(&out, '"');
	return buf_steal(import->ctx, &out);
}

const char *import_glob(struct import *import, struct str text, bool front,
			bool behind)
{
	struct buf out = buf_init(TEXT_MAX);

	buf_add(&out, front ? "\"*" : "\"");
	add_quoted(&out, text, "*?\\", "\\\\");
	buf_add(&out, behind ? "*\"" : "\"");
	return buf_steal(import->ctx, &out);
}

bool import_is_address(struct import *import, struct str text)
{
	struct sieve_address address;

	return sieve_address_parse(import->ctx, text, false, &address);
}

const char *import_join(struct import *import, bool all,
			const char *const *tests, unsigned count)
{
	struct buf out = buf_init(TEXT_MAX);

	if (count < 2)
		return count == 0 ? NULL : tests[0];
	buf_add(&out, all ? "allof (" : "anyof (");
	for (unsigned i = 0; i < count; i++)
		buf_printf(&out, "%s%s", i > 0 ? ", " : "", tests[i]);
	buf_putc(&out, ')');
	return buf_steal(import->ctx, &out);
}
