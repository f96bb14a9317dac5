/* SPDX-License-Identifier: MIT */
/*
 * config/parse.c - statements become sections and values.
 *
 * An error ends nothing: the statement is left out and reading goes on, so
 * that an administrator sees all of them at once.
 */
#include "config/parse.h"

#include <netdb.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "config/settings_list.h"

enum { VALUES_MAX = 200000, ERRORS_MAX = 200 };

__attribute__((format(printf, 3, 0))) static void
report(struct parser *parser, struct buf *out, const char *fmt, va_list args)
{
	if (parser->line > 0)
		buf_printf(out, "%s line %u: ", parser->file, parser->line);
	else
		buf_printf(out, "%s: ", parser->file);
	buf_vprintf(out, fmt, args);
}

void parse_error(struct parser *parser, const char *fmt, ...)
{
	va_list args;

	if (parser->error_count++ >= ERRORS_MAX || parser->errors == NULL)
		return;
	va_start(args, fmt);
	report(parser, parser->errors, fmt, args);
	va_end(args);
	buf_putc(parser->errors, '\n');
}

void parse_warning(struct parser *parser, const char *fmt, ...)
{
	va_list args;

	if (parser->warnings == NULL)
		return;
	va_start(args, fmt);
	report(parser, parser->warnings, fmt, args);
	va_end(args);
	buf_putc(parser->warnings, '\n');
}

void parse_obsolete(struct parser *parser, const char *fmt, ...)
{
	va_list args;

	if (parser->warnings == NULL)
		return;
	if (!parser->warned_obsolete)
		buf_add(parser->warnings,
			"NOTE: You can get a new clean config file with: "
			"doveconf -Pn > dovecot-new.conf\n");
	parser->warned_obsolete = true;
	buf_printf(parser->warnings,
		   "Obsolete setting in %s:%u: ", parser->file, parser->line);
	va_start(args, fmt);
	buf_vprintf(parser->warnings, fmt, args);
	va_end(args);
	buf_putc(parser->warnings, '\n');
}

void parse_note(struct parser *parser, const char *fmt, ...)
{
	va_list args;

	if (parser->warnings == NULL)
		return;
	va_start(args, fmt);
	buf_vprintf(parser->warnings, fmt, args);
	va_end(args);
	buf_putc(parser->warnings, '\n');
}

struct node *parse_section(const struct parser *parser)
{
	return parser->depth == 0 ? parser->config->root
				  : parser->open[parser->depth - 1].node;
}

/* values */

static const char *section_kind(const struct node *node)
{
	const char *kind = node->section.kind;

	return kind_is_filter(kind) ? "" : kind;
}

/* "service { unix_listener { ", as Dovecot writes it. */
static void add_place(const struct config_section *at, struct buf *out)
{
	if (at == NULL || at->kind[0] == '\0')
		return;
	add_place(at->parent, out);
	if (!kind_is_filter(at->kind))
		buf_printf(out, "%s { ", at->kind);
}

static void unknown_setting(struct parser *parser, struct node *node,
			    const char *key)
{
	CLEANUP(buf_free) struct buf text = buf_init(1024);

	if ((parser->flags & CONFIG_IGNORE_UNKNOWN) != 0)
		return;
	buf_add(&text, "Unknown setting: ");
	add_place(&node->section, &text);
	buf_add(&text, key);
	setting_suggest(section_kind(node), key, &text);
	parse_error(parser, "%s", text.data);
}

/* The last block that sets it. */
static const struct entry *set_inside(const struct config_section *section,
				      const char *key)
{
	const struct entry *last = NULL;

	for (const struct config_section *at = section->children; at != NULL;
	     at = at->next) {
		const struct entry *entry;

		if (!kind_is_filter(at->kind))
			continue;
		entry = entry_find(node_of(at), key);
		if (entry != NULL)
			last = entry;
		entry = set_inside(at, key);
		if (entry != NULL)
			last = entry;
	}
	return last;
}

static void warn_order(struct parser *parser, const char *key)
{
	const struct entry *entry =
		set_inside(&parser->config->root->section, key);

	if (entry == NULL)
		return;
	parse_warning(parser,
		      "Global setting %s won't change the setting inside an "
		      "earlier filter at %s line %u (if this is intentional, "
		      "avoid this warning by moving the global setting before "
		      "%s line %u)",
		      key, entry->value.file, entry->value.line,
		      entry->value.file, entry->value.line);
}

/* What the statement's value means, and how doveconf will show it. */
static const char *statement_value(struct parser *parser, struct node *node,
				   const struct statement *statement,
				   const char **raw_out)
{
	struct config *config = parser->config;

	*raw_out = NULL;
	switch (statement->kind) {
	case STATEMENT_FILE:
		*raw_out = mem_printf(config, "<%s", statement->value);
		if ((parser->flags & CONFIG_KEEP_FILES) != 0)
			return *raw_out;
		return value_file(parser, statement->key, statement->value);
	case STATEMENT_VALUE:
		if (strchr(statement->value, '$') != NULL)
			return value_expand(parser, node, statement->key,
					    statement->value, raw_out);
		break;
	default:
		break;
	}
	return mem_strdup(config, statement->value);
}

static bool key_allowed(const struct node *node, const char *key,
			const struct setting **row_out)
{
	const struct node *up = node->section.parent == NULL
					? NULL
					: node_of(node->section.parent);
	const struct kind *kind =
		up == NULL ? NULL
			   : kind_find(up->section.kind, node->section.kind);

	*row_out = NULL;
	if (kind != NULL && (kind->flags & KIND_FREE) != 0)
		return strchr(key, '/') == NULL;
	*row_out = setting_find(section_kind(node), key);
	return *row_out != NULL;
}

static void store(struct parser *parser, struct node *node,
		  const struct statement *statement, const struct setting *row)
{
	const char *raw, *value;
	struct entry *entry;
	struct err err;

	value = statement_value(parser, node, statement, &raw);
	if (value == NULL)
		return;
	if (row != NULL && setting_check(row, value, &err) < 0) {
		parse_error(parser, "%s: %s", statement->key, err.text);
		return;
	}
	if (row != NULL && row->kind == SETTING_MODE && value[0] != '0')
		parse_warning(parser,
			      "%s: %s is taken for a decimal number; write 0%s "
			      "for octal",
			      statement->key, value, value);
	if (node == parser->config->root)
		warn_order(parser, statement->key);
	entry = entry_set(node,
			  row != NULL ? row->name
				      : mem_strdup(node, statement->key),
			  value);
	entry->value.file = parser->file;
	entry->value.line = parser->line;
	entry->raw = raw;
	if (statement->kind == STATEMENT_FILE &&
	    (parser->flags & CONFIG_KEEP_FILES) == 0)
		entry->path =
			parse_path(parser, parser->config, statement->value);
}

/* Who is auth's client is known only when auth has its settings. */
static bool auth_in_network(struct parser *parser, const struct node *node,
			    const char *key)
{
	const struct config_section *at = &node->section;

	if ((!str_starts(str_of(key), "auth_") && strcmp(key, "passdb") != 0 &&
	     strcmp(key, "userdb") != 0) ||
	    strcmp(key, "auth_socket_path") == 0)
		return false;
	while (at != NULL && strncmp(at->kind, "local", 5) != 0 &&
	       strcmp(at->kind, "remote") != 0)
		at = at->parent;
	if (at == NULL)
		return false;
	parse_error(parser,
		    "Auth settings not supported inside local/remote blocks: "
		    "%s",
		    key);
	return true;
}

/* "service/imap/process_limit = 5": go down to the section. */
static struct node *walk_path(struct parser *parser, struct node *node,
			      const char **key)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "path");
	const char *slash;

	while ((slash = strchr(*key, '/')) != NULL) {
		char *kind = mem_strndup(ctx, *key, (size_t)(slash - *key));
		const struct kind *found = kind_find(node->section.kind, kind);
		const char *name = "";

		if (found == NULL)
			return NULL;
		*key = slash + 1;
		slash = strchr(*key, '/');
		if ((found->flags & KIND_FREE) == 0 && slash != NULL) {
			name = mem_strndup(ctx, *key, (size_t)(slash - *key));
			*key = slash + 1;
		}
		node = parse_open(parser, node, kind, name);
	}
	return node;
}

void parse_set(struct parser *parser, struct node *node,
	       const struct statement *statement)
{
	struct statement at = *statement;
	const struct setting *row;

	if (parser->value_count++ >= VALUES_MAX) {
		if (parser->value_count == VALUES_MAX + 1)
			parse_error(parser, "Too many settings");
		return;
	}
	if (obsolete_set(parser, node, statement))
		return;
	if (strchr(at.key, '/') != NULL) {
		struct node *below = walk_path(parser, node, &at.key);

		if (below == NULL) {
			unknown_setting(parser, node, statement->key);
			return;
		}
		node = below;
	}
	if (!key_allowed(node, at.key, &row)) {
		unknown_setting(parser, node, at.key);
		return;
	}
	if (!auth_in_network(parser, node, at.key))
		store(parser, node, &at, row);
}

void parse_set_text(struct parser *parser, struct node *node, const char *name,
		    const char *value)
{
	const struct statement statement = {.kind = STATEMENT_QUOTED,
					    .line = parser->line,
					    .key = name,
					    .value = value};

	parse_set(parser, node, &statement);
}

/* sections */

struct node *parse_open(struct parser *parser, struct node *parent,
			const char *kind, const char *name)
{
	struct node *node = node_find(parent, kind, name);

	if (node == NULL)
		node = node_new(parent, parent, kind, name);
	if (node->section.file == NULL) {
		node->section.file = parser->file;
		node->section.line = parser->line;
	}
	return node;
}

/* How filters may nest: local, local_name, remote, protocol. */
static bool filter_allowed(struct parser *parser, const struct node *parent,
			   const char *kind)
{
	static const char *const order[] = {"local", "local_name", "remote",
					    "protocol"};
	const char *outer = parent->section.kind;
	int inner_rank = 0, outer_rank = 0;

	if (outer[0] == '\0')
		return true;
	for (int i = 0; i < 4; i++) {
		if (strcmp(order[i], kind) == 0)
			inner_rank = i;
		if (strcmp(order[i], outer) == 0)
			outer_rank = i;
	}
	if (strcmp(outer, kind) == 0 && inner_rank == 3) {
		parse_error(parser, "Nested protocol { protocol { .. } } block "
				    "not allowed");
		return false;
	}
	if (outer_rank > inner_rank) {
		parse_error(parser,
			    "%s { %s { .. } } not allowed (use %s { %s { .. } "
			    "} instead)",
			    outer, kind, kind, outer);
		return false;
	}
	return true;
}

static void unknown_section(struct parser *parser, const struct node *parent,
			    const char *kind)
{
	const struct kind *other = kind_anywhere(kind);

	if ((parser->flags & CONFIG_IGNORE_UNKNOWN) != 0)
		return;
	if (other != NULL && other->parent[0] == '\0')
		parse_error(parser,
			    "Section %s can't be inside of %s { } (is a '}' "
			    "missing before it?)",
			    kind, parent->section.kind);
	else if (other != NULL)
		parse_error(parser, "Section %s belongs into %s { }", kind,
			    other->parent);
	else
		parse_error(parser, "Unknown section: %s", kind);
}

/* The addresses of a host, as "local imap.example.org { }" names them: looked
 * up once, here; NULL after an error. */
static const char *host_networks(struct parser *parser, const char *name)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	CLEANUP(buf_free) struct buf text = buf_init(4096);
	struct addrinfo *found;
	int ret = getaddrinfo(name, NULL, &hints, &found);

	if (ret != 0) {
		parse_error(parser, "gethostbyname(%s) failed: %s", name,
			    gai_strerror(ret));
		return NULL;
	}
	for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
		char address[NI_MAXHOST];

		if (getnameinfo(at->ai_addr, at->ai_addrlen, address,
				sizeof(address), NULL, 0, NI_NUMERICHOST) == 0)
			buf_printf(&text, "%s ", address);
	}
	freeaddrinfo(found);
	return buf_steal(parser->config, &text);
}

static bool same_list_name(const struct node *parent, const char *kind,
			   const char *name)
{
	for (const struct config_section *at = parent->section.children;
	     at != NULL; at = at->next) {
		if (strcmp(at->kind, kind) == 0 && strcmp(at->name, name) == 0)
			return true;
	}
	return false;
}

static struct node *open_filter(struct parser *parser, struct node *parent,
				const char *kind, const char *name)
{
	const char *networks = NULL;
	struct node *node;

	if (!filter_allowed(parser, parent, kind))
		return NULL;
	if ((strcmp(kind, "local") == 0 || strcmp(kind, "remote") == 0) &&
	    !ip_network_valid(name)) {
		networks = host_networks(parser, name);
		if (networks == NULL)
			return NULL;
	}
	if (strcmp(kind, "protocol") != 0)
		parser->config->has_filters = true;
	node = parse_open(parser, parent, kind, name);
	node->networks = networks;
	return node;
}

static struct node *open_below(struct parser *parser, struct node *parent,
			       const struct statement *statement)
{
	const char *key = statement->key, *name = statement->value;
	const struct kind *kind = kind_find(parent->section.kind, key);
	struct node *node;

	if (kind == NULL) {
		unknown_section(parser, parent, key);
		return NULL;
	}
	if ((kind->flags & KIND_FILTER) != 0) {
		return open_filter(parser, parent, key, name);
	}
	if (auth_in_network(parser, parent, key))
		return NULL;
	if ((kind->flags & KIND_LIST) != 0 && name[0] != '\0' &&
	    same_list_name(parent, key, name)) {
		parse_error(parser, "%s/%s already exists", key, name);
		return NULL;
	}
	node = parse_open(parser, parent, key, name);
	if ((kind->flags & KIND_LIST) != 0 && name[0] != '\0')
		parse_set_text(parser, node, "name", name);
	return node;
}

static void open_section(struct parser *parser,
			 const struct statement *statement)
{
	struct node *parent = parse_section(parser);
	struct node *node = NULL;

	if (parser->depth == SECTION_DEPTH_MAX) {
		/* Its end will be taken for the outer one's: enough said. */
		parse_error(parser, "Sections nest too deep");
		return;
	}
	parser->open[parser->depth++] = (struct open_section){
		.file = parser->file, .line = parser->line};
	if (parent == NULL)
		return;
	if (obsolete_open(parser, parent, statement))
		return;
	node = open_below(parser, parent, statement);
	parser->open[parser->depth - 1].node = node;
}

static void close_section(struct parser *parser)
{
	struct node *node = parse_section(parser);

	if (parser->depth == 0) {
		parse_error(parser, "Unexpected '}'");
		return;
	}
	if (node != NULL)
		obsolete_close(parser, node);
	parser->depth--;
}

/* statements */

static void run_statement(struct parser *parser,
			  const struct statement *statement)
{
	if (statement->ambiguous_hash && parser->warnings != NULL)
		buf_printf(parser->warnings,
			   "Configuration file %s line %u: Ambiguous '#' "
			   "character in line, treating it as comment. Add a "
			   "space before it to remove this warning.\n",
			   parser->file, parser->line);
	switch (statement->kind) {
	case STATEMENT_VALUE:
	case STATEMENT_QUOTED:
	case STATEMENT_FILE:
		if (parse_section(parser) != NULL)
			parse_set(parser, parse_section(parser), statement);
		break;
	case STATEMENT_OPEN:
		open_section(parser, statement);
		break;
	case STATEMENT_CLOSE:
		close_section(parser);
		break;
	case STATEMENT_INCLUDE:
	case STATEMENT_INCLUDE_TRY:
		parse_include(parser, statement->value,
			      statement->kind == STATEMENT_INCLUDE);
		break;
	case STATEMENT_BROKEN:
		parse_error(parser, "%s", statement->value);
		break;
	}
}

void parse_text(struct parser *parser, struct str text)
{
	enum { LINE_MAX_LEN = 1 << 20 };
	CLEANUP(buf_free) struct buf line = buf_init(LINE_MAX_LEN);
	struct lines lines = {text, 1};
	struct statement statement;
	unsigned depth = parser->depth;

	while (lines_next(&lines, &line, &statement)) {
		parser->line = statement.line;
		run_statement(parser, &statement);
	}
	parser->line = 0;
	while (parser->depth > depth) {
		const struct open_section *open =
			&parser->open[parser->depth - 1];

		parse_error(parser, "Missing '}' (section started at %s:%u)",
			    open->file, open->line);
		close_section(parser);
	}
}
