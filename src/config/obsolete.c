/* SPDX-License-Identifier: MIT */
/*
 * config/obsolete.c - settings of older versions that Dovecot 2.3 still
 * converts, with a warning each.
 */
#include "config/obsolete.h"

#include <string.h>

#include "base/cleanup.h"

static const char *value_text(const struct statement *statement,
			      const char *key, const char *value)
{
	return strcmp(statement->key, key) == 0 ? value : NULL;
}

/* settings that have another name or none */

static const struct {
	const char *name, *instead; /* NULL where there is none */
	const char *warning;        /* behind the name; NULL for silence */
} renamed[] = {
	{"dbox_rotate_size", "mdbox_rotate_size",
	 "has been renamed to mdbox_rotate_size"},
	{"mail_cache_compress_continued_percentage",
	 "mail_cache_purge_continued_percentage",
	 "has been renamed to mail_cache_purge_continued_percentage"},
	{"mail_cache_compress_delete_percentage",
	 "mail_cache_purge_delete_percentage",
	 "has been renamed to mail_cache_purge_delete_percentage"},
	{"mail_cache_compress_header_continue_count",
	 "mail_cache_purge_header_continue_count",
	 "has been renamed to mail_cache_purge_header_continue_count"},
	{"mail_cache_compress_min_size", "mail_cache_purge_min_size",
	 "has been renamed to mail_cache_purge_min_size"},
	{"mail_log_max_lines_per_sec", NULL, "has been removed"},
	{"doveadm_proxy_port", "doveadm_port", NULL},
	{"ssl_parameters_regenerate", NULL, "is no longer needed"},
	{"ssl_dh_parameters_length", NULL, "is no longer needed"},
	{"login_dir", NULL, "has been removed"},
	{"maildir_copy_preserve_filename", NULL, "has been removed"},
	{"dbox_rotate_min_size", NULL, "has been removed"},
	{"dbox_rotate_days", NULL, "has been removed"},
	{"director_consistent_hashing", NULL, "has been removed"},
	{"auth_count", NULL, "has been removed, and its value must be 1"},
};

static bool set_renamed(struct parser *parser, struct node *node,
			const struct statement *statement)
{
	for (size_t i = 0; i < sizeof(renamed) / sizeof(renamed[0]); i++) {
		struct statement other = *statement;

		if (strcmp(renamed[i].name, statement->key) != 0)
			continue;
		if (renamed[i].warning != NULL)
			parse_obsolete(parser, "%s %s", renamed[i].name,
				       renamed[i].warning);
		other.key = renamed[i].instead;
		if (other.key != NULL)
			parse_set(parser, node, &other);
		return true;
	}
	return false;
}

/* settings with other values */

static bool set_file(struct parser *parser, struct node *node,
		     const struct statement *statement)
{
	static const char *const names[][2] = {{"ssl_cert_file", "ssl_cert"},
					       {"ssl_key_file", "ssl_key"},
					       {"ssl_ca_file", "ssl_ca"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct statement other = *statement;

		if (strcmp(names[i][0], statement->key) != 0)
			continue;
		parse_obsolete(parser, "%s has been replaced by %s = <file",
			       names[i][0], names[i][1]);
		other.key = names[i][1];
		other.kind = STATEMENT_FILE;
		if (other.value[0] != '\0')
			parse_set(parser, node, &other);
		return true;
	}
	return false;
}

static bool set_switch(struct parser *parser, struct node *node,
		       const struct statement *statement)
{
	static const char *const names[][4] = {
		{"ssl_disable", "ssl", "no", "yes"},
		{"fsync_disable", "mail_fsync", "never", "optimized"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i][0], statement->key) != 0)
			continue;
		parse_obsolete(parser, "%s has been renamed to %s", names[i][0],
			       names[i][1]);
		parse_set_text(parser, node, names[i][1],
			       str_case_is(str_of(statement->value), "yes")
				       ? names[i][2]
				       : names[i][3]);
		return true;
	}
	return false;
}

/* The lowest version that a list such as "!SSLv3 !TLSv1" leaves. */
static const char *lowest_protocol(struct parser *parser, const char *list)
{
	static const char *const names[] = {"SSLv3", "TLSv1", "TLSv1.1",
					    "TLSv1.2"};
	enum { COUNT = sizeof(names) / sizeof(names[0]) };
	unsigned wanted = 0, refused = 0;
	struct str rest = str_of(list), word;

	while (str_word(&rest, &word)) {
		bool refuse = str_starts(word, "!");
		struct str name = str_from(word, refuse);
		unsigned i = 0;

		while (i < COUNT && !str_is(name, names[i]))
			i++;
		if (i == COUNT) {
			parse_note(parser,
				   "Could not find a minimum ssl_min_protocol "
				   "setting from ssl_protocols = %s: "
				   "Unrecognized protocol '%.*s'",
				   list, STR_FMT(name));
			return NULL;
		}
		*(refuse ? &refused : &wanted) |= 1U << i;
	}
	if (wanted == 0)
		wanted = (1U << COUNT) - 1;
	for (unsigned i = 0; i < COUNT; i++) {
		if ((wanted & ~refused & 1U << i) != 0)
			return names[i];
	}
	parse_note(parser,
		   "Could not find a minimum ssl_min_protocol setting from "
		   "ssl_protocols = %s: All protocols disabled",
		   list);
	return NULL;
}

static bool set_ssl_protocols(struct parser *parser, struct node *node,
			      const struct statement *statement)
{
	const char *list =
		value_text(statement, "ssl_protocols", statement->value);
	const char *lowest;

	if (list == NULL)
		return false;
	parse_obsolete(parser,
		       "ssl_protocols has been replaced by ssl_min_protocol");
	lowest = lowest_protocol(parser, list);
	if (lowest != NULL)
		parse_set_text(parser, node, "ssl_min_protocol", lowest);
	return true;
}

/* Before 2.0 the number was megabytes. */
static bool set_cache_size(struct parser *parser, struct node *node,
			   const struct statement *statement)
{
	const char *value =
		value_text(statement, "auth_cache_size", statement->value);
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "obsolete");
	unsigned number;

	if (value == NULL || !str_to_unsigned(str_of(value), &number) ||
	    number == 0 || number >= 1024)
		return false;
	parse_obsolete(parser,
		       "auth_cache_size value no longer defaults to "
		       "megabytes. Use %uM",
		       number);
	parse_set_text(parser, node, "auth_cache_size",
		       mem_printf(ctx, "%uM", number));
	return true;
}

static bool set_sieve(struct parser *parser, struct node *node,
		      const struct statement *statement)
{
	struct node *plugin;

	if (strcmp(statement->key, "sieve") == 0) {
		parse_obsolete(parser,
			       "sieve has been moved into plugin {} section");
	} else if (strcmp(statement->key, "sieve_storage") == 0) {
		parse_obsolete(parser, "sieve_storage has been moved into "
				       "plugin { sieve_dir }");
	} else {
		return false;
	}
	plugin = parse_open(parser, node, "plugin", "");
	parse_set(parser, plugin, statement);
	return true;
}

/* imap_client_workarounds */

static bool set_workarounds(struct parser *parser, struct node *node,
			    const struct statement *statement)
{
	static const char *const gone[][2] = {
		{"outlook-idle", "no longer necessary"},
		{"netscape-eoh", "no longer supported"},
	};
	const char *value = value_text(statement, "imap_client_workarounds",
				       statement->value);
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "obsolete");
	bool changed = false;
	char *text;

	if (value == NULL)
		return false;
	text = mem_strdup(ctx, value);
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
		char *at = strstr(text, gone[i][0]);
		size_t len = strlen(gone[i][0]);

		if (at == NULL)
			continue;
		parse_obsolete(parser, "imap_client_workarounds=%s is %s",
			       gone[i][0], gone[i][1]);
		memmove(at, at + len, strlen(at + len) + 1);
		changed = true;
	}
	if (changed)
		parse_set_text(parser, node, statement->key, text);
	return changed;
}

/* protocols */

static void add_word(struct buf *out, const char *word, size_t len)
{
	if (out->len > 0)
		buf_putc(out, ' ');
	buf_append(out, word, len);
}

/* "imaps" is a listener of imap now. */
static void drop_ssl_protocol(struct parser *parser, const char *list,
			      const char *plain, struct buf *out)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "obsolete");
	const char *ssl = mem_printf(ctx, "%ss", plain);

	if (!str_has_word(list, str_of(ssl)))
		return;
	if (str_has_word(list, str_of(plain))) {
		parse_obsolete(parser,
			       "'%s' protocol is no longer necessary, remove "
			       "it",
			       ssl);
		return;
	}
	parse_obsolete(parser,
		       "'%s' protocol can no longer be specified (use "
		       "protocols=%s). to disable non-ssl %s, use service "
		       "%s-login { inet_listener %s { port=0 } }",
		       ssl, plain, plain, plain, plain);
	add_word(out, plain, strlen(plain));
	parse_set_text(parser,
		       obsolete_listener(parser,
					 mem_printf(ctx, "%s-login", plain),
					 plain),
		       "port", "0");
}

/* A single blank between the names is how doveconf shows them. */
static bool needs_rewrite(const char *list)
{
	size_t len = strlen(list);

	return str_has_word(list, STR("imaps")) ||
	       str_has_word(list, STR("pop3s")) ||
	       str_has_word(list, STR("managesieve")) ||
	       strstr(list, "  ") != NULL || strchr(list, '\t') != NULL ||
	       list[0] == ' ' || (len > 0 && list[len - 1] == ' ');
}

/* As in 1.x, "pop3s" is an own protocol even beside "imap". */
static bool set_protocols(struct parser *parser, struct node *node,
			  const struct statement *statement)
{
	const char *list = value_text(statement, "protocols", statement->value);
	CLEANUP(buf_free) struct buf text = buf_init(4096);
	struct str rest, word;

	/* "$protocols" is expanded only later. */
	if (list == NULL || strchr(list, '$') != NULL || !needs_rewrite(list))
		return false;
	rest = str_of(list);
	while (str_word(&rest, &word)) {
		if (str_is(word, "managesieve")) {
			parse_obsolete(parser,
				       "protocols=managesieve has been renamed "
				       "to protocols=sieve");
			add_word(&text, "sieve", 5);
		} else if (!str_is(word, "imaps") && !str_is(word, "pop3s")) {
			add_word(&text, word.data, word.len);
		}
	}
	drop_ssl_protocol(parser, list, "imap", &text);
	drop_ssl_protocol(parser, list, "pop3", &text);
	parse_set_text(parser, node, "protocols", text.data);
	return true;
}

/* Another name for it, which 2.3 takes in silence. */
static bool set_namespace_location(struct parser *parser, struct node *node,
				   const struct statement *statement)
{
	struct statement other = *statement;

	if (strcmp(node->section.kind, "namespace") != 0 ||
	    strcmp(statement->key, "mail_location") != 0)
		return false;
	other.key = "location";
	parse_set(parser, node, &other);
	return true;
}

bool obsolete_set(struct parser *parser, struct node *node,
		  const struct statement *statement)
{
	static bool (*const handlers[])(struct parser *, struct node *,
					const struct statement *) = {
		set_renamed,       set_file,       set_switch,
		set_ssl_protocols, set_cache_size, set_sieve,
		set_workarounds,   set_protocols,  obsolete_service_set,
	};
	const char *kind = node->section.kind;

	if (parser->warnings == NULL && parser->errors == NULL)
		return false;
	if (obsolete_auth_set(parser, node, statement) ||
	    set_namespace_location(parser, node, statement))
		return true;
	if (kind[0] != '\0' && !kind_is_filter(kind))
		return false;
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		if (handlers[i](parser, node, statement))
			return true;
	}
	return false;
}

bool obsolete_open(struct parser *parser, struct node *parent,
		   const struct statement *statement)
{
	if (strcmp(statement->key, "protocol") == 0 &&
	    strcmp(statement->value, "managesieve") == 0 &&
	    parent->section.kind[0] == '\0') {
		parse_obsolete(parser, "protocol managesieve {} has been "
				       "replaced by protocol sieve { }");
		parser->open[parser->depth - 1].node =
			parse_open(parser, parent, "protocol", "sieve");
		return true;
	}
	return obsolete_auth_open(parser, parent, statement);
}
