/* SPDX-License-Identifier: MIT */
#include "auth/json.h"

#include <jansson.h>

#include "auth/fields.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

static void add_scalar(const json_t *value, struct buf *out)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		buf_add_str(out, str_n(json_string_value(value),
				       json_string_length(value)));
		break;
	case JSON_INTEGER:
		buf_printf(out, "%" JSON_INTEGER_FORMAT,
			   json_integer_value(value));
		break;
	case JSON_REAL:
		buf_printf(out, "%.17g", json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		buf_add(out, json_is_true(value) ? "true" : "false");
		break;
	default:
		break;
	}
}

static void add_value(const json_t *value, struct buf *out)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(value)) {
		add_scalar(value, out);
		return;
	}
	json_array_foreach((json_t *)value, i, item)
	{
		if (i > 0)
			buf_putc(out, ' ');
		add_scalar(item, out);
	}
}

static void add_object(json_t *object, const char *prefix, bool nested,
		       struct fields *out)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		CLEANUP(buf_free) struct buf text = buf_init(JSON_TEXT_MAX);
		char *key = mem_printf(NULL, "%s%s", prefix, name);

		add_value(value, &text);
		if (json_is_object(value) && !nested) {
			char *inner = mem_printf(key, "%s.", key);

			add_object(value, inner, true, out);
		} else if (!json_is_null(value) && !json_is_object(value) &&
			   memchr(text.data, '\0', text.len) == NULL) {
			fields_set(out, key, text.data);
		}
		mem_free(key);
	}
}

int json_to_fields(struct str text, const char *prefix, struct fields *out,
		   struct err *err)
{
	json_error_t error;
	json_t *root =
		json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &error);

	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(err, ERR_INVALID, "No JSON object: %s",
			       root == NULL ? error.text : "something else");
	}
	add_object(root, prefix, false, out);
	json_decref(root);
	return 0;
}
