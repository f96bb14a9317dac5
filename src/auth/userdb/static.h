/* SPDX-License-Identifier: MIT */
/*
 * auth/userdb/static.h - what lookups need to know of userdb static.
 */
#ifndef AUTH_USERDB_STATIC_H
#define AUTH_USERDB_STATIC_H
#include <stdbool.h>

struct userdb;

/* Whether this userdb is static, and users are those of the passdbs. */
bool userdb_static_asks_passdb(const struct userdb *db);

#endif
