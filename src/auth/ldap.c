/* SPDX-License-Identifier: MIT */
#include "auth/ldap.h"

#include "base/module.h"

static const struct ldap_module *ldap(struct err *err)
{
	static const struct ldap_module *module;

	if (module == NULL)
		module = module_get("auth-ldap", "ldap_module", err);
	return module;
}

int ldap_source_open(const char *path, struct ldap_source **out,
		     struct err *err)
{
	const struct ldap_module *module = ldap(err);

	return module == NULL ? -1 : module->open(path, out, err);
}

int ldap_source_search(struct ldap_source *source, struct request *request,
		       const char *filter, const char *attrs, ldap_entry_fn *fn,
		       void *ctx, struct err *err)
{
	return ldap(err)->search(source, request, filter, attrs, fn, ctx, err);
}

int ldap_source_bind(struct ldap_source *source, struct request *request,
		     const char *dn, struct err *err)
{
	return ldap(err)->bind(source, request, dn, err);
}
