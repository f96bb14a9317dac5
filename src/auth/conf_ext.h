/* SPDX-License-Identifier: MIT */
/*
 * auth/conf_ext.h - the files that `args` of passdbs and userdbs name
 * (dovecot-sql.conf.ext, dovecot-ldap.conf.ext): "key = value" lines, "#"
 * comments, values in quotes, "\" at an end of line, !include, and for some
 * sections: "name {" to "}".
 */
#ifndef AUTH_CONF_EXT_H
#define AUTH_CONF_EXT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct err;

/* As an offset: the setting can have no effect here, `preset` says why; who
 * sets it is warned, with file and line. */
#define CONF_EXT_NO_EFFECT SIZE_MAX

struct conf_ext_row {
	const char *name;
	size_t offset;      /* of a `const char *` */
	const char *preset; /* NULL: it stays NULL */
};
/* A line within a section, whose head is as written ("key passdb"). */
typedef int conf_ext_fn(void *out, struct str section, struct str key,
			struct str value, struct err *err);

/* Fill *out, whose texts become children of ctx, from `path` by `rows` (up to
 * a row without name), sections by `in_section` (NULL: there may be none). What
 * is wrong is said with file and line. */
int conf_ext_read(const void *ctx, const char *path,
		  const struct conf_ext_row *rows, void *out,
		  conf_ext_fn *in_section, struct err *err);
/* "yes", "y", "1": as Dovecot reads them. */
bool conf_ext_bool(const char *value);
/* Whether it is written as one. */
bool conf_ext_is_bool(const char *value);

#endif
