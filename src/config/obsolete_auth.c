/* SPDX-License-Identifier: MIT */
/*
 * config/obsolete_auth.c - version 1's auth NAME { } with its passdbs, userdbs
 * and sockets.
 *
 * The sections "auth", "socket" and "client" or "master" exist while they are
 * read; they are in no tree.
 */
#include <string.h>

#include "base/cleanup.h"
#include "config/obsolete.h"

static bool is_kind(const struct node *node, const char *kind)
{
	return strcmp(node->section.kind, kind) == 0;
}

static bool is_socket(const struct node *node)
{
	return is_kind(node, "auth client") || is_kind(node, "auth master");
}

static void open_pseudo(struct parser *parser, const char *kind)
{
	struct node *node = node_new(parser->config, NULL, kind, "");

	node->section.file = parser->file;
	node->section.line = parser->line;
	parser->open[parser->depth - 1].node = node;
}

bool obsolete_auth_set(struct parser *parser, struct node *node,
		       const struct statement *statement)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "obsolete");
	struct statement other = *statement;

	if (is_kind(node, "auth")) {
		other.key = mem_printf(ctx, "auth_%s", statement->key);
		parse_set(parser, parser->config->root, &other);
		return true;
	}
	if (is_socket(node)) {
		entry_set(node, mem_strdup(node, statement->key),
			  mem_strdup(node, statement->value));
		return true;
	}
	return false;
}

static bool open_database(struct parser *parser,
			  const struct statement *statement)
{
	const char *kind = statement->key, *driver = statement->value;
	struct node *node;

	if (strcmp(kind, "passdb") != 0 && strcmp(kind, "userdb") != 0)
		return false;
	node = parse_open(parser, parser->config->root, kind, "");
	parser->open[parser->depth - 1].node = node;
	if (driver[0] != '\0') {
		parse_obsolete(parser,
			       "%s %s {} has been replaced by %s { driver=%s }",
			       kind, driver, kind, driver);
		parse_set_text(parser, node, "driver", driver);
	}
	return true;
}

static bool open_socket(struct parser *parser,
			const struct statement *statement)
{
	if (strcmp(statement->key, "socket") != 0)
		return false;
	if (strcmp(statement->value, "listen") == 0)
		open_pseudo(parser, "auth socket");
	else
		parse_error(parser,
			    "socket %s {} is no longer supported, configure "
			    "external auth server separately",
			    statement->value);
	return true;
}

bool obsolete_auth_open(struct parser *parser, struct node *parent,
			const struct statement *statement)
{
	const char *key = statement->key;

	if (strcmp(key, "auth") == 0 && parent == parser->config->root) {
		parse_obsolete(parser,
			       "add auth_ prefix to all settings inside auth "
			       "{} and remove the auth {} section completely");
		open_pseudo(parser, "auth");
		return true;
	}
	if (is_kind(parent, "auth"))
		return open_database(parser, statement) ||
		       open_socket(parser, statement);
	if (!is_kind(parent, "auth socket"))
		return false;
	if (strcmp(key, "client") == 0)
		open_pseudo(parser, "auth client");
	else if (strcmp(key, "master") == 0)
		open_pseudo(parser, "auth master");
	else
		return false;
	return true;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* The listener is named by its path, which may come last in the block. */
void obsolete_close(struct parser *parser, struct node *node)
{
	const struct entry *path;
	struct node *listener;

	if (!is_socket(node))
		return;
	path = entry_find(node, "path");
	if (path == NULL) {
		parse_error(parser, "socket listen {} is missing path");
		return;
	}
	if (is_kind(node, "auth master") &&
	    !ends_with(path->value.value, "-master") &&
	    !ends_with(path->value.value, "-userdb")) {
		parse_error(parser,
			    "socket listen { master { path=.. } } must end "
			    "with -master (or -userdb) suffix");
		return;
	}
	listener = parse_open(parser, obsolete_service(parser, "auth"),
			      "unix_listener", path->value.value);
	for (size_t i = 0; i < node->count; i++) {
		const struct config_value *value = &node->sorted[i]->value;

		if (strcmp(value->name, "path") != 0)
			parse_set_text(parser, listener, value->name,
				       value->value);
	}
}
