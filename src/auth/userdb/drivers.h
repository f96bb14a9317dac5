/* SPDX-License-Identifier: MIT */
/*
 * auth/userdb/drivers.h - every userdb driver; userdb/table.c lists them.
 */
#ifndef AUTH_USERDB_DRIVERS_H
#define AUTH_USERDB_DRIVERS_H
struct userdb_driver;

extern const struct userdb_driver userdb_checkpassword;
extern const struct userdb_driver userdb_dict;
#ifdef HAVE_LDAP
extern const struct userdb_driver userdb_ldap;
#endif
extern const struct userdb_driver userdb_passwd;
extern const struct userdb_driver userdb_passwd_file;
extern const struct userdb_driver userdb_prefetch;
extern const struct userdb_driver userdb_sql;
extern const struct userdb_driver userdb_static;

#endif
