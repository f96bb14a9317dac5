/* SPDX-License-Identifier: MIT */
#include "mime/header.h"

#include "base/buf.h"

/* Behind the LF of the line at `at`. */
static const char *line_end(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', (size_t)(end - at));

	return newline == NULL ? end : newline + 1;
}

static bool is_empty_line(const char *line, const char *end)
{
	return *line == '\n' || (*line == '\r' && end - line == 2);
}

static struct str without_eol(const char *at, const char *end)
{
	if (end > at && end[-1] == '\n')
		end--;
	if (end > at && end[-1] == '\r')
		end--;
	return str_n(at, end - at);
}

size_t header_end(struct str text)
{
	const char *at = text.data, *end;

	if (text.len == 0)
		return 0;
	end = at + text.len;
	while (at < end) {
		const char *line = at;

		at = line_end(line, end);
		if (is_empty_line(line, at))
			return at - text.data;
	}
	return 0;
}

/* From `line` to `end`; its first line ends at `first`. */
static bool take_field(const char *line, const char *first, const char *end,
		       struct header_field *out)
{
	const char *colon = memchr(line, ':', (size_t)(first - line));
	const char *name_end = colon;

	if (colon == NULL)
		return false;
	while (name_end > line && ascii_is_blank(name_end[-1]))
		name_end--;
	out->full = str_n(line, end - line);
	out->name = str_n(line, name_end - line);
	out->value = without_eol(colon + 1, end);
	return name_end > line;
}

/* The next one that begins with this letter (lower case), or, if that is '\0',
 * with any. */
static bool next_field(struct str *rest, char letter, struct header_field *out)
{
	const char *at = rest->data, *end;

	if (rest->len == 0)
		return false;
	end = at + rest->len;
	while (at < end) {
		const char *line = at, *first = line_end(line, end);

		if (is_empty_line(line, first))
			break;
		for (at = first;
		     at < end && at[-1] == '\n' && ascii_is_blank(*at);)
			at = line_end(at, end);
		if (!ascii_is_blank(*line) &&
		    (letter == '\0' || ascii_lower(*line) == letter) &&
		    take_field(line, first, at, out)) {
			*rest = str_n(at, end - at);
			return true;
		}
	}
	*rest = str_n(at, end - at);
	return false;
}

bool header_next(struct str *rest, struct header_field *out)
{
	return next_field(rest, '\0', out);
}

bool header_find(struct str block, const char *name, struct header_field *out)
{
	struct header_field field;
	size_t len = strlen(name);

	while (next_field(&block, ascii_lower(name[0]), &field)) {
		if (field.name.len == len && str_case_is(field.name, name)) {
			*out = field;
			return true;
		}
	}
	return false;
}

/* Blanks around a line end become one; a NUL becomes U+FFFD. */
void header_unfold(struct str value, struct buf *out)
{
	value = str_trim(value);
	while (value.len > 0) {
		size_t plain = 0;

		while (plain < value.len && value.data[plain] != '\r' &&
		       value.data[plain] != '\n' && value.data[plain] != '\0')
			plain++;
		if (plain < value.len && value.data[plain] == '\0') {
			buf_append(out, value.data, plain);
			buf_add(out, "\xef\xbf\xbd");
			value = str_from(value, plain + 1);
			continue;
		}
		buf_add_str(out, str_n(value.data, plain));
		value = str_from(value, plain);
		if (value.len == 0)
			return;
		while (out->len > 0 && ascii_is_blank(out->data[out->len - 1]))
			buf_truncate(out, out->len - 1);
		while (value.len > 0 &&
		       (ascii_is_blank(value.data[0]) ||
			value.data[0] == '\r' || value.data[0] == '\n'))
			value = str_from(value, 1);
		buf_putc(out, ' ');
	}
}
