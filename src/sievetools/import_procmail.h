/* SPDX-License-Identifier: MIT */
/*
 * sievetools/import_procmail.h - conditions of procmail's recipes, and its
 * variables.
 */
#ifndef SIEVETOOLS_IMPORT_PROCMAIL_H
#define SIEVETOOLS_IMPORT_PROCMAIL_H
#include <stdbool.h>

#include "base/str.h"

struct import;
struct import_words;

/* What stands behind "*", variables put in, as a test of Sieve; NULL and *why
 * if it is none. */
const char *import_condition(struct import *import, struct str text,
			     struct str flags, const char **why);
/* Whether it can be the name of a header field. */
bool import_is_field(struct str name);

/* Variables that the file sets; freed with import->ctx. */
struct import_words *import_words_new(struct import *import);
/* Of a variable's name. */
bool import_name_char(char c);
/* Set it; without value.data, its value is not known here from now on. */
void import_assign(struct import_words *words, struct str name,
		   struct str value);
/* False if it is not known here. */
bool import_value(const struct import_words *words, struct str name,
		  struct str *out);
/* Whether the text ends within quotes: what is meant goes on in the next line.
 */
bool import_quote_open(struct str text);
/* The next word of *rest, as a shell reads it; false if what it stands for is
 * not known here. */
bool import_word(struct import_words *words, struct str *rest, struct str *out);
/* The same of a text that has to be one word, and a comment at most. */
bool import_word_last(struct import_words *words, struct str text,
		      struct str *out);
/* What is behind "$" in a condition: as between double quotes. */
bool import_expand(struct import_words *words, struct str text,
		   struct str *out);

#endif
