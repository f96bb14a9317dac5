/* SPDX-License-Identifier: MIT */
/*
 * config/read.c - what a configuration says, asked by those who use it.
 */
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "config/setting.h"
#include "config/tree.h"

const char *config_path(const struct config *config)
{
	return config->path;
}

bool config_has_filters(const struct config *config)
{
	return config->has_filters;
}

/* The last of the blocks that sets it, else the top level, else NULL. */
static const struct entry *lookup(const struct config *config,
				  const struct node *const *blocks,
				  size_t count, const char *name)
{
	const struct entry *entry = NULL;

	while (count > 0 && entry == NULL)
		entry = entry_find(blocks[--count], name);
	if (entry == NULL)
		entry = entry_find(config->root, name);
	return entry;
}

static int fill_value(const void *ctx, const struct setting *row,
		      const char *text, void *field, struct err *err)
{
	switch (row->kind) {
	case SETTING_BOOL:
		return setting_parse_bool(text, field, err);
	case SETTING_UNSIGNED:
		return setting_parse_unsigned(text, field, err);
	case SETTING_SIZE:
		return setting_parse_size(text, field, err);
	case SETTING_DURATION:
		return setting_parse_duration(text, field, err);
	case SETTING_MODE:
		return setting_parse_mode(text, field, err);
	case SETTING_TEXT:
	case SETTING_ENUM:
	case SETTING_FILE:
	case SETTING_NETWORKS:
		*(const char **)field =
			text == row->preset ? text : mem_strdup(ctx, text);
		break;
	}
	return 0;
}

/* The table that declares a shared one has it. */
static const char *preset_of(const struct setting *row)
{
	if ((row->flags & SETTING_SHARED) != 0)
		row = setting_find("", row->name);
	return row != NULL ? row->preset : NULL;
}

static int fill_row(const void *ctx, const struct setting *row,
		    const struct entry *entry, void *out, struct err *err)
{
	const char *text = entry != NULL ? entry->value.value : preset_of(row);

	/* A foreign row has no field to fill. */
	if ((row->flags & SETTING_FOREIGN) != 0)
		return 0;
	if (text == NULL)
		return err_set(err, ERR_NOT_FOUND, "No table declares %s",
			       row->name);
	if (fill_value(ctx, row, text, (char *)out + row->offset, err) < 0)
		return err_wrap(err, "%s", row->name);
	return 0;
}

int config_read(const void *ctx, const struct config *config,
		const struct config_filter *filter, const struct setting *rows,
		void *out, struct err *err)
{
	const struct node *blocks[BLOCKS_MAX];
	size_t count = filter_match(config, filter, blocks);

	for (const struct setting *row = rows; row->name != NULL; row++) {
		const struct entry *entry =
			lookup(config, blocks, count, row->name);

		if (fill_row(ctx, row, entry, out, err) < 0)
			return -1;
	}
	return 0;
}

int config_read_section(const void *ctx, const struct config_section *section,
			const struct setting *rows, void *out, struct err *err)
{
	for (const struct setting *row = rows; row->name != NULL; row++) {
		const struct entry *entry =
			entry_find(node_of(section), row->name);

		if (fill_row(ctx, row, entry, out, err) < 0)
			return err_wrap(err, "%s %s", section->kind,
					section->name);
	}
	return 0;
}

int config_read_named(const void *ctx,
		      const char *(*get)(void *get_ctx, const char *name),
		      void *get_ctx, const struct setting *rows, void *out,
		      struct err *err)
{
	for (const struct setting *row = rows; row->name != NULL; row++) {
		const char *text = get(get_ctx, row->name);

		if (text == NULL)
			text = row->preset;
		if (fill_value(ctx, row, text, (char *)out + row->offset, err) <
		    0)
			return err_wrap(err, "%s", row->name);
	}
	return 0;
}

static const char *kind_name(const struct setting *row)
{
	switch (row->kind) {
	case SETTING_BOOL:
		return "boolean ";
	case SETTING_UNSIGNED:
		return "unsigned integer ";
	case SETTING_SIZE:
		return "size ";
	case SETTING_DURATION:
		return "duration ";
	case SETTING_MODE:
	case SETTING_TEXT:
	case SETTING_ENUM:
	case SETTING_FILE:
	case SETTING_NETWORKS:
		break;
	}
	return "";
}

void config_read_tolerant(const void *ctx,
			  const char *(*get)(void *get_ctx, const char *name),
			  void *get_ctx, const struct setting *rows, void *out,
			  const char *who)
{
	for (const struct setting *row = rows; row->name != NULL; row++) {
		const char *text = get(get_ctx, row->name);
		struct err err;

		if (text != NULL && setting_check(row, text, &err) < 0) {
			log_warning("%s: invalid %svalue for setting '%s': "
				    "'%s'",
				    who, kind_name(row), row->name, text);
			text = NULL;
		}
		if (text == NULL)
			text = row->preset;
		(void)fill_value(ctx, row, text, (char *)out + row->offset,
				 &err);
	}
}

static const struct config_section *next_of(const struct config_section *at,
					    const char *kind)
{
	while (at != NULL && strcmp(at->kind, kind) != 0)
		at = at->next;
	return at;
}

const struct config_section *
config_section_next(const struct config *config,
		    const struct config_filter *filter, const char *kind,
		    const struct config_section *at)
{
	return next_of(at != NULL ? at->next
				  : view_get(config, filter)->section.children,
		       kind);
}

const struct config_section *
config_child_next(const struct config_section *section, const char *kind,
		  const struct config_section *at)
{
	return next_of(at != NULL ? at->next : section->children, kind);
}

const char *config_value(const struct config *config,
			 const struct config_filter *filter, const char *name)
{
	const struct node *blocks[BLOCKS_MAX];
	size_t count = filter_match(config, filter, blocks);
	const struct entry *entry = lookup(config, blocks, count, name);
	const struct setting *row;

	if (entry != NULL)
		return entry->value.value;
	row = setting_find("", name);
	return row != NULL ? row->preset : NULL;
}

const struct config_value *config_written(const struct config *config,
					  const struct config_filter *filter,
					  const char *name)
{
	const struct node *blocks[BLOCKS_MAX];
	size_t count = filter_match(config, filter, blocks);
	const struct entry *entry = lookup(config, blocks, count, name);

	return entry != NULL && entry->value.file != NULL ? &entry->value
							  : NULL;
}

static const char *plugin_value(const struct node *block, const char *name)
{
	const struct node *plugin = node_find(block, "plugin", "");
	const struct entry *entry =
		plugin != NULL ? entry_find(plugin, name) : NULL;

	return entry != NULL ? entry->value.value : NULL;
}

const char *config_plugin(const struct config *config,
			  const struct config_filter *filter, const char *name)
{
	const struct node *blocks[BLOCKS_MAX];
	size_t count = filter_match(config, filter, blocks);
	const char *value = NULL;

	while (count > 0 && value == NULL)
		value = plugin_value(blocks[--count], name);
	return value != NULL ? value : plugin_value(config->root, name);
}
