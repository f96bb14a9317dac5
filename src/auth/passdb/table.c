/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "auth/db.h"
#include "auth/passdb/drivers.h"

static const struct passdb_driver *const drivers[] = {
	&passdb_app_password,  &passdb_checkpassword, &passdb_dict,
#ifdef HAVE_LDAP
	&passdb_ldap,
#endif
#ifdef HAVE_CURL
	&passdb_oauth2,
#endif
	&passdb_pam,           &passdb_passwd, &passdb_passwd_file,
	&passdb_shadow,        &passdb_sql,    &passdb_static,
};

const struct passdb_driver *passdb_driver_find(const char *name)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		if (strcasecmp(drivers[i]->name, name) == 0)
			return drivers[i];
	}
	return NULL;
}
