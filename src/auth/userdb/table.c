/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "auth/db.h"
#include "auth/userdb/drivers.h"

static const struct userdb_driver *const drivers[] = {
	&userdb_checkpassword, &userdb_dict,
#ifdef HAVE_LDAP
	&userdb_ldap,
#endif
	&userdb_passwd,        &userdb_passwd_file, &userdb_prefetch,
	&userdb_sql,           &userdb_static,
};

const struct userdb_driver *userdb_driver_find(const char *name)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		if (strcasecmp(drivers[i]->name, name) == 0)
			return drivers[i];
	}
	return NULL;
}
