/* SPDX-License-Identifier: MIT */
/*
 * config/presets.c - the default services. (Defaults of settings stay in their
 * tables.)
 */
#include <string.h>

#include "config/parse.h"
#include "config/setting.h"

/* Dovecot's services without a program here don't touch those that a folder of
 * ours declares. */
static void parse_foreign(struct parser *parser, const char *text)
{
	struct config *config = parser->config;
	struct node *presets = config->root;
	struct node *apart = node_new(config, NULL, "", "");

	config->root = apart;
	parse_text(parser, str_of(text));
	config->root = presets;
	for (struct config_section *at = apart->section.children; at != NULL;
	     at = at->next) {
		if (node_find(presets, at->kind, at->name) != NULL)
			continue;
		node_merge_section(presets, at);
		presets->last_child->foreign = true;
	}
}

static bool parse_preset(const char *text, bool foreign, void *ctx)
{
	struct parser *parser = ctx;

	if (foreign)
		parse_foreign(parser, text);
	else
		parse_text(parser, str_of(text));
	return true;
}

void presets_load(struct config *config)
{
	struct node *root = config->root;
	struct parser parser = {.config = config,
				.file = "presets",
				.flags = CONFIG_KEEP_FILES};

	/* The parser writes into the root. */
	config->root = config->presets;
	settings_each_preset(parse_preset, &parser);
	config->root = root;
}

/* Presets name other settings; those have their last values only after all
 * files were read. */
static void expand_below(struct parser *parser, struct node *node)
{
	for (size_t i = 0; i < node->count; i++) {
		struct entry *entry = node->sorted[i];
		const char *text =
			entry->raw != NULL ? entry->raw : entry->value.value;
		const char *raw;

		entry->value.file = NULL;
		if (text[0] != '$')
			continue;
		entry->value.value =
			value_expand(parser, parser->config->root,
				     entry->value.name, text, &raw);
		entry->raw = text;
	}
	for (struct config_section *at = node->section.children; at != NULL;
	     at = at->next) {
		at->file = NULL;
		expand_below(parser, node_of(at));
	}
}

void presets_expand(struct config *config)
{
	struct parser parser = {.config = config, .file = "presets"};

	for (struct config_section *at = config->presets->section.children;
	     at != NULL; at = at->next)
		expand_below(&parser, node_of(at));
}
