/* SPDX-License-Identifier: MIT */
/*
 * config/doveconf_name.c - single settings and sections, and lists of paths.
 */
#include <string.h>

#include "base/cleanup.h"
#include "config/doveconf.h"

enum { VALUE_TEXT_MAX = 1 << 21, PATH_TEXT_MAX = 4096 };

/* m */

static const char mail_names[] =
	"mail_ mailbox_ maildir_ mbox_ mdbox_ namespace plugin imapc_ pop3c_ "
	"lock_method dotlock_use_excl mmap_disable hostname postmaster_address "
	"first_valid_ last_valid_ valid_chroot_dirs auth_socket_path "
	"rawlog_dir "
	"recipient_delimiter quota_full_tempfail rejection_ submission_host "
	"submission_ssl submission_timeout sendmail_path ssl_client_ dsync_ "
	"deliver_log_format ";
static const char login_names[] =
	"login_ ssl auth_ disable_plaintext_auth verbose_ haproxy_ "
	"director_username_hash imap_capability imap_id_ ";

/* Which settings a program reads, by the beginnings of their names. */
static const struct {
	const char *module, *names;
	bool mail, login;
} modules[] = {
	{"imap", "imap_ ssl verbose_", true, false},
	{"imap-login", "imap_ protocol", false, true},
	{"pop3", "pop3_ ssl verbose_", true, false},
	{"pop3-login", "pop3_ protocol", false, true},
	{"managesieve", "managesieve_", true, false},
	{"managesieve-login", "managesieve_", false, true},
	{"submission", "submission_ login_greeting", true, false},
	{"submission-login",
	 "submission_max_mail_size submission_backend_ hostname", false, true},
	{"lmtp", "lmtp_ lda_ ssl login_greeting login_trusted_networks", true,
	 false},
	{"lda", "lda_", true, false},
	{"doveadm", "doveadm_ ssl managesieve_", true, false},
	{"auth", "auth_ passdb userdb ssl first_valid_ last_valid_", false,
	 false},
	{"dict", "dict verbose_", false, false},
	{"stats", "metric event_exporter stats_", false, false},
	{"director", "director_", false, false},
	{"master",
	 "service default_ listen protocols libexec_dir mail_max "
	 "auth_worker import_ ssl",
	 false, false},
};

static const char all_names[] =
	"base_dir state_dir config_cache_size debug_log_path info_log_path "
	"log_ syslog_facility instance_name import_environment "
	"shutdown_clients verbose_proctitle version_ignore "
	"stats_writer_socket_path haproxy_ process_shutdown_filter ";

static bool any_prefix(const char *names, const char *name)
{
	struct str rest = str_of(names), prefix;

	while (str_word(&rest, &prefix)) {
		if (strncmp(name, prefix.data, prefix.len) == 0)
			return true;
	}
	return false;
}

bool module_has(const char *module, const char *name)
{
	if (any_prefix(all_names, name))
		return true;
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		if (strcmp(modules[i].module, module) == 0)
			return any_prefix(modules[i].names, name) ||
			       (modules[i].mail &&
				any_prefix(mail_names, name)) ||
			       (modules[i].login &&
				any_prefix(login_names, name));
	}
	return false;
}

/* by path */

static bool key_matches(const struct config_section *section, struct str wanted)
{
	CLEANUP(buf_free) struct buf key = buf_init(PATH_TEXT_MAX);

	section_key(section, &key);
	return str_is(wanted, key.data) || str_is(wanted, section->name);
}

/* Names may have slashes in them: the longest that fits is taken. */
static const struct config_section *
find_child(const struct node *node, struct str kind, struct str *rest)
{
	for (const struct config_section *at = node->section.children;
	     at != NULL; at = at->next) {
		CLEANUP(buf_free) struct buf key = buf_init(PATH_TEXT_MAX);
		size_t len = strlen(at->name);

		if (!str_is(kind, at->kind))
			continue;
		section_key(at, &key);
		/* plugin/quota */
		if (key.len == 0)
			return at;
		if (len > 0 && str_starts(*rest, at->name) &&
		    (rest->len == len || rest->data[len] == '/')) {
			*rest = str_from(*rest, len + 1);
			return at;
		}
		len = rest->len;
		if (str_find_char(*rest, '/') >= 0)
			len = (size_t)str_find_char(*rest, '/');
		if (key_matches(at, str_n(rest->data, len))) {
			*rest = str_from(*rest, len + 1);
			return at;
		}
	}
	return NULL;
}

/* As in Dovecot, who names a setting gets to see it, secret or not. */
static void dump_one(const struct dump *dump, const struct node *node,
		     const struct entry *entry, const char *path)
{
	CLEANUP(buf_free) struct buf text = buf_init(VALUE_TEXT_MAX);

	dump_value(dump, entry_row(node, entry), entry, &text);
	if (!dump->values_only)
		buf_printf(dump->out, "%s = ", path);
	buf_printf(dump->out, "%s\n", text.data);
}

/* All sections of a kind; those without anything in them are not shown. */
static bool dump_kind(const struct dump *dump, const struct node *node,
		      struct str kind, unsigned indent)
{
	bool found = false;

	for (const struct config_section *at = node->section.children;
	     at != NULL; at = at->next) {
		size_t start = dump->out->len, inside;

		if (!str_is(kind, at->kind))
			continue;
		found = true;
		dump_open(dump, at, indent);
		inside = dump->out->len;
		dump_section(dump, node_of(at), indent + 1, false);
		if (dump->out->len == inside) {
			buf_truncate(dump->out, start);
			continue;
		}
		dump_indent(dump, indent);
		buf_add(dump->out, "}\n");
	}
	return found;
}

static bool dump_below(const struct dump *dump, const struct node *node,
		       struct str rest, const char *path, unsigned indent);

static bool dump_inside(const struct dump *dump,
			const struct config_section *section, struct str rest,
			const char *path, unsigned indent)
{
	const struct entry *entry;
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "path");
	bool found;

	entry = entry_find(node_of(section), str_dup(ctx, rest));
	if (entry != NULL) {
		dump_one(dump, node_of(section), entry, path);
		return true;
	}
	if (str_find_char(rest, '/') >= 0)
		return dump_below(dump, node_of(section), rest, path, indent);
	dump_open(dump, section, indent);
	if (rest.len == 0) {
		dump_section(dump, node_of(section), indent + 1, false);
		found = true;
	} else {
		found = dump_kind(dump, node_of(section), rest, indent + 1);
	}
	dump_indent(dump, indent);
	buf_add(dump->out, "}\n");
	return found;
}

static bool dump_below(const struct dump *dump, const struct node *node,
		       struct str rest, const char *path, unsigned indent)
{
	const struct config_section *section;
	ptrdiff_t slash = str_find_char(rest, '/');
	size_t start = dump->out->len;
	struct str kind = rest;

	if (slash < 0)
		return dump_kind(dump, node, rest, indent);
	kind.len = (size_t)slash;
	rest = str_from(rest, (size_t)slash + 1);
	section = find_child(node, kind, &rest);
	if (section == NULL)
		return false;
	if (dump_inside(dump, section, rest, path, indent))
		return true;
	buf_truncate(dump->out, start);
	return false;
}

bool dump_name(const struct dump *dump, const char *path)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "dump");
	struct dump inner = *dump;
	const struct entry *entry;
	struct node *tree;

	inner.values_only = false;
	tree = dump_tree(ctx, dump);
	entry = entry_find(tree, path);
	if (entry != NULL && dump->scope == DUMP_CHANGED &&
	    !dump_wanted(dump, tree, entry))
		return true;
	if (entry != NULL) {
		dump_one(dump, tree, entry, path);
		return true;
	}
	if (strchr(path, '/') == NULL)
		return dump_kind(&inner, tree, str_of(path), 0);
	inner.values_only = dump->values_only;
	return dump_below(&inner, tree, str_of(path), path, 0);
}

/* S */

static void simple_below(const struct dump *dump, const struct node *node,
			 const char *path)
{
	for (size_t i = 0; i < node->count; i++) {
		const struct entry *entry = node->sorted[i];
		CLEANUP(buf_free) struct buf text = buf_init(VALUE_TEXT_MAX);

		if (!dump_wanted(dump, node, entry))
			continue;
		dump_value(dump, entry_row(node, entry), entry, &text);
		buf_printf(dump->out, "%s%s=%s\n", path, entry->value.name,
			   text.data);
	}
	for (const struct config_section *at = node->section.children;
	     at != NULL; at = at->next) {
		CLEANUP(buf_free) struct buf below = buf_init(PATH_TEXT_MAX);

		buf_printf(&below, "%s%s/", path, at->kind);
		if (!kind_is_filter(at->kind))
			section_key(at, &below);
		else
			buf_add(&below, at->name);
		if (below.data[below.len - 1] != '/')
			buf_putc(&below, '/');
		simple_below(dump, node_of(at), below.data);
	}
}

bool dump_simple_name(const struct dump *dump, const char *path)
{
	CLEANUP(buf_free) struct buf all = buf_init(dump->out->max);
	struct dump inner = *dump;
	size_t before = dump->out->len, len = strlen(path);
	struct str rest, line;

	inner.out = &all;
	dump_simple(&inner);
	for (rest = str_n(all.data, all.len); str_split(&rest, '\n', &line);) {
		if (str_starts(line, path) && line.len > len &&
		    (line.data[len] == '=' || line.data[len] == '/'))
			buf_printf(dump->out, "%.*s\n", STR_FMT(line));
	}
	return dump->out->len > before;
}

void dump_simple(const struct dump *dump)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "dump");

	simple_below(dump, dump_tree(ctx, dump), "");
}
