/* SPDX-License-Identifier: MIT */
/*
 * auth/module.h - what needs a library that few installations need: databases,
 * directories, Kerberos, HTTP. Each is an object of its own beside the programs
 * (modules/), loaded by the process that uses it, when it does.
 */
#ifndef AUTH_MODULE_H
#define AUTH_MODULE_H
struct err;

/* `symbol` of the module auth-NAME.so; NULL with ERR_NOT_FOUND if it cannot be
 * loaded. Modules stay loaded. */
const void *module_get(const char *name, const char *symbol, struct err *err);

#endif
