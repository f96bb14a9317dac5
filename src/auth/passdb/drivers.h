/* SPDX-License-Identifier: MIT */
/*
 * auth/passdb/drivers.h - every passdb driver; passdb/table.c lists them.
 */
#ifndef AUTH_PASSDB_DRIVERS_H
#define AUTH_PASSDB_DRIVERS_H
struct passdb_driver;

extern const struct passdb_driver passdb_app_password;
extern const struct passdb_driver passdb_checkpassword;
extern const struct passdb_driver passdb_dict;
#ifdef HAVE_LDAP
extern const struct passdb_driver passdb_ldap;
#endif
#ifdef HAVE_CURL
extern const struct passdb_driver passdb_oauth2;
#endif
extern const struct passdb_driver passdb_passwd_file;
extern const struct passdb_driver passdb_pam;
extern const struct passdb_driver passdb_passwd;
extern const struct passdb_driver passdb_shadow;
extern const struct passdb_driver passdb_sql;
extern const struct passdb_driver passdb_static;

#endif
