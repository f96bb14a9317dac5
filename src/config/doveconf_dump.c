/* SPDX-License-Identifier: MIT */
/*
 * config/doveconf_dump.c - a configuration in the syntax of dovecot.conf,
 * sorted by name.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/doveconf.h"
#include "config/settings_list.h"

enum { VALUE_TEXT_MAX = 1 << 21, INDENT = 2 };

/* A setting or a section of the section that is written. */
struct item {
	const char *key;
	const struct entry *entry;
	const struct config_section *section;
};

const struct setting *entry_row(const struct node *node,
				const struct entry *entry)
{
	const char *kind = node->section.kind;

	return setting_find(kind_is_filter(kind) ? "" : kind,
			    entry->value.name);
}

static bool is_free(const struct config_section *section)
{
	const struct kind *kind = kind_anywhere(section->kind);

	return kind != NULL && (kind->flags & KIND_FREE) != 0;
}

static bool is_list(const struct config_section *section)
{
	const struct kind *kind = kind_anywhere(section->kind);

	return kind != NULL && (kind->flags & KIND_LIST) != 0;
}

/* Blanks and slashes in names are escaped before sorting, as Dovecot does:
 * "Sent" comes before "Sent Mail", "/var/x" before "auth". */
static void add_escaped(const char *name, struct buf *out)
{
	for (; *name != '\0'; name++) {
		if (*name == '/')
			buf_add(out, "\\s");
		else if (*name == ' ')
			buf_add(out, "\\_");
		else if (*name == '\\')
			buf_add(out, "\\\\");
		else if (*name == '=')
			buf_add(out, "\\e");
		else
			buf_putc(out, *name);
	}
}

static unsigned section_number(const struct config_section *section)
{
	unsigned number = 0;
	const struct config_section *at =
		section->parent == NULL ? section : section->parent->children;

	for (; at != section; at = at->next)
		number += strcmp(at->kind, section->kind) == 0;
	return number;
}

void section_key(const struct config_section *section, struct buf *out)
{
	if (is_free(section))
		return;
	if (section->name[0] == '\0' || is_list(section))
		buf_printf(out, "%u", section_number(section));
	else
		add_escaped(section->name, out);
}

/* which settings */

static bool differs(const struct setting *row, const char *value)
{
	CLEANUP(buf_free) struct buf now = buf_init(VALUE_TEXT_MAX);
	CLEANUP(buf_free) struct buf preset = buf_init(VALUE_TEXT_MAX);

	if (row == NULL)
		return true;
	setting_print(row, value, &now);
	setting_print(row, row->preset, &preset);
	return strcmp(now.data, preset.data) != 0;
}

static bool in_filter(const struct config_section *section)
{
	for (; section != NULL; section = section->parent) {
		if (kind_is_filter(section->kind))
			return true;
	}
	return false;
}

/* Inside of filters and most sections everything that was set counts. */
bool dump_wanted(const struct dump *dump, const struct node *node,
		 const struct entry *entry)
{
	const struct setting *row = entry_row(node, entry);
	bool top = node->section.kind[0] == '\0';

	if (row != NULL && (row->flags & SETTING_HIDDEN) != 0 &&
	    !dump->show_hidden && entry->value.file == NULL)
		return false;
	if ((top || kind_is_filter(node->section.kind)) &&
	    dump->module != NULL &&
	    !module_has(dump->module, entry->value.name))
		return false;
	if (dump->scope == DUMP_CHANGED &&
	    (top || (is_list(&node->section) && !in_filter(&node->section))))
		return differs(row, entry->raw != NULL && !dump->expand
					    ? entry->raw
					    : entry->value.value);
	return true;
}

/* values */

void dump_value(const struct dump *dump, const struct setting *row,
		const struct entry *entry, struct buf *out)
{
	const char *text = entry->value.value;

	if (entry->raw != NULL &&
	    (!dump->expand || entry->value.file == NULL)) {
		buf_add(out, entry->raw);
		return;
	}
	if (row != NULL)
		setting_print(row, text, out);
	else
		buf_add(out, text);
}

static bool needs_quotes(struct str text)
{
	if (text.len == 0)
		return false;
	return text.data[0] == ' ' || text.data[text.len - 1] == ' ' ||
	       str_find_char(text, '#') >= 0;
}

static void add_quoted(struct str text, struct buf *out)
{
	buf_putc(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (strchr("\"'\\", text.data[i]) != NULL)
			buf_putc(out, '\\');
		buf_putc(out, text.data[i]);
	}
	buf_putc(out, '"');
}

static void dump_setting(const struct dump *dump, const struct node *node,
			 const struct entry *entry, unsigned indent)
{
	CLEANUP(buf_free) struct buf text = buf_init(VALUE_TEXT_MAX);
	CLEANUP(buf_free) struct buf masked = buf_init(VALUE_TEXT_MAX);

	dump_value(dump, entry_row(node, entry), entry, &text);
	dump_indent(dump, indent);
	if (!dump->values_only)
		buf_printf(dump->out, "%s = ", entry->value.name);
	if (!dump->show_secrets &&
	    secret_mask(entry->value.name, text.data, &masked))
		buf_add(dump->out, masked.data);
	else if (needs_quotes(str_n(text.data, text.len)))
		add_quoted(str_n(text.data, text.len), dump->out);
	else
		buf_add(dump->out, text.data);
	buf_putc(dump->out, '\n');
}

/* sections */

void dump_indent(const struct dump *dump, unsigned indent)
{
	buf_printf(dump->out, "%*s", (int)(indent * INDENT), "");
}

void dump_open(const struct dump *dump, const struct config_section *section,
	       unsigned indent)
{
	const char *name = section->name;

	dump_indent(dump, indent);
	buf_add(dump->out, section->kind);
	if (name[0] != '\0' && !is_list(section) && !is_free(section)) {
		if (strpbrk(name, " \t\"#") != NULL &&
		    !kind_is_filter(section->kind)) {
			buf_putc(dump->out, ' ');
			add_quoted(str_of(name), dump->out);
		} else {
			buf_printf(dump->out, " %s", name);
		}
	}
	buf_add(dump->out, " {\n");
}

static int item_compare(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static size_t count_items(const struct node *node)
{
	size_t count = node->count;

	for (const struct config_section *at = node->section.children;
	     at != NULL; at = at->next)
		count++;
	return count;
}

/* A block's own name is in its head, for all but passdb and userdb. */
static bool is_name(const struct node *node, const struct entry *entry)
{
	return (strcmp(entry->value.name, "name") == 0 ||
		strcmp(entry->value.name, "path") == 0) &&
	       node->section.kind[0] != '\0' && !is_list(&node->section) &&
	       entry->value.file == NULL;
}

static bool is_twin(const struct config_section *a,
		    const struct config_section *b)
{
	return a->name[0] != '\0' && !is_list(a) &&
	       strcmp(a->kind, b->kind) == 0 &&
	       str_case_equal(str_of(a->name), str_of(b->name));
}

static bool has_later_twin(const struct config_section *section)
{
	for (const struct config_section *at = section->next; at != NULL;
	     at = at->next) {
		if (is_twin(section, at))
			return true;
	}
	return false;
}

/* Sections whose names differ in case only are shown as one, as Dovecot does:
 * the later one's name and values count. */
static const struct node *with_twins(const void *ctx,
				     const struct config_section *section)
{
	struct node *all = node_new(ctx, NULL, section->kind, section->name);

	all->section.parent = section->parent;
	for (const struct config_section *at =
		     section->parent != NULL ? section->parent->children : NULL;
	     at != NULL && at != section; at = at->next) {
		if (is_twin(section, at))
			node_merge(all, node_of(at));
	}
	node_merge(all, node_of(section));
	return all;
}

static size_t collect(const void *ctx, const struct dump *dump,
		      const struct node *node, struct item *items)
{
	size_t count = 0;

	for (size_t i = 0; i < node->count; i++) {
		const struct entry *entry = node->sorted[i];

		if (!dump_wanted(dump, node, entry) || is_name(node, entry))
			continue;
		items[count++] =
			(struct item){.key = entry->value.name, .entry = entry};
	}
	for (const struct config_section *at = node->section.children;
	     at != NULL; at = at->next) {
		CLEANUP(buf_free) struct buf key = buf_init(4096);

		if (kind_is_filter(at->kind) || has_later_twin(at))
			continue;
		if (node->section.kind[0] == '\0' && dump->module != NULL &&
		    !module_has(dump->module, at->kind))
			continue;
		buf_printf(&key, "%s/", at->kind);
		section_key(at, &key);
		buf_putc(&key, '/');
		items[count++] = (struct item){.key = buf_steal(ctx, &key),
					       .section = at};
	}
	return count;
}

/* A section's head is written when the first line inside of it is. */
static void dump_child(const struct dump *dump,
		       const struct config_section *section, unsigned indent,
		       bool filtered)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "dump");
	size_t start = dump->out->len, inside;

	dump_open(dump, section, indent);
	inside = dump->out->len;
	dump_section(dump, with_twins(ctx, section), indent + 1, filtered);
	if (dump->out->len == inside) {
		buf_truncate(dump->out, start);
		return;
	}
	dump_indent(dump, indent);
	buf_add(dump->out, "}\n");
}

/* What Dovecot always writes, even when nobody set it. */
static size_t add_fixed(const void *ctx, const struct node *node,
			const char *name, bool when, struct item *items,
			size_t count)
{
	struct entry *entry;

	if (!when || entry_find(node, name) != NULL)
		return count;
	entry = mem_new(ctx, struct entry);
	entry->value.name = name;
	entry->value.value = "";
	items[count] = (struct item){.key = name, .entry = entry};
	return count + 1;
}

void dump_section(const struct dump *dump, const struct node *node,
		  unsigned indent, bool filtered)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "dump");
	struct item *items = mem_array(ctx, struct item, count_items(node) + 3);
	size_t count = collect(ctx, dump, node, items);
	bool is_namespace = strcmp(node->section.kind, "namespace") == 0;

	if (dump->scope == DUMP_CHANGED || dump->scope == DUMP_SET) {
		count = add_fixed(ctx, node, "location", is_namespace, items,
				  count);
		count = add_fixed(ctx, node, "prefix", is_namespace, items,
				  count);
		count = add_fixed(ctx, node, "name",
				  (filtered || dump->scope == DUMP_SET) &&
					  is_list(&node->section),
				  items, count);
	}
	qsort(items, count, sizeof(*items), item_compare);
	for (size_t i = 0; i < count; i++) {
		if (items[i].entry != NULL)
			dump_setting(dump, node, items[i].entry, indent);
		else
			dump_child(dump, items[i].section, indent, filtered);
	}
}

/* filters */

enum { CHAIN_MAX = 8 };

struct block {
	const struct config_section *section;
	unsigned rank[4]; /* local_name, local, remote, protocol */
};

static unsigned network_bits(const char *network)
{
	const char *slash = strchr(network, '/');
	unsigned bits;

	if (slash != NULL && str_to_unsigned(str_of(slash + 1), &bits))
		return 1 + bits;
	return strchr(network, ':') != NULL ? 129 : 33;
}

static void rank_block(struct block *block)
{
	for (const struct config_section *at = block->section;
	     at->parent != NULL; at = at->parent) {
		if (strcmp(at->kind, "local_name") == 0)
			block->rank[0] = 1;
		else if (strcmp(at->kind, "local") == 0)
			block->rank[1] = network_bits(at->name);
		else if (strcmp(at->kind, "remote") == 0)
			block->rank[2] = network_bits(at->name);
		else
			block->rank[3] = 1;
	}
}

static int rank_compare(const struct block *a, const struct block *b)
{
	for (size_t i = 0; i < 4; i++) {
		if (a->rank[i] != b->rank[i])
			return a->rank[i] < b->rank[i] ? -1 : 1;
	}
	return 0;
}

/* Sorted by what they ask for, in written order where that is the same. */
static void add_blocks(const struct config_section *parent,
		       const struct config_filter *filter, struct block *blocks,
		       size_t *count)
{
	for (const struct config_section *at = parent->children; at != NULL;
	     at = at->next) {
		struct block block = {.section = at};
		size_t to = *count;

		if (!kind_is_filter(at->kind) || to == BLOCKS_MAX ||
		    (filter != NULL && !filter_allows(filter, at)))
			continue;
		rank_block(&block);
		for (; to > 0 && rank_compare(&blocks[to - 1], &block) > 0;
		     to--)
			blocks[to] = blocks[to - 1];
		blocks[to] = block;
		(*count)++;
		add_blocks(at, filter, blocks, count);
	}
}

/* With the heads of the blocks around it. */
static void dump_block(const struct dump *dump,
		       const struct config_section *section)
{
	const struct config_section *chain[CHAIN_MAX];
	size_t start = dump->out->len, inside;
	unsigned depth = 0;

	for (const struct config_section *at = section;
	     at->parent != NULL && depth < CHAIN_MAX; at = at->parent)
		chain[depth++] = at;
	for (unsigned i = 0; i < depth; i++)
		dump_open(dump, chain[depth - 1 - i], i);
	inside = dump->out->len;
	dump_section(dump, node_of(section), depth, true);
	if (dump->out->len == inside) {
		buf_truncate(dump->out, start);
		return;
	}
	while (depth-- > 0) {
		dump_indent(dump, depth);
		buf_add(dump->out, "}\n");
	}
}

static void dump_filters(const struct dump *dump)
{
	struct block blocks[BLOCKS_MAX];
	size_t count = 0;

	add_blocks(&dump->config->root->section, dump->filter, blocks, &count);
	for (size_t i = 0; i < count; i++)
		dump_block(dump, blocks[i].section);
}

/* all */

static void fill_presets(struct node *node)
{
	size_t count;
	const struct settings_row *rows =
		settings_section(node->section.kind, &count);

	for (size_t i = 0; i < count; i++) {
		if (entry_find(node, rows[i].row->name) == NULL)
			entry_set(node, rows[i].row->name, rows[i].row->preset);
	}
	for (struct config_section *at = node->section.children; at != NULL;
	     at = at->next)
		fill_presets(node_of(at));
}

struct node *dump_tree(const void *ctx, const struct dump *dump)
{
	const struct node *blocks[BLOCKS_MAX];
	struct node *tree = node_new(ctx, NULL, "", "");
	bool all = dump->scope == DUMP_ALL || dump->scope == DUMP_DEFAULTS;
	size_t count;

	if (all)
		node_merge(tree, dump->config->presets);
	if (dump->scope != DUMP_DEFAULTS) {
		node_merge(tree, dump->config->root);
		count = filter_match(dump->config, dump->filter, blocks);
		for (size_t i = 0; i < count; i++)
			node_merge_block(tree, blocks[i]);
	}
	if (all)
		fill_presets(tree);
	return tree;
}

void dump_config(const struct dump *dump)
{
	CLEANUP(ctx_free) TALLOC_CTX *ctx = mem_ctx(NULL, "dump");

	dump_section(dump, dump_tree(ctx, dump), 0, false);
	if (dump->scope != DUMP_DEFAULTS)
		dump_filters(dump);
}
