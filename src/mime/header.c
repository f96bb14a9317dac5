/* SPDX-License-Identifier: MIT */
#include "mime/header.h"

#include "base/buf.h"

/* Where the line at the start of `text` ends, behind its LF. */
static size_t line_end(struct str text)
{
	const char *newline = memchr(text.data, '\n', text.len);

	return newline == NULL ? text.len : (size_t)(newline - text.data) + 1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct str without_eol(struct str line)
{
	if (line.len > 0 && line.data[line.len - 1] == '\n')
		line.len--;
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* Split `full`, whose first line is `first` octets long. */
static bool take_field(struct str full, size_t first, struct header_field *out)
{
	const char *colon = memchr(full.data, ':', first);
	size_t name;

	if (colon == NULL)
		return false;
	name = colon - full.data;
	out->full = full;
	out->value = without_eol(str_from(full, name + 1));
	while (name > 0 && is_blank(full.data[name - 1]))
		name--;
	out->name = str_n(full.data, name);
	return name > 0;
}

size_t header_end(struct str text)
{
	for (size_t at = 0; at < text.len;) {
		struct str rest = str_from(text, at);
		size_t len = line_end(rest);

		if (rest.data[0] == '\n' || (rest.data[0] == '\r' && len == 2))
			return at + len;
		at += len;
	}
	return 0;
}

bool header_next(struct str *rest, struct header_field *out)
{
	while (rest->len > 0) {
		size_t first = line_end(*rest), len = first;
		struct str full;

		if (rest->data[0] == '\n' ||
		    (rest->data[0] == '\r' && first == 2))
			return false;
		while (len < rest->len && rest->data[len - 1] == '\n' &&
		       is_blank(rest->data[len]))
			len += line_end(str_from(*rest, len));
		full = str_n(rest->data, len);
		*rest = str_from(*rest, len);
		if (!is_blank(full.data[0]) && take_field(full, first, out))
			return true;
	}
	return false;
}

bool header_find(struct str block, const char *name, struct header_field *out)
{
	struct header_field field;
	size_t len = strlen(name);

	while (header_next(&block, &field)) {
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
		while (out->len > 0 && is_blank(out->data[out->len - 1]))
			buf_truncate(out, out->len - 1);
		while (value.len > 0 &&
		       (is_blank(value.data[0]) || value.data[0] == '\r' ||
			value.data[0] == '\n'))
			value = str_from(value, 1);
		buf_putc(out, ' ');
	}
}
