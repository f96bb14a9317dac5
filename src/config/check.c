/* SPDX-License-Identifier: MIT */
/*
 * config/check.c - what can be said only when all files are read.
 */
#include <string.h>

#include "config/parse.h"
#include "config/setting.h"

static const char *plain_value(const struct config_section *section,
			       const char *name)
{
	const struct entry *entry = entry_find(node_of(section), name);

	return entry != NULL ? entry->value.value : "";
}

static void check_driver(struct parser *parser,
			 const struct config_section *section)
{
	if (plain_value(section, "driver")[0] != '\0')
		return;
	parser->file = section->file;
	parser->line = section->line;
	parse_error(parser, "%s is missing driver", section->kind);
}

static bool is_protocol(const struct node *all, struct str name)
{
	if (str_is(name, "none"))
		return true;
	for (const struct config_section *at = all->section.children;
	     at != NULL; at = at->next) {
		if (strcmp(at->kind, "service") == 0 &&
		    str_is(name, plain_value(at, "protocol")))
			return true;
	}
	return false;
}

/* Every protocol is one that some service has. */
static void check_protocols(struct parser *parser)
{
	const struct entry *entry =
		entry_find(parser->config->root, "protocols");
	const struct node *all = view_get(parser->config, NULL);
	struct str rest, name;

	if (entry == NULL)
		return;
	parser->file = entry->value.file;
	parser->line = entry->value.line;
	rest = str_of(entry->value.value);
	while (str_word(&rest, &name)) {
		if (!is_protocol(all, name))
			parse_error(parser, "protocols: Unknown protocol: %.*s",
				    STR_FMT(name));
	}
}

/* RFC 6154 and RFC 8457. */
static void check_mailbox(struct parser *parser,
			  const struct config_section *section)
{
	static const char *const uses[] = {
		"\\All",  "\\Archive", "\\Drafts", "\\Flagged",
		"\\Junk", "\\Sent",    "\\Trash",  "\\Important",
	};
	struct str rest = str_of(plain_value(section, "special_use")), use;

	while (str_word(&rest, &use)) {
		size_t i = 0, count = sizeof(uses) / sizeof(uses[0]);

		while (i < count && !str_case_is(use, uses[i]))
			i++;
		if (i < count)
			continue;
		parser->file = section->file;
		parser->line = section->line;
		parse_error(parser, "mailbox %s: unknown special_use: %.*s",
			    section->name, STR_FMT(use));
	}
}

static void check_service(struct parser *parser,
			  const struct config_section *section)
{
	if (section->name[0] != '\0')
		return;
	parser->file = section->file;
	parser->line = section->line;
	parse_error(parser, "Service is missing name");
}

static void check_sections(struct parser *parser,
			   const struct config_section *parent)
{
	for (const struct config_section *at = parent->children; at != NULL;
	     at = at->next) {
		if (kind_is_filter(at->kind))
			check_sections(parser, at);
		else if (strcmp(at->kind, "passdb") == 0 ||
			 strcmp(at->kind, "userdb") == 0)
			check_driver(parser, at);
		else if (strcmp(at->kind, "service") == 0)
			check_service(parser, at);
		else if (strcmp(at->kind, "mailbox") == 0)
			check_mailbox(parser, at);
		else if (strcmp(at->kind, "namespace") == 0)
			check_sections(parser, at);
	}
}

/* Settings that this server accepts for Dovecot's sake only: once each, in one
 * line. */
static void name_foreign(struct parser *parser, struct buf *out)
{
	const struct node *root = parser->config->root;

	for (size_t i = 0; i < root->count; i++) {
		const struct entry *entry = root->sorted[i];
		const struct setting *row = setting_find("", entry->value.name);

		if (row == NULL || (row->flags & SETTING_FOREIGN) == 0)
			continue;
		buf_add(out, out->len == 0 ? "" : ", ");
		buf_add(out, entry->value.name);
	}
}

void check_all(struct parser *parser)
{
	struct buf foreign = buf_init(4096);

	check_protocols(parser);
	check_sections(parser, &parser->config->root->section);
	if (parser->warnings != NULL) {
		name_foreign(parser, &foreign);
		if (foreign.len > 0)
			buf_printf(parser->warnings,
				   "Settings without a meaning in this server "
				   "are ignored: %s\n",
				   foreign.data);
	}
	buf_free(&foreign);
}
