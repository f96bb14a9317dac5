/* SPDX-License-Identifier: MIT */
/*
 * base/str_escape.c - text made fit for the log and for line protocols.
 */
#include "base/encode.h"
#include "base/mem.h"
#include "base/str.h"

/* The length of the character at the start of `s`, 0 if it may not be shown:
 * control characters (C1 too) and bytes that are not UTF-8. */
static size_t printable(struct str s)
{
	uint32_t code;
	size_t len = utf8_get(s, &code);

	return utf8_is_control(code) ? 0 : len;
}

char *str_sanitize(const void *ctx, struct str s, size_t max)
{
	char *out = mem_array(ctx, char, (s.len < max ? s.len : max) + 1);
	size_t used = 0;

	while (s.len > 0 && used < max) {
		size_t len = printable(s);

		if (len > max - used)
			break;
		if (len == 0) {
			out[used++] = '?';
			len = 1;
		} else {
			memcpy(out + used, s.data, len);
			used += len;
		}
		s = str_from(s, len);
	}
	out[used] = '\0';
	return out;
}

static const char escapes[] = {'\0', '0',  '\t', 't',    '\r',
			       'r',  '\n', 'n',  '\001', '1'};

static char escape_of(char c)
{
	for (size_t i = 0; i < sizeof(escapes); i += 2) {
		if (escapes[i] == c)
			return escapes[i + 1];
	}
	return '\0';
}

static char unescape_of(char c)
{
	for (size_t i = 0; i < sizeof(escapes); i += 2) {
		if (escapes[i + 1] == c)
			return escapes[i];
	}
	return c;
}

char *str_tab_escape(const void *ctx, struct str s)
{
	size_t used = 0, more = 0;
	char *out;

	for (size_t i = 0; i < s.len; i++)
		more += escape_of(s.data[i]) != '\0';
	out = mem_array(ctx, char, s.len + more + 1);
	for (size_t i = 0; i < s.len; i++) {
		char escape = escape_of(s.data[i]);

		if (escape != '\0') {
			out[used++] = '\001';
			out[used++] = escape;
		} else {
			out[used++] = s.data[i];
		}
	}
	return out;
}

char *str_tab_unescape(const void *ctx, struct str s)
{
	char *out = mem_array(ctx, char, s.len + 1);
	size_t used = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] == '\001' && i + 1 < s.len)
			out[used++] = unescape_of(s.data[++i]);
		else
			out[used++] = s.data[i];
	}
	return out;
}
