/* SPDX-License-Identifier: MIT */
/*
 * sievetools/import.h - a Sieve script in the making, of rules that another
 * program had. What can't be said in Sieve stands in it as a comment, and is
 * named on stderr with its line.
 */
#ifndef SIEVETOOLS_IMPORT_H
#define SIEVETOOLS_IMPORT_H
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

enum { IMPORT_MAX_REQUIRES = 20, IMPORT_MAX_DEPTH = 12 };

struct sieve_settings;

struct import {
	void *ctx;
	const struct sieve_settings *set; /* bounds of the engine */
	const char *name;                 /* of the file, in messages */
	struct str text;
	struct buf body;
	const char *requires[IMPORT_MAX_REQUIRES];
	unsigned indent, skipped;
};

/* The script uses an extension; `name` is a constant. */
void import_require(struct import *import, const char *name);
/* A line of the script. */
void import_line(struct import *import, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A rule begins: an empty line and a comment. */
void import_rule(struct import *import, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* What is not translated, and why: `text` as it is there. */
void import_skip(struct import *import, unsigned line, struct str text,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* What is in a buffer, which is empty then; child of import->ctx. */
struct str import_steal(struct import *import, struct buf *buf);
/* As a string of Sieve, with its quotes; child of import->ctx. */
const char *import_quote(struct import *import, struct str text);
/* The same of a pattern for :matches that is `text` and nothing special, with
 * wildcards where they are said. */
const char *import_glob(struct import *import, struct str text, bool front,
			bool behind);
/* Whether mail can be redirected to it. */
bool import_is_address(struct import *import, struct str text);
/* The tests in one: allof or anyof, if there is more than one. NULL for none.
 */
const char *import_join(struct import *import, bool all,
			const char *const *tests, unsigned count);

/* Each reads all of import->text. */
void import_procmailrc(struct import *import);
void import_gmail(struct import *import);
void import_thunderbird(struct import *import);

#endif
