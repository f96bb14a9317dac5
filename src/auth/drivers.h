/* SPDX-License-Identifier: MIT */
/*
 * auth/drivers.h - every passdb and userdb driver.
 */
#ifndef AUTH_DRIVERS_H
#define AUTH_DRIVERS_H
#include <stdbool.h>

struct passdb_driver;
struct userdb;
struct userdb_driver;

extern const struct passdb_driver passdb_app_password, passdb_checkpassword,
	passdb_dict, passdb_ldap, passdb_oauth2, passdb_pam, passdb_passwd,
	passdb_passwd_file, passdb_shadow, passdb_sql, passdb_static;
extern const struct userdb_driver userdb_checkpassword, userdb_dict,
	userdb_ldap, userdb_passwd, userdb_passwd_file, userdb_prefetch,
	userdb_sql, userdb_static;

/* NULL if there is none of that name. */
const struct passdb_driver *passdb_driver_find(const char *name);
const struct userdb_driver *userdb_driver_find(const char *name);
/* Whether this userdb is static, and users are those of the passdbs. */
bool userdb_static_asks_passdb(const struct userdb *db);

#endif
