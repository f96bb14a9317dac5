/* SPDX-License-Identifier: MIT */
/*
 * sievetools/import_procmail.h - conditions of procmail's recipes.
 */
#ifndef SIEVETOOLS_IMPORT_PROCMAIL_H
#define SIEVETOOLS_IMPORT_PROCMAIL_H
#include <stdbool.h>

#include "base/str.h"

struct import;

/* What stands behind "*", variables put in, as a test of Sieve; NULL and *why
 * if it is none. */
const char *import_condition(struct import *import, struct str text,
			     struct str flags, const char **why);
/* Whether it can be the name of a header field. */
bool import_is_field(struct str name);

#endif
