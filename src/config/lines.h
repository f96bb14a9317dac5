/* SPDX-License-Identifier: MIT */
/*
 * config/lines.h - the text of a configuration file cut into statements.
 */
#ifndef CONFIG_LINES_H
#define CONFIG_LINES_H
#include "base/buf.h"
#include "base/str.h"

struct lines {
	struct str rest;
	unsigned next; /* number of the next line */
};

enum statement_kind {
	STATEMENT_VALUE,   /* key = value */
	STATEMENT_QUOTED,  /* key = "value": no variables in it */
	STATEMENT_FILE,    /* key = <path */
	STATEMENT_OPEN,    /* key value { */
	STATEMENT_CLOSE,   /* } */
	STATEMENT_INCLUDE, /* !include value */
	STATEMENT_INCLUDE_TRY,
	STATEMENT_BROKEN, /* value says why */
};

struct statement {
	enum statement_kind kind;
	unsigned line;   /* where it starts */
	const char *key; /* both point into the buffer of lines_next() */
	const char *value;
	bool ambiguous_hash; /* "a#b": taken for a comment */
};

/* The next statement; false at the end. `text` keeps its strings until the
 * next call. */
bool lines_next(struct lines *lines, struct buf *text,
		struct statement *statement_out);

#endif
