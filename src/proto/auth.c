/* SPDX-License-Identifier: MIT */
/*
 * proto/auth.c - words divided by tabs.
 */
#include "proto/auth.h"

#include "base/buf.h"
#include "base/mem.h"

bool auth_line_parse(struct str line, struct auth_line *out)
{
	struct str rest = line, word;

	out->id = 0;
	out->count = 0;
	if (memchr(line.data, '\0', line.len) != NULL)
		return false;
	if (!str_split(&rest, '\t', &out->command) || out->command.len == 0)
		return false;
	for (bool first = true; str_split(&rest, '\t', &word); first = false) {
		if (first && str_to_u32(word, &out->id))
			continue;
		if (out->count == AUTH_ARGS_MAX)
			return false;
		out->args[out->count++] = word;
	}
	return true;
}

bool auth_line_next(struct str in, struct str *line_out, size_t *used_out)
{
	const char *end;

	if (in.len == 0)
		return false;
	end = memchr(in.data, '\n', in.len);
	if (end == NULL)
		return false;
	*line_out = str_n(in.data, (size_t)(end - in.data));
	*used_out = line_out->len + 1;
	return true;
}

struct str auth_line_value(const struct auth_line *line, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < line->count; i++) {
		struct str arg = line->args[i];

		if (!str_starts(arg, key))
			continue;
		if (arg.len == len)
			return STR("");
		if (arg.data[len] == '=')
			return str_from(arg, len + 1);
	}
	return (struct str){NULL, 0};
}

static void add_escaped(struct buf *out, const char *text)
{
	char *escaped = str_tab_escape(NULL, str_of(text));

	buf_add(out, escaped);
	mem_wipe(escaped, strlen(escaped));
	mem_free(escaped);
}

void auth_write_key(struct buf *out, const char *key)
{
	buf_putc(out, '\t');
	add_escaped(out, key);
}

void auth_write_value(struct buf *out, const char *key, const char *value)
{
	auth_write_key(out, key);
	buf_putc(out, '=');
	add_escaped(out, value);
}
