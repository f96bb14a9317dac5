/* SPDX-License-Identifier: MIT */
/*
 * config/doveconf.h - the parts of doveconf, for each other.
 */
#ifndef CONFIG_DOVECONF_H
#define CONFIG_DOVECONF_H
#include "base/buf.h"
#include "base/str.h"
#include "config/tree.h"

enum dump_scope {
	DUMP_ALL,      /* -a: every setting */
	DUMP_CHANGED,  /* -n: what differs from its default */
	DUMP_SET,      /* -N: what was set, even if to its default */
	DUMP_DEFAULTS, /* -d */
};

struct dump {
	const struct config *config;
	const struct config_filter *filter; /* NULL without -f */
	enum dump_scope scope;
	const char *module; /* NULL without -m */
	bool show_secrets;  /* -P */
	bool show_hidden;   /* -s */
	bool expand;        /* -x */
	bool values_only;   /* -h */
	struct buf *out;
};

/* What is set, or all there is, as one tree without filters. */
struct node *dump_tree(const void *ctx, const struct dump *dump);
/* Everything, in the syntax of dovecot.conf. */
void dump_config(const struct dump *dump);
/* One "key=value" line per setting, with full paths (-S). */
void dump_simple(const struct dump *dump);
/* Those of a setting or section; false if there is none. */
bool dump_simple_name(const struct dump *dump, const char *path);
/* One setting or section by its path; false if there is none. With -n nothing
 * is shown of one that has its default. */
bool dump_name(const struct dump *dump, const char *path);

/* The settings that a section (or "" for the top level) prints, sorted. */
void dump_section(const struct dump *dump, const struct node *node,
		  unsigned indent, bool filtered);
void dump_open(const struct dump *dump, const struct config_section *section,
	       unsigned indent);
void dump_indent(const struct dump *dump, unsigned indent);
/* The text of a value: expanded with -x, by kind otherwise. */
void dump_value(const struct dump *dump, const struct setting *row,
		const struct entry *entry, struct buf *out);
bool dump_wanted(const struct dump *dump, const struct node *node,
		 const struct entry *entry);
/* The name under which a section is sorted and found: a number for those of a
 * list. */
void section_key(const struct config_section *section, struct buf *out);
const struct setting *entry_row(const struct node *node,
				const struct entry *entry);
/* Whether `name` is a setting of that program (-m). */
bool module_has(const char *module, const char *name);
/* Append `value` with passwords and keys hidden; false if it looks like having
 * none. */
bool secret_mask(const char *name, const char *value, struct buf *out);

#endif
