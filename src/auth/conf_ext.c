/* SPDX-License-Identifier: MIT */
#include "auth/conf_ext.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

enum { FILE_MAX = 1024 * 1024, INCLUDES_MAX = 8, WARNINGS_MAX = 32 };

struct reader {
	const void *ctx;
	const struct conf_ext_row *rows;
	void *out;
	conf_ext_fn *in_section;
	char *section; /* NULL: in none */
	const char *path;
	unsigned line;
};

static const char **slot(const struct conf_ext_row *row, void *out)
{
	return (const char **)(void *)((char *)out + row->offset);
}

/* Once for each place, however many services read it. */
static void warn(const struct reader *reader, const struct conf_ext_row *row)
{
	static char *said[WARNINGS_MAX];
	char *text = mem_printf(NULL, "%s line %u: %s has no effect: %s",
				reader->path, reader->line, row->name,
				row->preset);
	size_t i;

	for (i = 0; i < WARNINGS_MAX && said[i] != NULL; i++) {
		if (strcmp(said[i], text) == 0)
			break;
	}
	if (i < WARNINGS_MAX && said[i] == NULL) {
		log_warning("%s", text);
		said[i] = text;
	} else {
		mem_free(text);
	}
}

static int set(struct reader *reader, struct str key, struct str value,
	       struct err *err)
{
	size_t len = value.len;

	if (len >= 2 && (value.data[0] == '"' || value.data[0] == '\'') &&
	    value.data[len - 1] == value.data[0])
		value = str_n(value.data + 1, len - 2);
	if (reader->section != NULL)
		return reader->in_section(reader->out, str_of(reader->section),
					  key, value, err);
	for (const struct conf_ext_row *row = reader->rows; row->name != NULL;
	     row++) {
		if (!str_is(key, row->name))
			continue;
		if (row->offset == CONF_EXT_NO_EFFECT)
			warn(reader, row);
		else
			*slot(row, reader->out) = str_dup(reader->ctx, value);
		return 0;
	}
	return err_set(err, ERR_INVALID, "Unknown setting: %.*s", STR_FMT(key));
}

static int read_file(struct reader *reader, const char *path, unsigned depth,
		     struct err *err);

static int include(struct reader *reader, const char *path, struct str line,
		   unsigned depth, struct err *err)
{
	const char *dir = strrchr(path, '/');
	struct str word;
	char *name;

	if (!str_word(&line, &word) || !str_is(word, "!include"))
		return err_set(err, ERR_INVALID, "Unknown directive");
	name = str_dup(reader->ctx, str_trim(line));
	if (*name != '/' && dir != NULL)
		name = mem_printf(reader->ctx, "%.*s/%s", (int)(dir - path),
				  path, name);
	return read_file(reader, name, depth + 1, err);
}

static int take_line(struct reader *reader, const char *path, unsigned depth,
		     struct str line, struct err *err)
{
	ptrdiff_t at = str_find_char(line, '=');

	if (line.data[0] == '!')
		return include(reader, path, line, depth, err);
	if (str_is(line, "}") && reader->section != NULL) {
		reader->section = NULL;
		return 0;
	}
	if (line.data[line.len - 1] == '{' && at < 0) {
		if (reader->in_section == NULL || reader->section != NULL)
			return err_set(err, ERR_INVALID, "Unexpected section");
		reader->section = str_dup(
			reader->ctx, str_trim(str_n(line.data, line.len - 1)));
		return 0;
	}
	if (at < 0)
		return err_set(err, ERR_INVALID, "Expecting '='");
	return set(reader, str_trim(str_n(line.data, (size_t)at)),
		   str_trim(str_from(line, (size_t)at + 1)), err);
}

static int read_file(struct reader *reader, const char *path, unsigned depth,
		     struct err *err)
{
	CLEANUP(buf_free) struct buf text = buf_init(FILE_MAX);
	CLEANUP(buf_free) struct buf whole = buf_init(FILE_MAX);
	struct str rest, line;

	if (depth > INCLUDES_MAX)
		return err_set(err, ERR_LIMIT, "%s: includes nest too deep",
			       path);
	if (file_read(path, &text, err) < 0)
		return -1;
	rest = str_n(text.data, text.len);
	for (unsigned n = 1; str_split(&rest, '\n', &line); n++) {
		line = str_trim(line);
		if (line.len > 0 && line.data[0] == '#')
			continue;
		if (line.len > 0 && line.data[line.len - 1] == '\\') {
			line.len--;
			buf_add_str(&whole, str_trim(line));
			buf_putc(&whole, ' ');
			continue;
		}
		buf_add_str(&whole, line);
		line = str_trim(str_n(whole.data, whole.len));
		reader->path = path;
		reader->line = n;
		if (line.len > 0 &&
		    take_line(reader, path, depth, line, err) < 0)
			return err_wrap(err, "%s line %u", path, n);
		buf_reset(&whole);
	}
	return 0;
}

int conf_ext_read(const void *ctx, const char *path,
		  const struct conf_ext_row *rows, void *out,
		  conf_ext_fn *in_section, struct err *err)
{
	struct reader reader = {ctx, rows, out, in_section, NULL, path, 0};

	for (const struct conf_ext_row *row = rows; row->name != NULL; row++) {
		if (row->offset != CONF_EXT_NO_EFFECT)
			*slot(row, out) = row->preset;
	}
	if (read_file(&reader, path, 0, err) < 0)
		return -1;
	if (reader.section != NULL)
		return err_set(err, ERR_INVALID, "%s: '}' is missing", path);
	return 0;
}

bool conf_ext_bool(const char *value)
{
	return value != NULL &&
	       (*value == 'y' || *value == 'Y' || *value == '1' ||
		*value == 't' || *value == 'T');
}

bool conf_ext_is_bool(const char *value)
{
	static const char *const words[] = {"yes", "y", "true",  "t", "1",
					    "no",  "n", "false", "f", "0"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (value == NULL || str_case_is(str_of(value), words[i]))
			return true;
	}
	return false;
}
