/* SPDX-License-Identifier: MIT */
#include "auth/fields.h"

#include "base/buf.h"
#include "base/mem.h"
#include "proto/auth.h"

struct fields fields_init(const void *ctx)
{
	return (struct fields){.ctx = ctx};
}

struct fields fields_copy(const struct fields *fields)
{
	struct fields copy = *fields;

	if (copy.count == 0)
		return fields_init(copy.ctx);
	copy.list = mem_array(copy.ctx, struct field, (copy.count + 7) / 8 * 8);
	memcpy(copy.list, fields->list, copy.count * sizeof(*copy.list));
	return copy;
}

static struct field *find(const struct fields *fields, const char *key)
{
	for (size_t i = 0; i < fields->count; i++) {
		if (strcmp(fields->list[i].key, key) == 0)
			return &fields->list[i];
	}
	return NULL;
}

void fields_set(struct fields *fields, const char *key, const char *value)
{
	struct field *field = find(fields, key);

	if (field == NULL) {
		if (fields->count == FIELDS_MAX)
			return;
		if (fields->count % 8 == 0)
			fields->list =
				mem_resize(fields->ctx, fields->list,
					   struct field, fields->count + 8);
		field = &fields->list[fields->count++];
		field->key = mem_strdup(fields->ctx, key);
	}
	field->value = mem_strdup(fields->ctx, value);
}

void fields_set_text(struct fields *fields, struct str text)
{
	struct str rest = text, key;
	char *name;

	str_split(&rest, '=', &key);
	name = str_dup(NULL, key);
	fields_set(fields, name, str_dup(name, rest));
	mem_free(name);
}

void fields_remove(struct fields *fields, const char *key)
{
	struct field *field = find(fields, key);

	if (field == NULL)
		return;
	fields->count--;
	memmove(field, field + 1,
		(size_t)(fields->list + fields->count - field) *
			sizeof(*field));
}

const char *fields_get(const struct fields *fields, const char *key)
{
	struct field *field = find(fields, key);

	return field == NULL ? NULL : field->value;
}

void fields_write(const struct fields *fields, struct buf *out)
{
	for (size_t i = 0; i < fields->count; i++) {
		const struct field *field = &fields->list[i];

		if (*field->value != '\0')
			auth_write_value(out, field->key, field->value);
		else
			auth_write_key(out, field->key);
	}
}

void fields_parse(struct fields *fields, struct str in)
{
	struct str field;

	while (str_split(&in, '\t', &field)) {
		char *text;

		if (field.len == 0)
			continue;
		text = str_tab_unescape(NULL, field);
		fields_set_text(fields, str_of(text));
		mem_free(text);
	}
}
