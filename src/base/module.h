/* SPDX-License-Identifier: MIT */
/*
 * base/module.h - what needs a library that few installations need: databases,
 * directories, Kerberos, HTTP, calendars. Each is an object of its own beside
 * the programs, loaded by the process that uses it, when it does.
 */
#ifndef BASE_MODULE_H
#define BASE_MODULE_H
struct err;

/* Where they are: beside the programs, but in tests. */
extern const char *module_dir;
/* `symbol` of the module NAME.so, as in "auth-ldap"; NULL with ERR_NOT_FOUND if
 * it cannot be loaded. It stays loaded. The program must be linked with
 * -rdynamic, and have all that the module needs of our libraries. */
const void *module_get(const char *name, const char *symbol, struct err *err);

#endif
