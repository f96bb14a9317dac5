/* SPDX-License-Identifier: MIT */
#include "auth/drivers.h"

#include <string.h>

#include "auth/db.h"

static const struct passdb_driver *const passdbs[] = {
	&passdb_app_password, &passdb_checkpassword, &passdb_dict,
#ifdef HAVE_LDAP
	&passdb_ldap,
#endif
#ifdef HAVE_CURL
	&passdb_oauth2,
#endif
	&passdb_pam,          &passdb_passwd,        &passdb_passwd_file,
	&passdb_shadow,       &passdb_sql,           &passdb_static,
};

const struct passdb_driver *passdb_driver_find(const char *name)
{
	for (size_t i = 0; i < sizeof(passdbs) / sizeof(passdbs[0]); i++) {
		if (strcasecmp(passdbs[i]->name, name) == 0)
			return passdbs[i];
	}
	return NULL;
}

static const struct userdb_driver *const userdbs[] = {
	&userdb_checkpassword, &userdb_dict,
#ifdef HAVE_LDAP
	&userdb_ldap,
#endif
	&userdb_passwd,        &userdb_passwd_file, &userdb_prefetch,
	&userdb_sql,           &userdb_static,
};

const struct userdb_driver *userdb_driver_find(const char *name)
{
	for (size_t i = 0; i < sizeof(userdbs) / sizeof(userdbs[0]); i++) {
		if (strcasecmp(userdbs[i]->name, name) == 0)
			return userdbs[i];
	}
	return NULL;
}
