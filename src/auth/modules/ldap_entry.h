/* SPDX-License-Identifier: MIT */
/*
 * auth/modules/ldap_entry.h - entries of a directory as fields: user_attrs,
 * pass_attrs and iterate_attrs of a dovecot-ldap.conf.ext.
 */
#ifndef AUTH_MODULES_LDAP_ENTRY_H
#define AUTH_MODULES_LDAP_ENTRY_H
#include <ldap.h>

#include "auth/ldap.h"

enum { LDAP_ATTRS_MAX = 64 };

/* "attr=field", "attr=field=template of %$", "=field=template", "attr" with a
 * field of the same name. */
struct ldap_attr {
	char *name; /* NULL: not of the directory */
	char *field, *template;
};

/* Cut the setting; what is allocated is a child of ctx. Returns how many. */
size_t ldap_attrs_split(const void *ctx, const char *attrs,
			struct ldap_attr out[LDAP_ATTRS_MAX]);
/* Call `fn` for each entry of a search, and where there is no user (a list of
 * all) for each value. False after logging that a template cannot be expanded.
 */
bool ldap_entries_give(LDAP *ld, struct request *request, LDAPMessage *result,
		       const struct ldap_attr *attrs, size_t count,
		       ldap_entry_fn *fn, void *ctx);

#endif
