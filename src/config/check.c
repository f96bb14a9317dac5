/* SPDX-License-Identifier: MIT */
/*
 * config/check.c - what can be said only when all files are read.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
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
	parse_at(parser, section->file, section->line);
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
	parse_at(parser, entry->value.file, entry->value.line);
	rest = str_of(entry->value.value);
	while (str_word(&rest, &name)) {
		if (!is_protocol(all, name))
			parse_error(parser, "protocols: Unknown protocol: %.*s",
				    STR_FMT(name));
	}
}

/* "first" must not be above "last", unless that is 0. */
static void check_range(struct parser *parser, const char *first,
			const char *last)
{
	const char *low = config_value(parser->config, NULL, first);
	const char *high = config_value(parser->config, NULL, last);
	unsigned from, to;

	if (low == NULL || high == NULL ||
	    !str_to_unsigned(str_of(low), &from) ||
	    !str_to_unsigned(str_of(high), &to) || to == 0 || from <= to)
		return;
	parse_at(parser, parser->config->path, 0);
	parse_error(parser, "%s can't be larger than %s", first, last);
}

/* pop3_uidl_format: what is wrong with it, child of ctx; NULL: nothing. */
static const char *uidl_format_problem(const void *ctx, const char *format)
{
	bool any = false;

	for (const char *at = format; *at != '\0'; at++) {
		if (*at != '%')
			continue;
		at += 1 + strspn(at + 1, "-.0123456789LUEXRNHMDT");
		if (*at == '%')
			continue;
		if (*at == '\0' || strchr("uvfmg", *at) == NULL)
			return mem_printf(
				ctx, "Unknown pop3_uidl_format variable: %%%c",
				*at);
		any = true;
	}
	return any ? NULL
		   : "pop3_uidl_format setting doesn't contain any %% "
		     "variables.";
}

const char *config_pop3_problem(const void *ctx, const char *uidl_format,
				const char *delete_type,
				const char *deleted_flag)
{
	const char *problem = NULL;

	if (uidl_format != NULL)
		problem = uidl_format_problem(ctx, uidl_format);
	if (problem == NULL && delete_type != NULL &&
	    strcmp(delete_type, "flag") == 0 &&
	    (deleted_flag == NULL || deleted_flag[0] == '\0'))
		problem = "pop3_delete_type=flag, but pop3_deleted_flag not "
			  "set";
	return problem;
}

static void check_pop3(struct parser *parser)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "pop3");
	const struct config_filter filter = {.protocol = "pop3"};
	const struct config *config = parser->config;
	const char *problem = config_pop3_problem(
		ctx, config_value(config, &filter, "pop3_uidl_format"),
		config_value(config, &filter, "pop3_delete_type"),
		config_value(config, &filter, "pop3_deleted_flag"));

	if (problem == NULL)
		return;
	parse_at(parser, parser->config->path, 0);
	parse_error(parser, "%s", problem);
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
		parse_at(parser, section->file, section->line);
		parse_error(parser, "mailbox %s: unknown special_use: %.*s",
			    section->name, STR_FMT(use));
	}
}

/* Of these there can be but one process: what they know, it alone knows. */
static bool is_single(const char *service)
{
	static const char *const names[] = {"anvil", "auth", "indexer", "log"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(service, names[i]) == 0)
			return true;
	}
	return false;
}

static void check_service(struct parser *parser,
			  const struct config_section *section)
{
	const char *limit = plain_value(section, "process_limit");

	parse_at(parser, section->file, section->line);
	if (section->name[0] == '\0')
		parse_error(parser, "Service is missing name");
	else if (is_single(section->name) && *limit != '\0' &&
		 strcmp(limit, "1") != 0)
		parse_error(parser, "service(%s): process_limit must be 1",
			    section->name);
}

/* quota, quota2... of plugin {}: what counts otherwise than it says. */
static void check_quota(struct parser *parser, const struct config_value *root)
{
	static const char *const counted[] = {"maildir", "dict", "dirsize"};
	struct str rest = str_of(root->value), kind, name, of = {0};

	str_split(&rest, ':', &kind);
	if (str_is(kind, "dict") && str_split(&rest, ':', &name))
		str_split(&rest, ':', &of);
	if (of.len > 0)
		parse_warning(parser,
			      "%s: dict of `%.*s': what it counts is each "
			      "user's own here",
			      root->name, STR_FMT(of));
	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++) {
		if (str_is(kind, counted[i]))
			parse_warning(parser,
				      "%s: %s is read as count: usage comes "
				      "from the index, limits from quota_rule",
				      root->name, counted[i]);
	}
	if (str_is(kind, "fs") || str_is(kind, "imapc"))
		parse_warning(parser,
			      "%s: %.*s is not supported: this root is left "
			      "out, and nobody is told of such limits",
			      root->name, STR_FMT(kind));
}

static void check_plugin(struct parser *parser,
			 const struct config_section *plugin)
{
	for (const struct config_value *at = plugin->values; at != NULL;
	     at = at->next) {
		size_t len = str_starts(str_of(at->name), "quota") ? 5 : 0;

		if (len == 0)
			continue;
		parse_at(parser, at->file, at->line);
		len += strspn(at->name + len, "0123456789");
		if (at->name[len] == '\0')
			check_quota(parser, at);
		else if (strcmp(at->name, "quota_set") == 0 ||
			 strcmp(at->name, "quota_clone_dict") == 0)
			parse_warning(parser, "%s is ignored: not supported",
				      at->name);
	}
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
		else if (strcmp(at->kind, "plugin") == 0)
			check_plugin(parser, at);
		else if (strcmp(at->kind, "mailbox") == 0)
			check_mailbox(parser, at);
		else if (strcmp(at->kind, "namespace") == 0)
			check_sections(parser, at);
	}
}

/* Listeners for TLS are the master's, who knows the global ssl alone. */
static void check_ssl(struct parser *parser,
		      const struct config_section *parent)
{
	for (const struct config_section *at = parent->children; at != NULL;
	     at = at->next) {
		const struct config_value *value = at->values;

		if (!kind_is_filter(at->kind))
			continue;
		while (value != NULL && strcmp(value->name, "ssl") != 0)
			value = value->next;
		if (value != NULL && strcmp(value->value, "no") != 0) {
			parse_at(parser, value->file, value->line);
			parse_warning(parser,
				      "SSL is disabled because global ssl=no, "
				      "ignoring ssl=%s for subsection",
				      value->value);
		}
		check_ssl(parser, at);
	}
}

/* what doveconf may show, but a server must know */

static void check_served(struct parser *parser,
			 const struct config_section *section)
{
	const char *kind = kind_is_filter(section->kind) ? "" : section->kind;
	struct err err;

	for (const struct config_value *at = section->values; at != NULL;
	     at = at->next) {
		const struct setting *row = setting_find(kind, at->name);

		if (row == NULL ||
		    setting_check_served(row, at->value, &err) == 0)
			continue;
		parse_at(parser, at->file, at->line);
		if (kind[0] == '\0')
			parse_error(parser, "%s: %s", at->name, err.text);
		else
			parse_error(parser, "%s { %s }: %s", kind, at->name,
				    err.text);
	}
	for (const struct config_section *at = section->children; at != NULL;
	     at = at->next)
		check_served(parser, at);
}

/* what is accepted for Dovecot's sake only */

/* Names, each once, in one line. */
static void add_once(struct buf *out, const char *text)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "name");
	const char *item = mem_printf(ctx, "%s,", text);

	if (str_find(str_n(out->data, out->len),
		     str_of(mem_printf(ctx, " %s", item))) < 0)
		buf_printf(out, " %s", item);
}

static bool sets_something(const struct config_section *section)
{
	if (section->values != NULL)
		return true;
	for (const struct config_section *at = section->children; at != NULL;
	     at = at->next) {
		if (sets_something(at))
			return true;
	}
	return false;
}

static bool is_foreign_service(const struct parser *parser,
			       const struct config_section *section)
{
	const struct node *preset;

	if (strcmp(section->kind, "service") != 0)
		return false;
	preset = node_find(parser->config->presets, "service", section->name);
	return preset != NULL && preset->foreign &&
	       entry_find(node_of(section), "executable") == NULL;
}

static void name_unknown(const struct setting *row, const char *words,
			 struct buf *out)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "name");
	struct str rest = str_of(words), word;

	while (str_item(&rest, &word)) {
		if (!setting_is_choice(row->choices, word))
			add_once(out, mem_printf(ctx, "%s (%.*s)", row->name,
						 STR_FMT(word)));
	}
}

static void name_foreign(const struct parser *parser,
			 const struct config_section *section, struct buf *out)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "name");
	const char *kind = kind_is_filter(section->kind) ? "" : section->kind;

	if (is_foreign_service(parser, section)) {
		if (sets_something(section))
			add_once(out,
				 mem_printf(ctx, "service %s", section->name));
		return;
	}
	for (const struct config_value *at = section->values; at != NULL;
	     at = at->next) {
		const struct setting *row = setting_find(kind, at->name);

		if (row == NULL)
			continue;
		if ((row->flags & SETTING_KNOWN) != 0)
			name_unknown(row, at->value, out);
		if ((row->flags & SETTING_FOREIGN) != 0)
			add_once(out, kind[0] == '\0'
					      ? at->name
					      : mem_printf(ctx, "%s { %s }",
							   kind, at->name));
	}
	for (const struct config_section *at = section->children; at != NULL;
	     at = at->next)
		name_foreign(parser, at, out);
}

void check_all(struct parser *parser)
{
	CLEANUP(buf_free) struct buf foreign = buf_init(16384);
	const char *ssl = config_value(parser->config, NULL, "ssl");

	if (!parser->outside)
		check_protocols(parser);
	check_range(parser, "first_valid_uid", "last_valid_uid");
	check_range(parser, "first_valid_gid", "last_valid_gid");
	check_auth(parser);
	check_pop3(parser);
	check_sections(parser, &parser->config->root->section);
	/* A program without TLS knows no such setting. */
	if (ssl != NULL && strcmp(ssl, "no") == 0)
		check_ssl(parser, &parser->config->root->section);
	if ((parser->flags & CONFIG_SERVE) != 0)
		check_served(parser, &parser->config->root->section);
	if (parser->warnings == NULL)
		return;
	name_foreign(parser, &parser->config->root->section, &foreign);
	if (foreign.len > 0)
		parse_note(parser,
			   "Settings without a meaning in this server are "
			   "ignored:%.*s",
			   (int)foreign.len - 1, foreign.data);
}
