/* SPDX-License-Identifier: MIT */
/*
 * config/parse.h - the parser's state; for the files that share its work.
 */
#ifndef CONFIG_PARSE_H
#define CONFIG_PARSE_H
#include "config/lines.h"
#include "config/tree.h"

struct err;

/* A section that is being read. */
struct open_section {
	struct node *node; /* NULL inside of what is skipped after an error */
	const char *file;
	unsigned line;
};

enum { SECTION_DEPTH_MAX = 16, INCLUDE_DEPTH_MAX = 32 };

struct parser {
	struct config *config;
	struct buf *errors, *warnings; /* NULL for presets */
	unsigned flags;
	unsigned error_count, include_count;
	size_t value_count;
	const char *file; /* lives as long as the config */
	unsigned line;
	struct open_section open[SECTION_DEPTH_MAX];
	unsigned depth;
	const char *including[INCLUDE_DEPTH_MAX];
	unsigned include_depth;
	bool warned_obsolete;
	/* Of the master: services are not looked at, and "<path" that can't be
	 * read stays as it is. */
	bool outside;
};

/* What is said next is about that line, and not about the statement at hand;
 * the file's name lives as long as the config. */
static inline void parse_at(struct parser *parser, const char *file,
			    unsigned line)
{
	parser->file = file;
	parser->line = line;
}
/* "FILE line N: ..." for the statement at hand. */
void parse_error(struct parser *parser, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void parse_warning(struct parser *parser, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Dovecot's "Obsolete setting in FILE:N: ..." */
void parse_obsolete(struct parser *parser, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A warning that is no statement's alone. */
void parse_note(struct parser *parser, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The section at hand; NULL when it is skipped. */
struct node *parse_section(const struct parser *parser);
/* Open a section below `parent`, or one that exists already. */
struct node *parse_open(struct parser *parser, struct node *parent,
			const char *kind, const char *name);
/* Set a value in a section. */
void parse_set(struct parser *parser, struct node *node,
	       const struct statement *statement);
/* The same for a text of our own making. */
void parse_set_text(struct parser *parser, struct node *node, const char *name,
		    const char *value);
/* Read all statements of a text into `config`'s root. */
void parse_text(struct parser *parser, struct str text);

/* files (include.c) */

/* Read a file and what it includes. Returns -1 if it can't be read. */
int parse_file(struct parser *parser, const char *path, struct err *err);
/* All files that match, relative to the file at hand, in ASCII order. */
void parse_include(struct parser *parser, const char *pattern, bool required);
/* `path` as seen from the file at hand, as a child of ctx. */
char *parse_path(const struct parser *parser, const void *ctx,
		 const char *path);

/* values (value.c) */

/* Expand "$name" words of `text` as seen from `node`; `self` is the setting
 * that is being set. *raw_out is what doveconf shows without -x. */
const char *value_expand(struct parser *parser, struct node *node,
			 const char *self, const char *text,
			 const char **raw_out);
/* The content of "<path"; NULL after an error. */
const char *value_file(struct parser *parser, const char *key,
		       const char *path);

/* obsolete forms (obsolete*.c) */

/* Each returns whether it dealt with the statement. */
bool obsolete_set(struct parser *parser, struct node *node,
		  const struct statement *statement);
bool obsolete_open(struct parser *parser, struct node *parent,
		   const struct statement *statement);
void obsolete_close(struct parser *parser, struct node *node);

/* after all is read (check.c) */

void check_all(struct parser *parser);
/* Settings of auth (check_auth.c). */
void check_auth(struct parser *parser);

#endif
