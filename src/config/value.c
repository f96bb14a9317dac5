/* SPDX-License-Identifier: MIT */
/*
 * config/value.c - "$name" words and "<path" in values.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "config/parse.h"
#include "config/setting.h"

enum { VALUE_MAX = 1 << 20 };

/* The value at this point of the file: of this block, of those around it, or
 * the default. */
static const char *variable(struct node *node, struct str name)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "variable");
	const char *key = str_dup(ctx, name);
	const struct setting *row;

	if (str_starts(name, "ENV:")) {
		const char *value = getenv(key + 4);

		return value != NULL ? value : "";
	}
	for (node = node_scope(node); node != NULL;
	     node = node->section.parent == NULL
			    ? NULL
			    : node_of(node->section.parent)) {
		const struct entry *entry = entry_find(node, key);

		if (entry != NULL)
			return entry->value.value;
	}
	row = setting_find("", key);
	return row != NULL ? row->preset : NULL;
}

static void expand_word(struct parser *parser, struct node *node,
			const char *self, struct str word, struct buf *value,
			struct buf *raw)
{
	struct str name = str_from(word, 1);
	const char *found = NULL;

	/* A "$" alone is one only at the beginning. */
	if (word.len > 0 && word.data[0] == '$' &&
	    (word.len > 1 || value->len == 0)) {
		found = variable(node, name);
		if (found == NULL)
			parse_error(parser, "%s: Unknown variable: $%.*s", self,
				    STR_FMT(name));
	}
	if (found == NULL) {
		buf_add_str(value, word);
		buf_add_str(raw, word);
		return;
	}
	buf_add(value, found);
	/* Left alone, it would stand for itself. */
	if (str_is(name, self))
		buf_add(raw, found);
	else
		buf_add_str(raw, word);
}

const char *value_expand(struct parser *parser, struct node *node,
			 const char *self, const char *text,
			 const char **raw_out)
{
	CLEANUP(buf_free) struct buf value = buf_init(VALUE_MAX);
	CLEANUP(buf_free) struct buf raw = buf_init(VALUE_MAX);

	while (*text != '\0') {
		size_t len = strcspn(text, " \t");

		expand_word(parser, node, self, str_n(text, len), &value, &raw);
		text += len;
		len = strspn(text, " \t");
		buf_append(&value, text, len);
		buf_append(&raw, text, len);
		text += len;
	}
	if (value.overflow || raw.overflow)
		parse_error(parser, "%s: The value is too long", self);
	*raw_out = buf_steal(parser->config, &raw);
	return buf_steal(parser->config, &value);
}

const char *value_file(struct parser *parser, const char *key, const char *path)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "file");
	CLEANUP(buf_free) struct buf text = buf_init(VALUE_MAX);
	struct err err;
	char *value;

	path = parse_path(parser, ctx, path);
	if (file_read(path, &text, &err) < 0) {
		if (parser->outside)
			return mem_printf(parser->config, "<%s", path);
		parse_error(parser, "%s: Can't open file %s: %s", key, path,
			    strerror(errno));
		return NULL;
	}
	if (memchr(text.data, '\0', text.len) != NULL) {
		parse_error(parser, "%s: File %s has NUL characters", key,
			    path);
		return NULL;
	}
	value = mem_strndup(parser->config, text.data, text.len);
	/* It may be a private key. */
	mem_wipe(text.data, text.len);
	return value;
}
