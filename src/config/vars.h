/* SPDX-License-Identifier: MIT */
/*
 * config/vars.h - %-variables with their modifiers, as Dovecot 2.3 has them
 * ("Variables" in its documentation): %u, %{user}, %Lu, %2.26Hu, %{sha1:user},
 * %{if;...}, %{env:NAME}, %%.
 */
#ifndef CONFIG_VARS_H
#define CONFIG_VARS_H
#include <stdbool.h>

#include "base/str.h"

struct buf;
struct err;

struct var {
	char key; /* 0 where there is only the long name */
	/* "user"; NULL where there is only the key; "passdb:" is for all that
	 * begin so and are not there: what stands behind a second colon is
	 * their value. */
	const char *name;
	const char *value; /* NULL is expanded to "" */
};

/* Expand `format`; `vars` ends with {0}. *out is a child of ctx. An unknown
 * variable or a broken format fails with ERR_INVALID. */
int vars_expand(const void *ctx, const char *format, const struct var *vars,
		char **out, struct err *err);
/* For lines of the log, which are written in any case: *out is set whatever
 * happens. An unknown variable becomes UNSUPPORTED_VARIABLE_x in it, as in
 * Dovecot, and what is broken is left out; -1 says that there was such, and err
 * what came first, or ERR_LIMIT if it is not whole. */
int vars_expand_anyway(const void *ctx, const char *format,
		       const struct var *vars, char **out, struct err *err);
/* The same for text in a language that has its own syntax (SQL, LDAP filters):
 * what each variable with its modifiers gives is added by `add`. */
struct vars_escape {
	void (*add)(void *ctx, struct str value, struct buf *out);
	void *ctx;
};
int vars_expand_escaped(const void *ctx, const char *format,
			const struct var *vars,
			const struct vars_escape *escape, char **out,
			struct err *err);
/* Whether `format` uses the variable of that key or name. */
bool vars_has(const char *format, char key, const char *name);
/* Those of a user name: u n d (and long names), as children of ctx. */
struct var *vars_user(const void *ctx, const char *user);

#endif
